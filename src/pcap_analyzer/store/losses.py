"""What a step back would drop: rows of tables, and values that somebody put into columns."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import ColumnElement, Connection, and_, column, func, inspect, select, table, text

Columns = Mapping[str, frozenset[str]]


def losses(connection: Connection, now: Columns, then: Columns) -> list[str]:
    """Each table with rows and each column with values of `now` that `then` has not, as people read it."""
    present = set(inspect(connection).get_table_names())
    found = []
    for name in sorted(now.keys() & present):
        if name not in then:
            rows = connection.scalar(select(func.count()).select_from(table(name))) or 0
            found += [f"{name} ({_counted(rows, 'row')})"] if rows else []
        else:
            found += _values(connection, name, now[name] - then[name])
    return found


def _values(connection: Connection, name: str, dropped: frozenset[str]) -> list[str]:
    """A column that holds nothing but NULL or its default tells nobody anything."""
    defaults = {each["name"]: each["default"] for each in inspect(connection).get_columns(name)}
    found = []
    for one in sorted(dropped & defaults.keys()):
        told: ColumnElement[bool] = column(one).is_not(None)
        if default := defaults[one]:
            told = and_(told, column(one).is_distinct_from(text(default)))
        values = connection.scalar(select(func.count()).select_from(table(name)).where(told)) or 0
        found += [f"{name}.{one} ({_counted(values, 'value')})"] if values else []
    return found


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
