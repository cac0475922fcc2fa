"""Rows as both databases agree on them, and their one written form, which is what is compared and hashed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, String, Table, Text, cast, select, type_coerce

from pcap_analyzer.store.types import EnumText, SafeJson, UtcDateTime, utc_text

#: Text, also of UUIDs (36 lower-case characters) and of JSON (as `canonical_json` writes it); aware moments in UTC.
Value = str | int | float | bool | datetime | None
#: The values of a row in the order of `table.columns`.
Row = tuple[Value, ...]
Key = str | int

PAGE_ROWS = 5_000


def key_of(table: Table) -> Column[Key]:
    """The one column of the primary key."""
    (column,) = table.primary_key.columns
    return column


def key_place(table: Table) -> int:
    """Where in a Row the key stands."""
    return list(table.columns).index(key_of(table))


def canonical(row: Row) -> bytes:
    """A row as bytes that are equal exactly where the values are: JSON, moments to the microsecond, floats by repr."""
    said = [utc_text(value) if isinstance(value, datetime) else value for value in row]
    return json.dumps(said, separators=(",", ":")).encode()


def canonical_json(value: object) -> str:
    """JSON with sorted keys; numbers as `jsonb` keeps them, for which 1e2 and 100 are the same.

    Raises ValueError for NaN and infinity.
    """
    return json.dumps(_plain_numbers(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def _plain_numbers(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain_numbers(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(Decimal(repr(value)))
    return value


def stored_rows(connection: Connection, table: Table, after: Key | None, upto: Key | None = None) -> Iterator[Row]:
    """The rows of a table of ours by ascending key, page by page; `after` and `upto` bound the keys."""
    key = key_of(table)
    dialect = connection.dialect.name
    readers = [
        (place, read) for place, column in enumerate(table.columns) if (read := _reader(column, dialect)) is not None
    ]
    place = key_place(table)
    columns: list[ColumnElement[object]] = [_plain(column, dialect) for column in table.columns]
    statement = select(*columns).order_by(key).limit(PAGE_ROWS)
    if upto is not None:
        statement = statement.where(key <= upto)
    while True:
        page = connection.execute(statement if after is None else statement.where(key > after)).all()
        for found in page:
            row: list[Any] = list(found)  # Any: as the driver returns it
            for at, read in readers:
                row[at] = None if row[at] is None else read(row[at])
            yield tuple(row)
        if len(page) < PAGE_ROWS:
            return
        last = page[-1][place]
        assert isinstance(last, str | int)
        after = last


def _plain(column: Column[object], dialect: str) -> ColumnElement[object]:
    """A column without what its type makes of the stored value: that may be damaged, and shall be read all the same.

    JSON is read as its text, because an absent value and JSON's null are two things.
    """
    if isinstance(column.type, SafeJson | EnumText):
        return cast(column, Text)
    if isinstance(column.type, UtcDateTime) and dialect == "sqlite":
        return type_coerce(column, String)
    return column


def _reader(column: Column[object], dialect: str) -> Callable[[object], Value] | None:
    if isinstance(column.type, SafeJson):
        return _json_value
    if isinstance(column.type, UtcDateTime) and dialect == "sqlite":
        return _moment
    return None


def _json_value(stored: object) -> Value:
    try:
        return canonical_json(json.loads(str(stored)))
    except ValueError:
        return str(stored)


def _moment(stored: object) -> Value:
    text = str(stored)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return moment if moment.tzinfo is not None and utc_text(moment) == text else text


def bound(columns: Sequence[Column[object]], rows: Sequence[Row], dialect: str) -> list[Row]:
    """Rows as the driver of a database takes them."""
    if dialect == "postgresql":
        return list(rows)
    moments = [place for place, column in enumerate(columns) if isinstance(column.type, UtcDateTime)]
    bound_rows = []
    for row in rows:
        values = list(row)
        for place in moments:
            value = values[place]
            values[place] = utc_text(value) if isinstance(value, datetime) else None
        bound_rows.append(tuple(values))
    return bound_rows
