"""`pcap-analyzer db verify`: is everything where and as it should be?"""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from pcap_analyzer import settings
from pcap_analyzer.cli import guide, outputs
from pcap_analyzer.errors import UsageError
from pcap_analyzer.report.layout import Look, Page, Span

if TYPE_CHECKING:
    from pcap_analyzer.store.verify.check import Check

SIGNS = {"ok": ("OK", "green"), "warning": ("WARNING", "yellow"), "failure": ("FAILED", "bold red")}
EXIT_CODES = {"ok": 0, "warning": 1, "failure": 2}
LABEL_CELLS = 10


@click.command(cls=guide.Command, context_settings=guide.SETTINGS)
@click.option("--deep", is_flag=True, help="Also read every report and, on SQLite, compare every index with its table.")
@click.option("--json", "as_json", is_flag=True, help="Write the checks as JSON.")
@click.option(
    "--processes",
    metavar="N",
    type=click.IntRange(min=1),
    default=1,
    help="How many processes of the service share the server's connections.  [default: 1]",
)
@click.option("--migrations", is_flag=True, help="Try this release's whole chain in a temporary database instead.")
@click.option(
    "--scratch-database",
    metavar="URL",
    help="With --migrations: an empty PostgreSQL database to fill and to leave empty, in place of SQLite.",
)
def verify(deep: bool, as_json: bool, processes: int, migrations: bool, scratch_database: str | None) -> None:
    """Check the database, its rows and its files, and say what to do about what is wrong. Nothing is changed.

    \b
    Exit codes:
      0  all is well
      1  there are warnings: everything works, something should be looked at
      2  something is to be repaired

    \b
      pcap-analyzer db verify
      pcap-analyzer db verify --json | jq '.checks[] | select(.status != "ok")'
      pcap-analyzer db verify --migrations
    """
    ctx = click.get_current_context()
    if scratch_database is not None and not migrations:
        raise UsageError("--scratch-database goes with --migrations.")
    if migrations:
        from pcap_analyzer.cli.db import trial  # noqa: PLC0415 - help must not pay for it

        ctx.exit(trial.run(scratch_database, settings.load().database_ssl_mode))
    from pcap_analyzer.services import verification  # noqa: PLC0415 - help must not pay for these
    from pcap_analyzer.storage import Storage  # noqa: PLC0415
    from pcap_analyzer.store.verify.check import worst  # noqa: PLC0415

    loaded = settings.load()
    urls, options, scope = loaded.database_urls(), loaded.engine_options(), verification.Scope(deep, processes)
    checks = asyncio.run(verification.verify(urls, options, Storage(loaded.data_dir), scope))
    status = worst(checks).value
    if as_json:
        told = {"status": status, "checks": [asdict(check) for check in checks]}
        outputs.write_standard_output(json.dumps(told, indent=2) + "\n")
    else:
        outputs.write_standard_output(_page(checks, status))
    ctx.exit(EXIT_CODES[status])


def _page(checks: tuple[Check, ...], status: str) -> str:
    page = Page(Look.of(outputs.standard_output()))
    page.blank()
    for check in checks:
        sign, style = SIGNS[check.status.value]
        page.hanging((Span(f"{sign:<{LABEL_CELLS}}", style),), f"{check.name}: {check.sentence}")
    page.blank()
    ends = {"ok": "All is well.", "warning": "Everything works; see the warnings.", "failure": "Repair what FAILED."}
    page.line(Span(ends[status], SIGNS[status][1]))
    return page.text()
