"""The rows of a database that a copy starts from, as they are stored: SQLite's file, or PostgreSQL."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from sqlalchemy import Column, Connection, Table, func, select, text

from pcap_analyzer.errors import DatabaseUnavailable
from pcap_analyzer.store.engines import BUSY_TIMEOUT_MS
from pcap_analyzer.store.transfer.cells import Raw, put_right_uuid
from pcap_analyzer.store.transfer.copying import tables
from pcap_analyzer.store.transfer.values import Key, key_of, stored_rows
from pcap_analyzer.store.types import UuidText
from pcap_analyzer.store.urls import SqliteUrl

FETCHED_ROWS = 2_000


class Stored(Protocol):
    """Rows as they are, none of them checked."""

    def raw_rows(self, table: Table, after: Key | None, *, put_right: bool) -> Iterator[tuple[Raw, ...]]:
        """By ascending key; `put_right`: by the one form of UUIDs, in whatever form they are stored."""

    def dangling(self, table: Table, column: Column[object], *, put_right: bool) -> frozenset[Raw]:
        """What a reference says of rows that are not there."""

    def last_number(self, table: Table) -> int | None:
        """The highest number that a row of this table ever had; None where its keys are no numbers."""

    def state(self) -> str:
        """Text that changes with what is stored."""


def is_numbered(table: Table) -> bool:
    return not isinstance(key_of(table).type, UuidText)


class SqliteStored:
    """A file, from which nobody can take or add a row while it is read."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._has_keys_of: set[str] = set()

    def raw_rows(self, table: Table, after: Key | None, *, put_right: bool) -> Iterator[tuple[Raw, ...]]:
        key = key_of(table).name
        if put_right and not is_numbered(table):
            key = f"put_right({key})"
        columns = ", ".join(f'"{column.name}"' for column in table.columns)
        since, values = ("", ()) if after is None else (f"WHERE {key} > ?", (after,))
        cursor = self._connection.execute(
            f"SELECT {columns} FROM {table.name} {since} ORDER BY {key}",  # noqa: S608 - names of ours
            values,
        )
        while page := cursor.fetchmany(FETCHED_ROWS):
            yield from page

    def dangling(self, table: Table, column: Column[object], *, put_right: bool) -> frozenset[Raw]:
        (reference,) = column.foreign_keys
        parent, key, said = reference.column.table.name, reference.column.name, f"child.{column.name}"
        if put_right:
            self._gather_keys(parent, key)
            parent, key, said = f"temp.keys_of_{parent}", "id", f"put_right({said})"
        found = self._connection.execute(
            f"SELECT DISTINCT {said} FROM {table.name} AS child WHERE {said} IS NOT NULL "  # noqa: S608 - names of ours
            f"AND NOT EXISTS (SELECT 1 FROM {parent} AS parent WHERE parent.{key} = {said})"
        )
        return frozenset(value for (value,) in found)

    def _gather_keys(self, parent: str, key: str) -> None:
        """The keys in their one form, in a temporary table of SQLite's own."""
        if parent in self._has_keys_of:
            return
        self._has_keys_of.add(parent)
        self._connection.execute(f"CREATE TEMP TABLE keys_of_{parent} (id TEXT PRIMARY KEY) WITHOUT ROWID")
        self._connection.execute(
            f"INSERT OR IGNORE INTO temp.keys_of_{parent} SELECT put_right({key}) FROM main.{parent}"  # noqa: S608
        )

    def last_number(self, table: Table) -> int | None:
        if not is_numbered(table):
            return None
        found = self._connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table.name,)).fetchone()
        return 0 if found is None else int(found[0])

    def state(self) -> str:
        facts: list[object] = []
        for table in tables():
            key = key_of(table).name
            query = f"SELECT count(*), min({key}), max({key}) FROM {table.name}"  # noqa: S608 - names of ours
            facts.append([table.name, *map(str, self._connection.execute(query).fetchone())])
        (page_count,) = self._connection.execute("PRAGMA page_count").fetchone()
        return json.dumps([*facts, page_count, self._change_counter()])

    def _change_counter(self) -> int | None:
        """SQLite's own count of changes (file format, section 1.3.6); None with a write-ahead log, which has none."""
        (mode,) = self._connection.execute("PRAGMA journal_mode").fetchone()
        if mode == "wal":
            return None
        (path,) = [file for _, name, file in self._connection.execute("PRAGMA database_list") if name == "main"]
        with open(path, "rb") as file:  # noqa: PTH123 - SQLite names it
            return int.from_bytes(file.read(28)[24:], "big")


@contextmanager
def sqlite_stored(url: SqliteUrl) -> Iterator[SqliteStored]:
    """Lock the file against writers, where it can be written at all, and read it. Raises DatabaseUnavailable."""
    connection = None
    try:
        connection = sqlite3.connect(f"{url.path.as_uri()}?mode=rw", uri=True, isolation_level=None)
        connection.text_factory = lambda octets: octets.decode("utf-8", "surrogateescape")
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        connection.create_function("put_right", 1, put_right_uuid, deterministic=True)
        _begin(connection)
        yield SqliteStored(connection)
    except sqlite3.Error as error:
        raise DatabaseUnavailable(f"{url.path.name} cannot be read as a SQLite database ({error}).") from error
    finally:
        if connection is not None:
            connection.close()


def _begin(connection: sqlite3.Connection) -> None:
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_READONLY:
            raise
        connection.execute("BEGIN")


class PostgresStored:
    """A connection that sees one moment of the database."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def raw_rows(self, table: Table, after: Key | None, *, put_right: bool) -> Iterator[tuple[Raw, ...]]:  # noqa: ARG002
        return stored_rows(self._connection, table, after)

    def dangling(self, table: Table, column: Column[object], *, put_right: bool) -> frozenset[Raw]:  # noqa: ARG002
        """A foreign key that was switched off may have let some in."""
        (reference,) = column.foreign_keys
        parent = reference.column.table.alias()
        there = select(parent.c[reference.column.name]).where(parent.c[reference.column.name] == column)
        found = self._connection.scalars(select(column).where(column.is_not(None), ~there.exists()).distinct())
        return frozenset(map(str, found))

    def last_number(self, table: Table) -> int | None:
        if not is_numbered(table):
            return None
        sequence = self._connection.scalar(select(func.pg_get_serial_sequence(table.name, key_of(table).name)))
        given = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM"
        return int(self._connection.scalar(text(f"{given} {sequence}")) or 0)

    def state(self) -> str:
        facts: list[object] = []
        for table in tables():
            keys = select(key_of(table)).limit(1)
            first = self._connection.scalar(keys.order_by(key_of(table)))
            last = self._connection.scalar(keys.order_by(key_of(table).desc()))
            facts.append([table.name, self._connection.scalar(select(func.count()).select_from(table)), first, last])
        return json.dumps(facts)
