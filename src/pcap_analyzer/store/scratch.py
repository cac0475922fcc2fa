"""A database that may be filled and is left as empty as it was, and what is in a database."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from pcap_analyzer.errors import UsageError
from pcap_analyzer.store.connections import on_connection
from pcap_analyzer.store.urls import DatabaseUrl, PostgresUrl, SqliteUrl

#: Everything that somebody made here, but for what an extension brought: how to drop it, and its name.
MADE = text(
    """
    WITH made AS (
        SELECT 'pg_class'::regclass AS kind, oid, relname::text AS name,
               CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'f' THEN 'FOREIGN TABLE'
                            WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS word, oid::regclass::text AS called
        FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND relnamespace = current_schema()::regnamespace
        UNION ALL
        SELECT 'pg_proc'::regclass, oid, proname::text, 'ROUTINE', oid::regprocedure::text
        FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
    )
    SELECT word, called, name FROM made
    WHERE NOT EXISTS (SELECT FROM pg_depend WHERE classid = kind AND objid = oid AND deptype = 'e')
    ORDER BY word DESC, name
    """
)
EXTENSIONS = text("SELECT extname::text FROM pg_extension")


@dataclass(frozen=True)
class Made:
    """Something in a database of PostgreSQL that somebody made."""

    word: str  # as DROP wants it: TABLE, ROUTINE
    called: str  # as SQL wants it, quoted
    name: str


@dataclass(frozen=True)
class Contents:
    columns: Mapping[str, frozenset[str]]  # of each table
    rows: Mapping[str, int]


async def contents(url: DatabaseUrl) -> Contents:
    return await on_connection(url, "trial", _contents)


def _contents(connection: Connection) -> Contents:
    found = inspect(connection)
    tables = found.get_table_names()
    count = {
        table: int(connection.exec_driver_sql(f'SELECT count(*) FROM "{table}"').scalar_one())  # noqa: S608 - our own
        for table in tables
    }
    return Contents(
        {table: frozenset(column["name"] for column in found.get_columns(table)) for table in tables}, count
    )


@asynccontextmanager
async def temporary_database(given: PostgresUrl | None) -> AsyncIterator[DatabaseUrl]:
    """An empty database: a SQLite file in a temporary folder, or `given`, which is empty again afterwards.

    Raises UsageError where `given` is not empty, and changes nothing there.
    """
    if given is None:
        with tempfile.TemporaryDirectory(prefix="pcap-analyzer-trial-") as folder:
            yield SqliteUrl(Path(folder) / "trial.db")
        return
    taken = await made_in(given)
    if taken:
        names = ", ".join(made.name for made in taken[:5])
        raise UsageError(f"{given.shown} is not empty ({names}): name a database that may be filled.")
    extensions = await on_connection(given, "trial", _extensions)
    try:
        yield given
    finally:
        await on_connection(given, "trial", lambda connection: _clear(connection, extensions))


async def made_in(url: PostgresUrl) -> tuple[Made, ...]:
    """What is in the database and belongs to no extension; sequences of tables stand beside these."""
    return await on_connection(url, "trial", _made)


def _made(connection: Connection) -> tuple[Made, ...]:
    return tuple(Made(*row) for row in connection.execute(MADE).all())


def _extensions(connection: Connection) -> frozenset[str]:
    return frozenset(connection.scalars(EXTENSIONS).all())


def _clear(connection: Connection, extensions: frozenset[str]) -> None:
    for made in _made(connection):
        connection.exec_driver_sql(f"DROP {made.word} IF EXISTS {made.called} CASCADE")
    for name in _extensions(connection) - extensions:
        connection.exec_driver_sql(f'DROP EXTENSION "{name}"')
    connection.commit()
