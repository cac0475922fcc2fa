"""`pcap-analyzer serve`: the web service."""

from pathlib import Path

import click

from pcap_analyzer import settings
from pcap_analyzer.cli import guide


@click.command(cls=guide.Command, context_settings=guide.SETTINGS)
@click.option("--host", metavar="ADDRESS", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65_535), help="Port; 0 takes a free one.  [default: 8000]")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="Folder of the database, the captures and the reports.  [default: data]",
)
@click.option(
    "--insecure-http",
    is_flag=True,
    default=None,
    help="Serve other hosts without TLS: passwords and captures travel in clear text.",
)
def serve(host: str | None, port: int | None, data_dir: Path | None, insecure_http: bool | None) -> None:
    """Serve the pages: drop captures in the browser, read their reports.

    The first start prints a link that makes the first administrator. Settings come from the environment and from
    .env too (DATA_DIR, DATABASE_URL, PUBLIC_URL, MAX_UPLOAD_BYTES, CONCURRENT_ANALYSES, ANALYSIS_TIME_LIMIT_S).

    \b
      pcap-analyzer serve
      pcap-analyzer serve --port 9000 --data-dir /srv/captures
    """
    from pcap_analyzer.web import server  # noqa: PLC0415 - other commands must not pay for it

    server.run(settings.load(listen_host=host, listen_port=port, data_dir=data_dir, insecure_http=insecure_http))
