"""What SQLite says of its own file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from sqlalchemy import Boolean, Column, Connection, Float, Integer, Table
from sqlalchemy.engine.interfaces import Dialect

from pcap_analyzer.store.models import Base
from pcap_analyzer.store.verify.check import NAMED_AT_MOST, Check, failure, some, well

RESTORE = "stop the service and restore a backup (`pcap-analyzer db restore FILE`)"


def checks(connection: Connection, *, deep: bool) -> Iterator[Check]:
    """Pages, rows and references; `deep` also compares every index with its table."""
    pragma = "integrity_check" if deep else "quick_check"
    found = [str(line) for line in connection.exec_driver_sql(f"PRAGMA {pragma}").scalars()]
    if found == ["ok"]:
        yield well("integrity", f"SQLite finds nothing wrong ({pragma}).")
    else:
        yield failure("integrity", f"The file is damaged ({some(found)}): {RESTORE}.")
    orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    if orphans:
        rows = [f"row {row[1]} of {row[0]} names a row of {row[2]} that is gone" for row in orphans]
        yield failure("foreign keys", f"{some(rows)}: delete these rows, or restore a backup.")
    else:
        yield well("foreign keys", "Every row has its parent.")
    mode = str(connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()).upper()
    if mode in ("WAL", "TRUNCATE"):
        yield well("journal", f"{mode}; `pcap-analyzer db info` says why.")
    else:
        yield failure("journal", f"The journal is {mode}, with which a crash can lose data: restart the service.")


def rows(connection: Connection) -> Check:
    """Every value of every row as the service reads it: SQLite itself takes any text for a moment or a number."""
    found: list[str] = []
    count = 0
    for table in Base.metadata.sorted_tables:
        for key, column in _unreadable(connection, table):
            count += 1
            if len(found) < NAMED_AT_MOST:
                found.append(f"{column} of {table.name} {key}")
    if not count:
        return well("rows", "Every value can be read.")
    more = f" and {count - len(found)} more" if count > len(found) else ""
    return failure(
        "rows",
        f"What these hold is no value of their kind: {', '.join(found)}{more}. Correct them by hand, or {RESTORE}.",
    )


def _unreadable(connection: Connection, table: Table) -> Iterator[tuple[object, str]]:
    """Key and column of each value that its column's type cannot read."""
    readers = {column.name: reader for column in table.columns if (reader := _reader(column, connection.dialect))}
    (key,) = table.primary_key.columns
    names = ", ".join(f'"{name}"' for name in (key.name, *readers))
    for stored_key, *values in connection.exec_driver_sql(f"SELECT {names} FROM {table.name}"):  # noqa: S608 - ours
        for (name, read), value in zip(readers.items(), values, strict=True):
            try:
                read(value)
            except (ValueError, TypeError, LookupError, OverflowError):
                yield stored_key, name


def _reader(column: Column[object], dialect: Dialect) -> Callable[[object], object] | None:
    """What turns a stored value into ours; None where any value will do."""
    if isinstance(column.type, Integer | Float | Boolean):
        return partial(_number, nullable=bool(column.nullable))
    return column.type.dialect_impl(dialect).result_processor(dialect, None)


def _number(value: object, *, nullable: bool) -> None:
    if not (isinstance(value, int | float) or (value is None and nullable)):
        raise TypeError
