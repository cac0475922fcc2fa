"""`pcap-analyzer serve`: the web service."""

from pathlib import Path

import click

from pcap_analyzer import settings
from pcap_analyzer.cli import guide
from pcap_analyzer.report.format import NARROW, data_size

FIELDS = settings.Settings.model_fields


def _default(name: str) -> str:
    """What holds where a setting is not set, as it would be written."""
    default = FIELDS[name].default
    if FIELDS[name].default_factory is not None or default == "":
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    if name.endswith("_bytes"):
        return f"{default}, {data_size(default).replace(NARROW, ' ')}"
    return f"{default:g}" if isinstance(default, float) else str(default)


def meaning(name: str) -> str:
    """The one line of a setting, for its option and for its variable: what it is, in which unit, and its default."""
    default = _default(name)
    return f"{FIELDS[name].description}" + (f"  [default: {default}]" if default else "")


class ServeCommand(guide.Command):
    """Its help lists the variables as it lists the options."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        with formatter.section("Environment"):
            formatter.write_dl([(name.upper(), meaning(name)) for name in FIELDS])
            formatter.write_paragraph()
            formatter.write_text(
                "Lines NAME=value in the file .env of the folder where it is started do the same. An option wins over "
                "the environment, and the environment over .env."
            )


@click.command(cls=ServeCommand, context_settings=guide.SETTINGS)
@click.option("--host", metavar="ADDRESS", help=meaning("listen_host"))
@click.option("--port", metavar="PORT", type=click.IntRange(0, 65_535), help=meaning("listen_port"))
@click.option("--data-dir", metavar="FOLDER", type=click.Path(path_type=Path), help=meaning("data_dir"))
@click.option("--insecure-http", is_flag=True, default=None, help=FIELDS["insecure_http"].description)
def serve(host: str | None, port: int | None, data_dir: Path | None, insecure_http: bool | None) -> None:
    """Serve the pages: drop captures in the browser, read their reports.

    The first start prints a link that makes the first administrator.

    \b
      pcap-analyzer serve
      pcap-analyzer serve --port 9000 --data-dir /srv/captures
    """
    from pcap_analyzer.web import server  # noqa: PLC0415 - other commands must not pay for it

    server.run(settings.load(listen_host=host, listen_port=port, data_dir=data_dir, insecure_http=insecure_http))
