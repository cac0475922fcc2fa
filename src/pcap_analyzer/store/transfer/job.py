"""A whole copy from one database to another: what must be so before it, the copy, and the proof after it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, Table, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from pcap_analyzer.errors import Conflict, NotFound, UsageError
from pcap_analyzer.store import upgrade
from pcap_analyzer.store.connections import tool_connection
from pcap_analyzer.store.transfer.cells import Fix
from pcap_analyzer.store.transfer.comparing import TableComparison, compare, differences
from pcap_analyzer.store.transfer.copying import CHECKPOINTS, OnRows, copy_rows, forget_checkpoints, tables
from pcap_analyzer.store.transfer.preflight import CheckedSource, Preflight, examine
from pcap_analyzer.store.transfer.sources import PostgresStored, Stored, sqlite_stored
from pcap_analyzer.store.urls import DatabaseUrl, SqliteUrl


class Mode(StrEnum):
    """How much of it is wanted."""

    COPY = "copy"
    DRY_RUN = "dry-run"  # the questions before it, nothing else
    RESUME = "resume"  # go on with a copy that was interrupted
    VERIFY_ONLY = "verify-only"  # the proof after it, nothing else


@dataclass(frozen=True)
class Order:
    """What is wanted."""

    source: DatabaseUrl
    target: DatabaseUrl
    mode: Mode = Mode.COPY
    fixes: frozenset[Fix] = frozenset()
    data_dir: Path | None = None  # of the service that uses the source, if it is known


@dataclass(frozen=True)
class Step:
    """How far a copy is."""

    doing: str
    table: str
    rows: int
    rows_total: int | None  # None: not counted yet


OnStep = Callable[[Step], None]


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    order: Order
    revision: str
    began_at: datetime
    ended_at: datetime
    preflight: Preflight | None  # None: only verified
    compared: tuple[TableComparison, ...] | None  # None: nothing was copied

    @property
    def is_good(self) -> bool:
        """Nothing stands in the way, and where rows were copied or verified both sides are equal."""
        refused = self.preflight is not None and self.preflight.unsolved
        return not refused and not differences(self.compared or ())


async def carry_out(order: Order, *, on_step: OnStep | None = None) -> Outcome:
    """Copy, or what else was ordered. Nothing is written before the preflight has found the source without fault.

    Raises Conflict where a side is not as it has to be, and what connections raise.
    """
    began_at = datetime.now(UTC)
    if order.source == order.target:
        raise UsageError("Both URLs name the same database.")
    with _service_kept_out(order):
        await _refuse_other_revisions(order)
        async with _stored(order.source) as stored, _target(order) as target:
            preflight, compared = await target.run_sync(partial(_work, order, stored, on_step or (lambda _step: None)))
    return Outcome(order, upgrade.head(), began_at, datetime.now(UTC), preflight, compared)


def _work(
    order: Order, stored: Stored, on_step: OnStep, target: Connection
) -> tuple[Preflight | None, tuple[TableComparison, ...] | None]:
    source = CheckedSource(stored, order.fixes)
    if order.mode is Mode.VERIFY_ONLY:
        return None, compare(source, target, on_rows=_told(on_step, "Comparing", None))
    _refuse_what_is_there(target, order.mode)
    preflight = examine(source, on_rows=_told(on_step, "Checking", None))
    if preflight.unsolved or order.mode is Mode.DRY_RUN:
        return preflight, None
    copy_rows(source, target, on_rows=_told(on_step, "Copying", preflight))
    compared = compare(source, target, on_rows=_told(on_step, "Comparing", preflight))
    if not differences(compared):
        forget_checkpoints(target)
    return preflight, compared


def _told(on_step: OnStep, doing: str, preflight: Preflight | None) -> OnRows:
    def told(table: str, rows: int) -> None:
        on_step(Step(doing, table, rows, None if preflight is None else preflight.rows.get(table)))

    return told


@contextmanager
def _service_kept_out(order: Order) -> Iterator[None]:
    """Hold the lock of the service that uses a SQLite database, if ever one did. Raises Conflict.

    It lies in the service's data folder, which need not be the folder of the database.
    """
    url, descriptors = order.source, list[int]()
    folders = dict.fromkeys((url.path.parent, order.data_dir)) if isinstance(url, SqliteUrl) else ()
    try:
        for folder in filter(None, folders):
            with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
                # No lock file: no service; one that starts now cannot write, see sqlite_stored.
                descriptors.append(os.open(folder / "serve.lock", os.O_RDONLY | os.O_CLOEXEC))
                fcntl.flock(descriptors[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise Conflict("A service runs on the folder of the source: stop it first, so that nothing changes.") from None
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


async def _refuse_other_revisions(order: Order) -> None:
    for side, url in (("source", order.source), ("target", order.target)):
        if isinstance(url, SqliteUrl) and not url.path.is_file():
            raise NotFound(f"The {side} {url.shown} is not there.")
        found = await upgrade.probe(url)
        if found.revision != upgrade.head():
            unstamped = "has rows but no revision" if found.tables else "is empty"
            where = unstamped if found.revision is None else f"stands at revision {found.revision}"
            raise Conflict(
                f"The {side} {url.shown} {where} and has to be at {upgrade.head()}. Run db upgrade on the {side} "
                f"first: DATABASE_URL='{url.shown}' pcap-analyzer db upgrade"
            )


@asynccontextmanager
async def _stored(url: DatabaseUrl) -> AsyncIterator[Stored]:
    if isinstance(url, SqliteUrl):
        with sqlite_stored(url) as stored:
            yield stored
        return
    async with tool_connection(url, "copy") as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        assert connection.sync_connection is not None
        yield PostgresStored(connection.sync_connection)


@asynccontextmanager
async def _target(order: Order) -> AsyncIterator[AsyncConnection]:
    """Locked as for an upgrade where it is written."""
    if order.mode in (Mode.DRY_RUN, Mode.VERIFY_ONLY):
        async with tool_connection(order.target, "copy") as connection:
            yield connection
        return
    async with upgrade.locked(order.target) as ready:
        yield ready.connection


def _refuse_what_is_there(target: Connection, mode: Mode) -> None:
    """Raise Conflict unless the target is empty, or holds the beginning of what is resumed."""
    begun = _has_rows(target, CHECKPOINTS)
    filled = [table.name for table in tables() if _has_rows(target, table)]
    target.rollback()
    if begun and mode is Mode.COPY:
        raise Conflict("A copy into the target was interrupted: go on with --resume, or empty the target.")
    if filled and not begun:
        raise Conflict(
            f"The target is not empty, there are rows in {', '.join(filled)}: copy into a new database. "
            "--verify-only compares what is there."
        )


def _has_rows(target: Connection, table: Table) -> bool:
    return bool(target.scalar(select(func.count()).select_from(select(1).select_from(table).limit(1).subquery())))
