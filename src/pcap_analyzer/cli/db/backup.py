"""`pcap-analyzer db backup`: a checked copy of the database, and what else belongs to a backup."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pcap_analyzer import settings
from pcap_analyzer.cli import guide, outputs
from pcap_analyzer.errors import Conflict, DatabaseUnavailable
from pcap_analyzer.keys import FILE_NAME
from pcap_analyzer.report.format import NARROW, count, data_size
from pcap_analyzer.store.urls import DatabaseUrl, DatabaseUrls, SqliteUrl

if TYPE_CHECKING:
    from pcap_analyzer.store.engines import EngineOptions


@click.command(cls=guide.Command, context_settings=guide.SETTINGS)
@click.option(
    "--to",
    "target",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Where it is written, or a folder; never over a file.  [default: pcap_analyzer-TIME.db or .dump, here]",
)
def backup(target: Path | None) -> None:
    """Write a backup of the database and read it back before it counts as one.

    The service may run. SQLite is copied by its own backup function; for PostgreSQL pg_dump must be installed and not
    be older than the server, and it reads as the owner (DATABASE_DIRECT_URL). Only the owner of the file can read it.

    \b
      pcap-analyzer db backup
      pcap-analyzer db backup --to /backups/
    """
    os.umask(0o077)  # people's password hashes are in it
    loaded = settings.load()
    urls = loaded.database_urls()
    place = _place(target, urls.direct)
    outputs.check_place_of(place)
    if place.exists():
        raise Conflict(f"{place} is there already, and no backup is overwritten: name another file.")
    _save(urls, loaded.engine_options(), place)
    outputs.write_standard_output("".join(f"{line}\n" for line in _told(loaded, place)))


def _place(target: Path | None, url: DatabaseUrl) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    name = f"pcap_analyzer-{stamp}.{'db' if isinstance(url, SqliteUrl) else 'dump'}"
    if target is None:
        return Path(name)
    return target / name if target.is_dir() else target


def _save(urls: DatabaseUrls, options: EngineOptions, place: Path) -> None:
    from pcap_analyzer.store import dumps, neighbours, restoring  # noqa: PLC0415 - help must not pay for these

    url = urls.direct
    if not isinstance(url, SqliteUrl):
        asyncio.run(neighbours.refuse_two_databases(urls, options))
        asyncio.run(dumps.save(url, place))
        return
    if not url.path.is_file():
        raise DatabaseUnavailable(f"There is no database at {url.path}: nothing to back up.")
    restoring.save(url.path, place)


def _told(loaded: settings.Settings, place: Path) -> Iterator[str]:
    yield f"{place}: {_size(place.stat().st_size)}, read back and found whole."
    yield f"The database: {loaded.database_urls().direct.shown}"
    yield "To a backup belong also, copied after it:"
    for name in ("captures", "results"):
        yield f"  {_folder(loaded.data_dir / name)}"
    key = loaded.data_dir / FILE_NAME
    if loaded.secret_key:
        yield "  SECRET_KEY of the environment: without it, stored secrets cannot be read"
    elif key.is_file():
        yield f"  {key}: {_size(key.stat().st_size)}; without it, stored secrets cannot be read"
    else:
        yield f"  {key}: not there yet"


def _folder(folder: Path) -> str:
    if not folder.is_dir():
        return f"{folder}: not there yet"
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return f"{folder}: {count(len(sizes)).replace(NARROW, ' ')} files, {_size(sum(sizes))}"


def _size(size: int) -> str:
    return data_size(size).replace(NARROW, " ")
