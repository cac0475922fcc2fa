"""Takes over a SQLite database that no revision describes: its rows go into a new file, and the old file stays.

The new file is built and filled beside the old one and gets its name when all of it is checked and on the disk. A
process that ends before leaves the old file as it was, and the next one starts over; at no moment is there no file,
and at none one that is half full.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby, islice
from pathlib import Path

from sqlalchemy import Connection, func, insert, select

from pcap_analyzer.errors import DatabaseUnavailable, StorageFull, StorageUnavailable
from pcap_analyzer.store.adoption.file import beside, settle
from pcap_analyzer.store.adoption.schemas import Schema
from pcap_analyzer.store.adoption.source import Note, OldFile, opened
from pcap_analyzer.store.connections import on_connection
from pcap_analyzer.store.models import AuditAction, AuditEntry
from pcap_analyzer.store.transfer import comparing, copying
from pcap_analyzer.store.transfer.copying import ORPHANS, OnRows
from pcap_analyzer.store.urls import SqliteUrl

log = logging.getLogger(__name__)

UNFINISHED = ".adopting"
KEPT = ".before-adoption"
#: The new file, its indexes and the journal of a batch, in sizes of the old file, and what an empty one takes.
ROOM, EMPTY_BYTES = 3, 2**20
NOTES_IN_ENTRY = 200
ACTOR = "adoption"

TELL_EVERY_S = 3.0

Build = Callable[[SqliteUrl], Awaitable[None]]
OnStep = Callable[[str], None]


@dataclass(frozen=True)
class Adopted:
    """What was taken over."""

    rows: Mapping[str, int]  # by table, in the old file
    orphans: Mapping[str, int]  # by table: of them, those in adopted_orphans because their parent is gone
    noted: int  # rows of which a value has no today's form; it is in the audit log
    kept: Path  # the old file
    secrets: int = 0  # people of whom the old file has secrets of two-factor logins in clear text

    def sentence(self) -> str:
        """What people are told."""
        tables = ", ".join(f"{count:,} {name}" for name, count in self.rows.items())
        aside = sum(self.orphans.values())
        return (
            f"Adopted the database of an earlier release: {sum(self.rows.values()):,} rows ({tables})"
            + (f", {aside:,} of them without their parent, kept in adopted_orphans" if aside else "")
            + f". The old file lies in {self.kept}"
            + (self.secrets > 0)
            * f" and holds two-factor secrets in clear text ({self.secrets:,}): remove it when all is well"
            + "."
        )


async def adopt(url: SqliteUrl, schema: Schema, build: Build, on_step: OnStep | None = None) -> Adopted:
    """Put a database at head in the place of the old file; `build` makes an empty one. The caller holds the lock.

    `on_step`, or the log without it, hears at once what begins and every few seconds how far it is. Raises StorageFull,
    StorageUnavailable, or DatabaseUnavailable with the old file in its place.
    """
    new = SqliteUrl(url.path.with_name(url.path.name + UNFINISHED))
    told = _Told(on_step or (lambda step: log.warning("%s", step)))
    told.say(f"{url.path.name} is of an earlier release: its rows are copied into a new file.")
    try:
        _remove(new.path)
        _remove(_half_kept(url.path))
        settle(url.path)
        _ask_for_room(url.path)
        new.path.touch(mode=0o600)
        await build(new)
        kept = _free_name(url.path)
        with opened(url.path, schema) as old:
            adopted = await on_connection(new, "adoption", lambda connection: _copied(old, connection, kept, told))
            _put_in_place(old, new.path, url.path, kept)
    except OSError as error:
        raise StorageUnavailable(
            f"{url.path.name} cannot be adopted: {error.strerror}. It is left as it is."
        ) from error
    finally:
        with suppress(OSError):
            _remove(new.path)
    return adopted


def _remove(path: Path) -> None:
    """An unfinished file and what SQLite keeps beside it."""
    for file in (*beside(path), path):
        file.unlink(missing_ok=True)


def _ask_for_room(path: Path) -> None:
    needed, free = ROOM * path.stat().st_size + EMPTY_BYTES, shutil.disk_usage(path.parent).free
    if free < needed:
        raise StorageFull(
            f"{path.name} of an earlier release is copied into a new file, which needs {needed:,} bytes beside it; "
            f"{free:,} are free. It is left as it is."
        )


class _Told:
    """Says how far an adoption is, now and then."""

    def __init__(self, say: OnStep) -> None:
        self.say = say
        self._said_s = time.monotonic()

    def rows(self, doing: str, of: Mapping[str, int]) -> OnRows:
        def done(table: str, rows: int) -> None:
            if time.monotonic() - self._said_s >= TELL_EVERY_S:
                self._said_s = time.monotonic()
                self.say(f"{doing} {table}: {rows:,} of {of.get(table, 0):,} rows")

        return done


def _copied(old: OldFile, target: Connection, kept: Path, told: _Told) -> Adopted:
    """Copy, compare with the source, count, and write down what was done."""
    before = old.counts()
    copying.copy_rows(old, target, on_rows=told.rows("Copying", before))
    differences = comparing.differences(comparing.compare(old, target, on_rows=told.rows("Comparing", before)))
    if differences:
        first = differences[0]
        raise DatabaseUnavailable(
            f"The copy of the old database is not the same: {first.table} {first.key} {first.what}. The old file is "
            "left as it is."
        )
    orphans = _accounted(old, target, before)
    copying.forget_checkpoints(target)
    secrets = old.clear_secrets()
    noted = _write_down(old, target, Adopted(before, orphans, 0, kept, secrets))
    broken = target.exec_driver_sql("PRAGMA foreign_key_check").all()
    target.rollback()
    if broken:
        raise DatabaseUnavailable(f"The copy of the old database has rows without their parent ({broken[:3]}).")
    return Adopted(before, orphans, noted, kept, secrets)


def _accounted(old: OldFile, target: Connection, before: Mapping[str, int]) -> Mapping[str, int]:
    """Rows that were put aside by table; raises DatabaseUnavailable unless each row of the old file is somewhere."""
    counted = select(ORPHANS.c.table_name, func.count()).where(ORPHANS.c.id > (old.last_number(ORPHANS) or 0))
    rows = target.execute(counted.group_by(ORPHANS.c.table_name)).all()
    aside = {name: count for name, count in rows}  # noqa: C416 - rows are no pairs to the type checker
    for table in copying.tables():
        new = target.scalar(select(func.count()).select_from(table)) or 0
        if table is ORPHANS:
            new -= sum(aside.values())
        if new + aside.get(table.name, 0) != before.get(table.name, 0):
            raise DatabaseUnavailable(
                f"Of {before.get(table.name, 0):,} rows of {table.name}, {new:,} arrived and "
                f"{aside.get(table.name, 0):,} were put aside. The old file is left as it is."
            )
    target.rollback()
    return aside


def _write_down(old: OldFile, target: Connection, adopted: Adopted) -> int:
    """One entry of the audit log for the adoption, and some for stored values that have no today's form."""
    summary = {"old_file": adopted.kept.name, "rows": adopted.rows, "orphans": adopted.orphans}
    _enter(target, {**summary, "clear_secrets": adopted.secrets})
    noted = 0
    for table, notes in groupby(old.notes(), key=lambda note: note.table):
        for portion in _portions(notes):
            noted += len(portion)
            stored = [{"key": note.key, "stored": json.loads(note.stored)} for note in portion]
            _enter(target, {"table": table, "values_before": stored})
    target.commit()
    return noted


def _portions(notes: Iterator[Note]) -> Iterator[list[Note]]:
    while portion := list(islice(notes, NOTES_IN_ENTRY)):
        yield portion


def _enter(target: Connection, details: Mapping[str, object]) -> None:
    target.execute(
        insert(AuditEntry).values(
            at=datetime.now(UTC), action=AuditAction.DATABASE_ADOPTED.value, actor_name=ACTOR, details=dict(details)
        )
    )


def _free_name(path: Path) -> Path:
    """Under which the old file stays; one that an adoption which was killed has given to this very file is free."""
    number, name = 1, path.with_name(path.name + KEPT)
    while name.exists() and not name.samefile(path):
        number += 1
        name = path.with_name(f"{path.name}{KEPT}-{number}")
    return name


def _put_in_place(old: OldFile, new: Path, path: Path, kept: Path) -> None:
    """The old file gets its second name before the new one takes the first: in between, both are the old file."""
    settle(new)  # the journal that is kept for later goes
    _sync(new)
    if beside(new) or beside(path):
        raise DatabaseUnavailable(f"{path.name} or its copy is in use by another process. It is left as it is.")
    if not kept.exists():
        _keep(old, path, kept)
    _sync(path.parent)
    new.rename(path)
    _sync(path.parent)


def _half_kept(path: Path) -> Path:
    return path.with_name(f"{path.name}{UNFINISHED}-copy")


def _keep(old: OldFile, path: Path, kept: Path) -> None:
    """A second name for the old file, for its owner alone: it holds hashes, and secrets in clear text."""
    try:
        path.chmod(0o600)
        os.link(path, kept)
    except OSError as error:  # of somebody else, or on a file system that knows no second names
        log.warning("%s cannot have a second name (%s): it is copied", path.name, error.strerror)
    else:
        return
    unfinished = _half_kept(path)
    unfinished.touch(mode=0o600, exist_ok=False)
    with unfinished.open("wb") as file:
        old.copy_to(file)
    _sync(unfinished)
    unfinished.rename(kept)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
