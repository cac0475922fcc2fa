"""Rows from one database into another of the same schema, in batches with checkpoints; see also transfer_compare.

A batch and the note how far it came share a transaction, so that a copy that was killed goes on without a row twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from typing import NamedTuple, Protocol

import asyncpg
from sqlalchemy import Column, Connection, Table, bindparam, delete, func, insert, select, text, update
from sqlalchemy.exc import DataError, IntegrityError

from pcap_analyzer.errors import Conflict
from pcap_analyzer.store.models import AdoptedOrphan, Base, CopyCheckpoint
from pcap_analyzer.store.transfer.values import Key, Row, Value, bound, canonical_json, key_of
from pcap_analyzer.store.types import safe_json

BATCH_ROWS = 5_000
ORPHANS: Table = Base.metadata.tables[AdoptedOrphan.__tablename__]
CHECKPOINTS: Table = Base.metadata.tables[CopyCheckpoint.__tablename__]

#: A row that the target does not take, as SQLAlchemy and as COPY tell it.
REFUSALS = (IntegrityError, DataError, asyncpg.IntegrityConstraintViolationError, asyncpg.DataError)

OnRows = Callable[[str, int], None]  # a table, and how many of its rows are done


class Item(NamedTuple):
    """A row of the source and what becomes of it."""

    key: Key  # ascending within a table; that of `row` where there is one
    row: Row | None  # None: it has no place in its table
    asides: tuple[str, ...] = ()  # JSON of what has no place there, for adopted_orphans


class Source(Protocol):
    """Where rows come from. All of it gives the same answers for as long as the source is the same."""

    @property
    def fingerprint(self) -> str:
        """At most 64 characters that another source, or this one after a change, does not have."""

    def items(self, table: Table, after: Key | None) -> Iterator[Item]:
        """The rows of a table whose keys come after `after`, by ascending key."""

    def last_number(self, table: Table) -> int | None:
        """The highest number that a row of this table ever had; None where its keys are no numbers."""


def tables() -> tuple[Table, ...]:
    """What is copied, parents before children.

    Rows put aside come first: what is put aside of other tables is numbered after them.
    """
    others = (table for table in Base.metadata.sorted_tables if table not in (ORPHANS, CHECKPOINTS))
    return (ORPHANS, *others)


def copy_rows(source: Source, target: Connection, *, on_rows: OnRows | None = None) -> None:
    """Copy what is not yet there, a transaction for each batch; numbering then goes on after the copied rows.

    `target` is at head and empty, or holds the beginning of this copy. Raises Conflict when that came from another
    source, or when the target refuses a row.
    """
    if target.scalar(select(func.count()).where(CHECKPOINTS.c.source != source.fingerprint)):
        raise Conflict(
            "What the target holds was copied from another database, or from this one before it changed: empty the "
            "target, or make a new one, and start again."
        )
    target.rollback()
    for table in tables():
        _copy_table(source, target, table, on_rows or (lambda _table, _rows: None))
        _continue_numbers(target, table, source.last_number(table))


def forget_checkpoints(target: Connection) -> None:
    """The copy is complete and compared: nothing is to be resumed."""
    target.execute(delete(CHECKPOINTS))
    target.commit()


def _copy_table(source: Source, target: Connection, table: Table, on_rows: OnRows) -> None:
    own = _own_references(table)
    done = _checkpoint(source, target, table.name)
    for batch in _batches(source.items(table, done.key), BATCH_ROWS):
        rows = [item.row for item in batch if item.row is not None]
        done = _Progress(batch[-1].key, done.rows + len(batch))
        with _transaction(target, table, batch):
            _note(target, table.name, done)
            _insert(target, list(table.columns), [_without(row, own) for row in rows])
            _put_aside(target, table, batch)
        on_rows(table.name, done.rows)
    if own:
        _refer(source, target, table, own)


def _refer(source: Source, target: Connection, table: Table, own: tuple[int, ...]) -> None:
    """References within a table, once all of its rows are there; its own checkpoint says how far."""
    name = f"{table.name} references"
    columns = [list(table.columns)[place] for place in own]
    key = key_of(table)
    statement = (
        update(table)
        .where(key == bindparam("of_key"))
        .values({column.name: bindparam(f"to_{column.name}") for column in columns})
    )
    done = _checkpoint(source, target, name)
    for batch in _batches(source.items(table, done.key), BATCH_ROWS):
        done = _Progress(batch[-1].key, done.rows + len(batch))
        changes = [_references(item.key, item.row, table, own) for item in batch if item.row is not None]
        changes = [change for change in changes if len(change) > 1]
        with _transaction(target, table, batch):
            _note(target, name, done)
            if changes:
                target.execute(statement, changes)


def _references(key: Key, row: Row, table: Table, own: tuple[int, ...]) -> dict[str, Value]:
    """What `_refer` binds for a row."""
    if all(row[place] is None for place in own):
        return {"of_key": key}
    names = [column.name for column in table.columns]
    return {"of_key": key} | {f"to_{names[place]}": row[place] for place in own}


def _own_references(table: Table) -> tuple[int, ...]:
    """The places of columns that refer to the same table."""
    return tuple(
        place
        for place, column in enumerate(table.columns)
        if any(reference.column.table is table for reference in column.foreign_keys)
    )


def _without(row: Row, places: tuple[int, ...]) -> Row:
    if not places:
        return row
    return tuple(None if place in places else value for place, value in enumerate(row))


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch


@contextmanager
def _transaction(target: Connection, table: Table, batch: list[Item]) -> Iterator[None]:
    """Committed at the end; what the target refuses is told with the place."""
    try:
        yield
        target.commit()
    except REFUSALS as error:
        target.rollback()
        where = f"{table.name} between the keys {batch[0].key} and {batch[-1].key}"
        raise Conflict(f"The target refuses a row of {where} ({type(error).__name__}).") from error


class _Progress(NamedTuple):
    key: Key | None
    rows: int


def _checkpoint(source: Source, target: Connection, name: str) -> _Progress:
    """How far the table is; a note of its beginning is made where there is none."""
    found = target.execute(
        select(CHECKPOINTS.c.last_key, CHECKPOINTS.c.rows_copied).where(CHECKPOINTS.c.table_name == name)
    ).one_or_none()
    if found is None:
        values = {"source": source.fingerprint, "last_key": None, "rows_copied": 0, "updated_at": datetime.now(UTC)}
        target.execute(insert(CHECKPOINTS).values(table_name=name, **values))
    target.commit()
    if found is None or found.last_key is None:
        return _Progress(None, 0)
    return _Progress(json.loads(found.last_key), found.rows_copied)


def _note(target: Connection, name: str, done: _Progress) -> None:
    target.execute(
        update(CHECKPOINTS)
        .where(CHECKPOINTS.c.table_name == name)
        .values(last_key=json.dumps(done.key), rows_copied=done.rows, updated_at=datetime.now(UTC))
    )


def _insert(target: Connection, columns: Sequence[Column[object]], rows: Sequence[Row]) -> None:
    """In their order, into the open transaction: by COPY on PostgreSQL, which takes a small part of INSERT's time."""
    if not rows:
        return
    table = columns[0].table
    assert isinstance(table, Table)
    name, names = table.name, [column.name for column in columns]
    driven = bound(columns, rows, target.dialect.name)
    if target.dialect.name == "postgresql":
        connection = target.connection.dbapi_connection
        assert connection is not None
        connection.run_async(lambda raw: raw.copy_records_to_table(name, records=driven, columns=names))
        return
    quoted = ", ".join(target.dialect.identifier_preparer.quote(each) for each in names)
    target.exec_driver_sql(
        f"INSERT INTO {name} ({quoted}) VALUES ({', '.join('?' * len(names))})",  # noqa: S608 - names of ours
        driven,
    )


def _put_aside(target: Connection, table: Table, batch: list[Item]) -> None:
    """Their numbers follow from their order, by which the comparison finds them."""
    columns = [ORPHANS.c.table_name, ORPHANS.c.row_json, ORPHANS.c.adopted_at]
    now = datetime.now(UTC)
    _insert(target, columns, [(table.name, kept_aside(aside), now) for item in batch for aside in item.asides])


def kept_aside(aside: str) -> str:
    """JSON in the one form that adopted_orphans has of it on either database."""
    return canonical_json(safe_json(json.loads(aside)))


def _continue_numbers(target: Connection, table: Table, last_number: int | None) -> None:
    """Let the next row have a number that none ever had; SQLite counts copied rows by itself."""
    if last_number is None:
        return
    key = key_of(table)
    last = max(last_number, int(target.scalar(select(func.max(key))) or 0))
    if last > 0 and target.dialect.name == "postgresql":
        sequence = func.pg_get_serial_sequence(table.name, key.name)
        target.execute(select(func.setval(sequence, last)))
    elif last > 0:
        target.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), {"name": table.name})
        target.execute(
            text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :last)"), {"name": table.name, "last": last}
        )
    target.commit()
