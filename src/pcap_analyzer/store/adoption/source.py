"""The rows of an old SQLite file as `transfer` copies them: in today's form, by today's keys, each accounted for.

A row whose parent is gone has no place and is put aside as it was; a reference that may be empty becomes empty. What
a value said beyond its new form is noted beside the row's key, see `notes`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import Table

from pcap_analyzer.errors import DatabaseUnavailable
from pcap_analyzer.keys import is_sealed
from pcap_analyzer.store.adoption.file import connected
from pcap_analyzer.store.adoption.rows import AFTER, BEFORE, OldRow, fill
from pcap_analyzer.store.adoption.schemas import Schema
from pcap_analyzer.store.adoption.values import NAMESPACE, Raw, Reading, identifier, original, plain, reader_of
from pcap_analyzer.store.transfer.copying import Item, tables
from pcap_analyzer.store.transfer.values import Key, Value, canonical_json, key_of
from pcap_analyzer.store.types import UtcDateTime, UuidText

KNOWN_PARENTS = 50_000  # that are remembered; more are looked up again


@dataclass(frozen=True)
class Note:
    """What the columns of a row said before; JSON by column."""

    table: str
    key: str
    stored: str


@dataclass(frozen=True)
class _Plan:
    """How the rows of a table are read."""

    table: Table
    numbered: bool
    key: str
    stored: tuple[str, ...]  # the columns that the old table has, the key first
    empty: dict[str, Value]  # a row of today's table
    columns: tuple[tuple[str, Callable[[Raw], Reading]], ...]  # those of them that are neither key nor reference
    parents: tuple[tuple[str, str, bool], ...]  # column, table that it refers to, whether it may be empty
    needed: tuple[tuple[str, bool], ...]
    unique: tuple[str, ...]


@contextmanager
def opened(path: Path, schema: Schema) -> Iterator[OldFile]:
    """The old file, in which nobody else can write meanwhile; it must be settled. Nothing is written to it.

    Raises DatabaseUnavailable when somebody else is writing.
    """
    with path.open("rb") as file:  # until SQLite is done: closing a file gives up the locks of the whole process
        connection = connected(path)
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield OldFile(connection, schema, file)
        except sqlite3.Error as error:
            raise DatabaseUnavailable(
                f"{path.name} of an earlier release cannot be taken over ({error}). It is left as it is."
            ) from error
        finally:
            connection.close()


class OldFile:
    """A `transfer.Source`. Temporary tables of its connection hold the new keys, and what has to be unique."""

    def __init__(self, connection: sqlite3.Connection, schema: Schema, file: BufferedReader) -> None:
        connection.text_factory = bytes
        connection.create_function("new_key", 1, _new_key, deterministic=True)
        connection.create_function("spare_key", 2, lambda table, row: str(uuid.uuid5(NAMESPACE, f"{table} {row}")))
        connection.create_function("plain", 1, lambda raw: None if raw is None else plain(raw), deterministic=True)
        self._connection = connection
        self._file = file
        self._fingerprint = hashlib.file_digest(file, "sha256").hexdigest()
        self._changed = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
        self._plans = {table.name: _plan(table, schema) for table in tables() if table.name in schema.columns}
        self._parent = lru_cache(KNOWN_PARENTS)(self._looked_up)
        connection.execute(
            "CREATE TEMP TABLE notes (table_name TEXT, key TEXT, stored TEXT, PRIMARY KEY (table_name, key)) "
            "WITHOUT ROWID"
        )
        for plan in self._plans.values():
            self._give_keys(plan)

    @property
    def fingerprint(self) -> str:
        return self._fingerprint

    def copy_to(self, target: BinaryIO) -> None:
        """The file byte for byte."""
        self._file.seek(0)
        shutil.copyfileobj(self._file, target)

    def counts(self) -> dict[str, int]:
        """Rows of each table."""
        statement = 'SELECT count(*) FROM main."{}"'
        return {name: self._connection.execute(statement.format(name)).fetchone()[0] for name in self._plans}

    def last_number(self, table: Table) -> int | None:
        plan = self._plans.get(table.name)
        if plan is None or not plan.numbered:
            return None
        (last,) = self._connection.execute(f"SELECT max({key_of(table).name}) FROM main.{table.name}").fetchone()  # noqa: S608
        if self._connection.execute("SELECT 1 FROM main.sqlite_master WHERE name = 'sqlite_sequence'").fetchone():
            counted = "SELECT max(seq) FROM main.sqlite_sequence WHERE name = ?"
            (given,) = self._connection.execute(counted, (table.name,)).fetchone()
            last = max(last or 0, given if isinstance(given, int) else 0)
        return int(last or 0)

    def notes(self) -> Iterator[Note]:
        """What was noted of the rows that were read."""
        for row in self._connection.execute("SELECT table_name, key, stored FROM temp.notes ORDER BY table_name, key"):
            yield Note(*(value.decode() for value in row))

    def clear_secrets(self) -> int:
        """The people whose two-factor secret is in the file as whoever reads it can use it."""
        if "users" not in self._plans or "totp_secret" not in self._plans["users"].stored:
            return 0
        stored = self._connection.execute("SELECT totp_secret FROM main.users WHERE totp_secret <> ''")
        return sum(not is_sealed(plain(secret)) for (secret,) in stored)

    def items(self, table: Table, after: Key | None) -> Iterator[Item]:
        plan = self._plans.get(table.name)
        if plan is None:
            return
        key = plan.key
        # Names of tables and columns are those of our models.
        names = ", ".join(f'old."{column}"' for column in plan.stored)
        if plan.numbered:
            statement = f"SELECT old.{key}, old.{key}, {names} FROM main.{table.name} AS old"  # noqa: S608
            place = f"old.{key}"
        else:
            statement = (
                f"SELECT keys.key, keys.source_row, {names} FROM temp.keys_{table.name} AS keys "  # noqa: S608
                f"CROSS JOIN main.{table.name} AS old ON old.rowid = keys.source_row"
            )
            place = "keys.key"
        if after is not None:
            statement += f" WHERE {place} > ?"
        for found in self._connection.execute(f"{statement} ORDER BY {place}", () if after is None else (after,)):
            new_key = found[0] if plan.numbered else found[0].decode()
            yield self._item(plan, new_key, found[1], found[2:])

    def _give_keys(self, plan: _Plan) -> None:
        """Two rows whose keys are the same in today's form: the one that has it exactly keeps it, then the first."""
        name, key = plan.table.name, key_of(plan.table).name
        for column in plan.unique:
            self._connection.execute(
                f"CREATE TEMP TABLE unique_{name}_{column} (value TEXT PRIMARY KEY, source_row INTEGER) WITHOUT ROWID"
            )
            self._connection.execute(
                f"INSERT OR IGNORE INTO temp.unique_{name}_{column} "  # noqa: S608
                f"SELECT plain(CAST({column} AS BLOB)) AS value, rowid FROM main.{name} WHERE {column} IS NOT NULL "
                "ORDER BY rowid"
            )
        if plan.numbered:
            return
        self._connection.execute(
            f"CREATE TEMP TABLE keys_{name} (key TEXT PRIMARY KEY, source_row INTEGER UNIQUE) WITHOUT ROWID"
        )
        self._connection.execute(
            f"INSERT OR IGNORE INTO temp.keys_{name} "  # noqa: S608
            f"SELECT new_key(CAST({key} AS BLOB)) AS key, rowid FROM main.{name} WHERE {key} IS NOT NULL "
            f"ORDER BY new_key(CAST({key} AS BLOB)) = {key} DESC, rowid"
        )
        self._connection.execute(
            f"INSERT INTO temp.keys_{name} SELECT spare_key('{name}', rowid), rowid FROM main.{name} "  # noqa: S608
            f"WHERE rowid NOT IN (SELECT source_row FROM temp.keys_{name})"
        )

    def _looked_up(self, table: str, raw: Raw) -> str | None:
        """The key of the row that a stored reference leads to."""
        key = identifier(raw).value
        found = self._connection.execute(f"SELECT 1 FROM temp.keys_{table} WHERE key = ?", (key,)).fetchone()  # noqa: S608
        return str(key) if found else None

    def _item(self, plan: _Plan, key: Key, source_row: int, stored: tuple[Raw, ...]) -> Item:
        table = plan.table
        key_name = plan.key
        raw = dict(zip(plan.stored, stored, strict=True))
        row = OldRow(plan.empty.copy())
        row.values[key_name] = key
        if not plan.numbered and identifier(raw[key_name]) != Reading(key):
            row.changed.add(key_name)
        for name, read in plan.columns:
            if (given := raw[name]) is not None:
                row.values[name], whole = read(given)
                if not whole:
                    row.changed.add(name)
        for name, parent, optional in plan.parents:
            if raw.get(name) is None and optional:
                continue
            row.values[name] = self._parent(parent, raw.get(name)) if parent in self._plans else None
            if row.values[name] is None and not optional:
                return Item(key, None, (_json(raw),))
            if row.values[name] is None:
                row.changed.add(name)
        if "status" in row.changed:
            row.unread["status"] = plain(raw["status"])
        self._complete(plan, row, source_row)
        if row.changed:
            self._note(table.name, key, {name: raw.get(name) for name in sorted(row.changed)})
        return Item(key, tuple(row.values.values()))

    def _complete(self, plan: _Plan, row: OldRow, source_row: int) -> None:
        """Whatever today's schema asks for beyond the form of each value."""
        name = plan.table.name
        if name in BEFORE:
            BEFORE[name](row)
        fill(row, name, plan.needed, self._changed)
        if name in AFTER:
            AFTER[name](row)
        for column in plan.unique:
            value = row.values[column]
            statement = f"SELECT source_row FROM temp.unique_{name}_{column} WHERE value = ?"  # noqa: S608
            owner = self._connection.execute(statement, (value,)).fetchone()
            if owner is not None and owner[0] != source_row:
                row.values[column] = f"{str(value)[:40]}~{row.values[key_of(plan.table).name]}"[:49]
                row.changed.add(column)

    def _note(self, table: str, key: Key, stored: dict[str, Raw]) -> None:
        self._connection.execute("INSERT OR REPLACE INTO temp.notes VALUES (?, ?, ?)", (table, str(key), _json(stored)))


def _new_key(raw: Raw) -> str:
    return str(identifier(raw).value)


def _json(stored: dict[str, Raw]) -> str:
    return canonical_json({name: original(value) for name, value in stored.items()})


def _plan(table: Table, schema: Schema) -> _Plan:
    key = key_of(table)
    there = schema.columns[table.name]
    return _Plan(
        table=table,
        numbered=not isinstance(key.type, UuidText),
        key=key.name,
        stored=(key.name, *(column.name for column in table.columns if column is not key and column.name in there)),
        empty={column.name: None for column in table.columns},
        columns=tuple(
            (column.name, reader_of(column))
            for column in table.columns
            if column is not key and column.name in there and not column.foreign_keys
        ),
        parents=tuple(
            (column.name, reference.column.table.name, bool(column.nullable))
            for column in table.columns
            for reference in column.foreign_keys
        ),
        needed=tuple(
            (column.name, isinstance(column.type, UtcDateTime))
            for column in table.columns
            if not column.nullable and column is not key and not column.foreign_keys
        ),
        unique=tuple(
            index.columns[0].name
            for index in sorted(table.indexes, key=lambda index: str(index.name))
            if index.unique and index.columns[0].name in there
        ),
    )
