"""`pcap-analyzer db restore`: a backup back in its place."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import click

from pcap_analyzer import settings
from pcap_analyzer.cli import guide, outputs
from pcap_analyzer.errors import UsageError
from pcap_analyzer.store.urls import DatabaseUrl, DatabaseUrls, PostgresUrl, SqliteUrl


@click.command(cls=guide.Command, context_settings=guide.SETTINGS)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask before the database is replaced.")
@click.option("--clean", is_flag=True, help="PostgreSQL: drop first what is in the database.")
def restore(file: Path, yes: bool, clean: bool) -> None:
    """Put the backup FILE in the place of the database that the settings name. A damaged file changes nothing.

    SQLite: the service must be stopped, and the database that was there stays beside it as ….before-restore.
    PostgreSQL: the database must be empty, or --clean drops first what is in it; all of it is one transaction. Rights
    are not in a backup: run what `pcap-analyzer db grants` prints afterwards.

    \b
      pcap-analyzer db restore pcap_analyzer-20260102T030405Z.db
      pcap-analyzer db restore pcap.dump --clean
    """
    os.umask(0o077)
    loaded = settings.load()
    urls = loaded.database_urls()
    url = urls.direct
    if not file.is_file():
        raise UsageError(f"There is no file {file}.")
    if clean and isinstance(url, SqliteUrl):
        raise UsageError("--clean is for PostgreSQL; a SQLite database is replaced whole, and kept.")
    if not yes:
        _ask(url, clean=clean)
    outputs.write_standard_output(_restore(file, urls, loaded, clean=clean))


def _ask(url: DatabaseUrl, *, clean: bool) -> None:
    if not sys.stdin.isatty():
        raise UsageError("Nobody can be asked here: confirm with --yes.")
    what = "is replaced and kept beside it" if isinstance(url, SqliteUrl) else "is filled"
    click.confirm(f"{url.shown} {'loses everything that is in it' if clean else what}. Go on?", abort=True, err=True)


def _restore(file: Path, urls: DatabaseUrls, loaded: settings.Settings, *, clean: bool) -> str:
    from pcap_analyzer.store import dumps, neighbours, restoring  # noqa: PLC0415 - help must not pay for these
    from pcap_analyzer.store.chain import head  # noqa: PLC0415

    url, options = urls.direct, loaded.engine_options()
    if isinstance(url, PostgresUrl):
        asyncio.run(neighbours.refuse_two_databases(urls, options))
        revision = asyncio.run(dumps.restore(file, url, options, clean=clean))
        after = "Now run what `pcap-analyzer db grants` prints, as the owner.\n"
    else:
        done = restoring.restore(file, url.path, loaded.data_dir / "serve.lock")
        revision = done.revision
        after = "" if done.replaced is None else f"The database that was there: {done.replaced}\n"
    if revision != head():
        after += "It is of an earlier release: run `pcap-analyzer db upgrade`.\n"
    after += f"The database: {url.shown}\n"
    return f"Restored {file} at revision {revision}.\n{after}The captures and results of that time belong to it.\n"
