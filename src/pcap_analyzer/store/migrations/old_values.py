"""Values that earlier releases left in SQLite, which takes anything anywhere, in the form in which they are read now.

They are read as an adoption reads them. What cannot be read makes room for the best that is known, and stays as JSON in
adopted_orphans, beside the key of its row.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from pcap_analyzer.store.adoption import values
from pcap_analyzer.store.adoption.values import Raw
from pcap_analyzer.store.types import utc_text

ROWS_AT_ONCE = 1000  # in memory


@dataclass(frozen=True)
class _Column:
    """SQL for a column: what it is read as, which is NULL where it cannot be, and what it then gets."""

    name: str
    reading: str
    otherwise: tuple[str, ...] = ()

    @property
    def new(self) -> str:
        return f"coalesce({', '.join((self.reading, *self.otherwise))})" if self.otherwise else self.reading

    @property
    def changed(self) -> str:
        return f"({self.name} IS NOT NULL AND {self.name} IS NOT {self.new})"

    @property
    def lost(self) -> str:
        return f"({self.name} IS NOT NULL AND {self.name} <> '' AND {self.reading} IS NULL)"


def _raw(column: str) -> str:
    """The value as it is stored: text need not be UTF-8, and is then no text for Python."""
    return f"CASE typeof({column}) WHEN 'text' THEN CAST({column} AS BLOB) ELSE {column} END"


def _moment(column: str, *others: str) -> _Column:
    """`others` are columns whose moment is nearest."""
    return _Column(
        column, _moment_of(column), tuple(_moment_of(other) if other != "now" else "old_now()" for other in others)
    )


def _moment_of(column: str) -> str:
    return f"old_moment({_raw(column)})"


def _number(column: str) -> _Column:
    whole = f"typeof({column}) IN ('integer', 'null')"
    return _Column(column, f"CASE WHEN {whole} THEN {column} ELSE old_integer({_raw(column)}) END")


def _flag(column: str) -> _Column:
    return _Column(column, f"old_flag({_raw(column)})", ("0",))


_TOKEN_BEGUN = _moment("created_at", "used_at", "now")
#: Table, its key, its columns.
_TABLES: tuple[tuple[str, str, tuple[_Column, ...]], ...] = (
    (
        "users",
        "id",
        (
            _moment("approved_at"),
            _moment("created_at", "approved_at", "last_login", "now"),
            _moment("last_login"),
            *map(_flag, ("is_active", "is_approved", "password_must_change", "is_2fa_enabled")),
        ),
    ),
    (
        "tasks",
        "task_id",
        (
            _moment("uploaded_at", "created_at", "analyzed_at", "last_heartbeat", "now"),
            *map(_moment, ("analyzed_at", "created_at", "last_heartbeat")),
            *map(_number, ("file_size_bytes", "total_packets", "progress_percent")),
            _Column("health_score", f"old_real({_raw('health_score')})"),
        ),
    ),
    (
        "progress_snapshots",
        "id",
        (
            _moment("timestamp", "now"),
            *map(_number, ("progress_percent", "packets_processed", "total_packets")),
        ),
    ),
    ("password_history", "id", (_moment("created_at", "now"),)),
    (
        "password_reset_tokens",
        "id",
        (
            _TOKEN_BEGUN,
            # A token whose end is not known, or before its beginning, ended at once.
            _Column(
                "expires_at",
                f"old_end({_TOKEN_BEGUN.new}, {_raw('expires_at')})",
                (f"old_end({_TOKEN_BEGUN.new}, NULL)",),
            ),
            _moment("used_at"),
        ),
    ),
)


def mend(bind: sa.Connection) -> None:
    """One pass over each table to keep what is lost and one to change what has to be, in SQLite's memory."""
    driver = bind.connection.dbapi_connection
    assert driver is not None
    now = utc_text(datetime.now(UTC))
    driver.create_function("old_now", 0, lambda: now)
    driver.create_function("old_moment", 1, _read_moment, deterministic=True)
    driver.create_function("old_end", 2, _read_end, deterministic=True)
    driver.create_function("old_integer", 1, lambda raw: values.integer(raw, 64).value, deterministic=True)
    driver.create_function("old_real", 1, lambda raw: values.real(raw).value, deterministic=True)
    driver.create_function("old_flag", 1, lambda raw: values.boolean(raw).value, deterministic=True)
    for table, key, columns in _TABLES:
        last: int | None = 0
        while last is not None:
            last = _keep(bind, (table, key), columns, last)
        new = ", ".join(
            f"{column.name} = CASE WHEN {column.name} IS NOT NULL THEN {column.new} END" for column in columns
        )
        changed = " OR ".join(column.changed for column in columns)
        bind.exec_driver_sql(f"UPDATE {table} SET {new} WHERE {changed}")  # noqa: S608 - names of ours


def _keep(bind: sa.Connection, place: tuple[str, str], columns: tuple[_Column, ...], after: int) -> int | None:
    """Keep what some rows lose; returns the last one's number, None after the last."""
    table, key = place
    lost = ", ".join(f"CASE WHEN {column.lost} THEN {_raw(column.name)} END" for column in columns)
    found = bind.exec_driver_sql(
        f"SELECT rowid, {_raw(key)}, {lost} FROM {table} "  # noqa: S608 - names of ours
        f"WHERE rowid > {after} AND ({' OR '.join(column.lost for column in columns)}) "
        f"ORDER BY rowid LIMIT {ROWS_AT_ONCE}"
    ).all()
    names = (key, *(column.name for column in columns))
    now = utc_text(datetime.now(UTC))
    kept = []
    for _number_of_row, *stored in found:
        told = {name: values.original(raw) for name, raw in zip(names, stored, strict=True) if raw is not None}
        kept.append((table, json.dumps(told), now))
    if kept:
        bind.exec_driver_sql("INSERT INTO adopted_orphans (table_name, row_json, adopted_at) VALUES (?, ?, ?)", kept)
    return int(found[-1][0]) if found else None


def _read_moment(raw: Raw) -> str | None:
    found = values.moment(raw).value
    return utc_text(found) if isinstance(found, datetime) else None


def _read_end(begun: str, raw: Raw) -> str | None:
    """When a token ends, if that is after it began; without an end the first moment after."""
    if raw is None:
        return utc_text(datetime.fromisoformat(begun) + timedelta(microseconds=1))
    end = _read_moment(raw)
    return end if end is not None and end > begun else None
