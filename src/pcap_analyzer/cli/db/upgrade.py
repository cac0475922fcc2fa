"""`pcap-analyzer db upgrade`: the database as this release needs it."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import click

from pcap_analyzer import settings
from pcap_analyzer.cli import guide, outputs
from pcap_analyzer.cli.failures import tell
from pcap_analyzer.errors import UsageError

if TYPE_CHECKING:
    from pcap_analyzer.store.upgrade import Upgraded


@click.command(cls=guide.Command, context_settings=guide.SETTINGS)
@click.option("--sql", "prints", is_flag=True, help="Print the SQL for PostgreSQL and run nothing.")
@click.option(
    "--from", "since", metavar="REVISION", help="With --sql: where that begins, or base; else where the database is."
)
def upgrade(prints: bool, since: str | None) -> None:
    """Bring the database to this release, revision by revision; an old one is adopted.

    It can be stopped at any moment and run again, and by many processes at once: one works, the others wait.
    A SQLite file is copied beside itself first, and the last three such backups are kept.

    \b
      pcap-analyzer db upgrade
      pcap-analyzer db upgrade --sql > upgrade.sql           what it would do, for PostgreSQL
      pcap-analyzer db upgrade --sql --from dcd3f75e61c2     without asking the database
    """
    from pcap_analyzer.store import neighbours  # noqa: PLC0415 - help must not pay for these
    from pcap_analyzer.store import upgrade as upgrades  # noqa: PLC0415

    if since is not None and not prints:
        raise UsageError("--from goes with --sql.")
    os.umask(0o077)  # the database and its backups hold people's password hashes
    loaded = settings.load()
    urls = loaded.database_urls()
    url = urls.direct
    if prints:
        sql = asyncio.run(upgrades.upgrade_sql(url, since))
        if not sql:
            tell(f"Already at revision {upgrades.head()}, the newest: there is nothing to print.")
        outputs.write_standard_output(sql)
        return
    asyncio.run(neighbours.refuse_two_databases(urls, loaded.engine_options()))
    done = asyncio.run(upgrades.upgrade(url, on_step=tell))
    outputs.write_standard_output(f"{_told(done)}The database: {url.shown}\n")


def _told(done: Upgraded) -> str:
    if done.adopted is not None:
        return f"{done.adopted.sentence()}\n"
    if done.before == done.after:
        return f"Already at revision {done.after}, the newest: nothing to do.\n"
    before = "a new database" if done.before is None else f"revision {done.before}"
    backup = "" if done.backup is None else f"The database as it was before: {done.backup}\n"
    return f"Upgraded from {before} to revision {done.after}.\n{backup}"
