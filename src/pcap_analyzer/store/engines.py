"""Makes the engines: pools, time limits and pragmas of each database."""

from __future__ import annotations

import sqlite3
import time
import uuid
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Engine, NullPool, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from pcap_analyzer.store.faults import DRIVER_ERRORS
from pcap_analyzer.store.urls import DatabaseUrl, PostgresUrl, SqliteUrl

BUSY_TIMEOUT_MS = 15_000
CONNECT_TIMEOUT_S = 5
COMMAND_TIMEOUT_S = 45  # beyond the server's own limit: for a server that no longer answers at all
RECYCLE_S = 1800
PROVEN_FOR_S = 1.0
APPLICATION = "pcap-analyzer"


@dataclass(frozen=True)
class TimeLimits:
    """What a statement may take on PostgreSQL, in its own words, each with its unit, and how long we wait ourselves."""

    statement: str = "30s"
    lock: str = "10s"
    idle_in_transaction: str = "60s"
    command_s: float | None = COMMAND_TIMEOUT_S
    pool_s: float = CONNECT_TIMEOUT_S * 2  # for a connection that is free

    def settings(self) -> dict[str, str]:
        return {
            "statement_timeout": self.statement,
            "lock_timeout": self.lock,
            "idle_in_transaction_session_timeout": self.idle_in_transaction,
            "jit": "off",
        }


REQUESTS = TimeLimits()
REPLICA = TimeLimits(statement="4s", lock="1s", command_s=5, pool_s=2)  # the primary answers what it does not
MIGRATIONS = TimeLimits(statement="1h", lock="5s", idle_in_transaction="1h", command_s=None)


@dataclass(frozen=True)
class EngineOptions:
    """How the service holds its connections."""

    pool_size: int = 10
    max_overflow: int = 5
    pgbouncer: bool = False  # transaction mode: every transaction may meet another server connection
    wal: Literal["auto", "force"] = "auto"


def service_engine(url: DatabaseUrl, options: EngineOptions, limits: TimeLimits = REQUESTS) -> AsyncEngine:
    """The engine that answers requests; connections are opened when they are needed."""
    if isinstance(url, SqliteUrl):
        engine = _engine(url, pool_size=5, max_overflow=10)
        journal = journal_of(options.wal)
        prepare_sqlite(engine.sync_engine, journal_mode=journal.mode, foreign_keys=True)
        return engine
    if options.pgbouncer:
        return _behind_pgbouncer(url, limits)
    engine = _engine(
        url,
        pool_size=options.pool_size,
        max_overflow=options.max_overflow,
        pool_use_lifo=True,
        pool_recycle=RECYCLE_S,
        pool_timeout=limits.pool_s,
        connect_args=_connect_args(url, APPLICATION, limits),
    )
    _ping_after_idling(engine.sync_engine)
    return engine


def _ping_after_idling(engine: Engine) -> None:
    """Prove connections that lay unused for a while.

    Before every transaction that would be as many round trips as the transaction takes itself, and what a connection
    that was just lost interrupts is repeated in any case.
    """

    def came_back(_connection: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
        record.info["idle_since"] = time.monotonic()

    def goes_out(connection: DBAPIConnection, record: ConnectionPoolEntry, _proxy: object) -> None:
        idle_since = record.info.get("idle_since")
        if idle_since is None or time.monotonic() - idle_since < PROVEN_FOR_S:
            return
        try:
            engine.dialect.do_ping(connection)
        except (*DRIVER_ERRORS, engine.dialect.loaded_dbapi.Error) as error:
            raise InvalidatePoolError from error

    event.listen(engine, "checkin", came_back)
    event.listen(engine, "checkout", goes_out)


def tool_engine(url: DatabaseUrl, purpose: str) -> AsyncEngine:
    """The engine of a migration or another command: no pool, long statements, short waits for locks.

    On SQLite foreign keys are not enforced: batch mode drops tables, and enforcement would empty their children.
    The pragma is set when the connection is made, because inside a transaction it silently does nothing.
    """
    if isinstance(url, SqliteUrl):
        engine = _engine(url, poolclass=NullPool)
        prepare_sqlite(engine.sync_engine, journal_mode="TRUNCATE", foreign_keys=False)
        return engine
    arguments = _connect_args(url, f"{APPLICATION} {purpose}", MIGRATIONS)
    return _engine(url, poolclass=NullPool, connect_args=arguments)


def _engine(url: DatabaseUrl, **options: Any) -> AsyncEngine:  # Any: SQLAlchemy's own
    """Its errors name no values: they reach logs, and hashes of passwords are among them."""
    return create_async_engine(url.engine_url(), hide_parameters=True, **options)


def _connect_args(url: PostgresUrl, application: str, limits: TimeLimits) -> dict[str, Any]:  # Any: asyncpg's own
    arguments: dict[str, Any] = {
        "timeout": CONNECT_TIMEOUT_S,
        "command_timeout": limits.command_s,
        "ssl": url.ssl(),
        "server_settings": {"application_name": application, "timezone": "UTC", **limits.settings()},
    }
    if url.is_socket:
        arguments |= {"host": url.host, "port": url.port}
    return arguments


def _behind_pgbouncer(url: PostgresUrl, limits: TimeLimits) -> AsyncEngine:
    """PgBouncer keeps the pool, refuses most settings at connect, and gives each transaction another connection.

    So prepared statements live for one transaction under names of their own, and limits are set inside of it.
    """
    arguments = _connect_args(url, APPLICATION, limits)
    arguments["server_settings"] = {"application_name": APPLICATION, "timezone": "UTC"}
    engine = _engine(
        url,
        poolclass=NullPool,
        connect_args={
            **arguments,
            "statement_cache_size": 0,
            "prepared_statement_cache_size": 0,
            "prepared_statement_name_func": lambda: f"__pcap_{uuid.uuid4().hex}__",
        },
    )
    setting = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in limits.settings().items())

    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(f"SELECT {setting}")

    event.listen(engine.sync_engine, "begin", begun)
    return engine


@dataclass(frozen=True)
class Journal:
    """SQLite's journal, and why it is this one."""

    mode: Literal["WAL", "TRUNCATE"]
    reason: str


def journal_of(wal: Literal["auto", "force"]) -> Journal:
    """The journal for this version of the SQLite library."""
    version = sqlite3.sqlite_version
    if wal_is_sound(sqlite3.sqlite_version_info):
        return Journal("WAL", f"SQLite {version} keeps a write-ahead log safely")
    if wal == "force":
        return Journal("WAL", f"SQLITE_WAL=force, although SQLite {version} may damage a database with such a log")
    return Journal(
        "TRUNCATE", f"SQLite {version} can damage a database with a write-ahead log that two connections use"
    )


def wal_is_sound(version: tuple[int, ...]) -> bool:
    """Whether a write-ahead log is safe with two connections in this version of SQLite.

    3.7.0 to 3.51.2 can reset the log while another connection still writes and so damage the database; 3.44.6 and
    3.50.7 have the repair in their lines.
    """
    return version >= (3, 51, 3) or (3, 44, 6) <= version < (3, 45) or (3, 50, 7) <= version < (3, 51)


def prepare_sqlite(engine: Engine, *, journal_mode: str, foreign_keys: bool) -> None:
    """Set the pragmas of every connection, let lower() know every letter, and begin transactions ourselves.

    Python's driver would begin one only before INSERT, UPDATE and DELETE: neither DDL nor reads would be transactional.
    """

    def connected(connection: Any, _record: ConnectionPoolEntry) -> None:  # Any: the driver's own class
        connection.isolation_level = None
        connection.create_function("lower", 1, _lower, deterministic=True)
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            f"foreign_keys={'ON' if foreign_keys else 'OFF'}",
            f"journal_mode={journal_mode}",
            # Without a write-ahead log a power cut may damage the file unless each commit waits for the disk.
            "synchronous=NORMAL" if journal_mode == "WAL" else "synchronous=FULL",
            "trusted_schema=OFF",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def begun(connection: Connection) -> None:
        options = connection.get_execution_options()
        wanted = options.get("query_only")
        # Each statement is three trips to the connection's thread: this one only where something changes.
        if wanted is not None and connection.info.get("query_only") is not wanted:
            connection.exec_driver_sql(f"PRAGMA query_only={'ON' if wanted else 'OFF'}")
            connection.info["query_only"] = wanted
        connection.exec_driver_sql(str(options.get("begin", "BEGIN")))

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)


def _lower(value: str | float | bytes | None) -> str | float | bytes | None:
    """What PostgreSQL's lower() does: SQLite's own knows the letters of ASCII alone."""
    return value.lower() if isinstance(value, str) else value
