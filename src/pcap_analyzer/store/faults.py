"""What a driver's error says about the database, not about a statement: a sentence, and whether another try helps."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from pcap_analyzer.errors import AppError, DatabaseUnavailable, DatabaseUnreachable, StorageFull

LOST = frozenset({"57P01", "57P02", "57P03"})  # the server shuts down, crashed, starts
BUSY = "The database is busy with another change: try again in a moment."
REPEATABLE = LOST | {"40001", "40P01", "55P03"}  # serialization, deadlock, lock not available
SENTENCES: dict[str, tuple[type[AppError], str]] = {
    "53100": (StorageFull, "The disk of the database is full: free some space and try again."),
    "53300": (DatabaseUnavailable, "The database has no connection left: see max_connections and the pools' sizes."),
    "57014": (DatabaseUnavailable, "The database took too long to answer: try again in a moment."),
    "55P03": (DatabaseUnavailable, BUSY),
    "40001": (DatabaseUnavailable, BUSY),
    "40P01": (DatabaseUnavailable, BUSY),
    "08P01": (
        DatabaseUnavailable,
        "The server refuses how it is spoken to: behind PgBouncer, set DATABASE_PGBOUNCER=true, and "
        "DATABASE_DIRECT_URL past it.",
    ),
    "28P01": (DatabaseUnavailable, "The database refuses the password of its URL."),
    "28000": (DatabaseUnavailable, "The database refuses the user of its URL, or wants an encrypted connection."),
    "3D000": (DatabaseUnavailable, "The server has no database of this name: create it first."),
    "42501": (DatabaseUnavailable, "The database role lacks a right: run what `pcap-analyzer db grants` prints."),
    "42P01": (DatabaseUnavailable, "The database lacks a table: run `pcap-analyzer db upgrade`."),
    "42703": (DatabaseUnavailable, "The database lacks a column: run `pcap-analyzer db upgrade`."),
    "25006": (DatabaseUnavailable, "The database takes no writes: DATABASE_URL names a replica."),
}
NO_WRITING = (DatabaseUnavailable, "The database file cannot be written: check the data folder and its disk.")
DAMAGED = (DatabaseUnavailable, "The database file is damaged: restore it from a backup.")
SQLITE_SENTENCES: dict[int, tuple[type[AppError], str]] = {
    sqlite3.SQLITE_FULL: (StorageFull, SENTENCES["53100"][1]),
    sqlite3.SQLITE_BUSY: (DatabaseUnavailable, "The database is busy with another process: try again in a moment."),
    sqlite3.SQLITE_LOCKED: (DatabaseUnavailable, "The database is busy with another process: try again in a moment."),
    sqlite3.SQLITE_READONLY: NO_WRITING,
    sqlite3.SQLITE_CANTOPEN: NO_WRITING,
    sqlite3.SQLITE_IOERR: NO_WRITING,
    sqlite3.SQLITE_PERM: NO_WRITING,
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
}
#: What a driver raises; while it connects, asyncpg's own classes and the system's reach us unwrapped.
DRIVER_ERRORS = (DBAPIError, PoolTimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
REASONS: tuple[tuple[type[Exception], str], ...] = (
    (ConnectionRefusedError, "nobody listens there"),
    (socket.gaierror, "its host is unknown"),
    (TimeoutError, "it does not answer in time"),
    (ConnectionError, "it takes no encrypted connection, or breaks it off"),
)
LATER = "try again in a moment"


def sqlstate(error: BaseException | None) -> str | None:
    """PostgreSQL's five characters; None for an error that has none."""
    state = getattr(error, "sqlstate", None)
    return state if isinstance(state, str) else None


def sqlite_code(error: BaseException | None) -> int | None:
    """SQLite's primary result code; None for an error of another kind."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def connection_is_lost(error: BaseException) -> bool:
    """Whether the server went away, so that nobody knows whether a commit under way was made."""
    state = sqlstate(_cause(error))
    if state is not None:
        return state in LOST or state.startswith("08")
    if isinstance(error, DBAPIError):
        return error.connection_invalidated
    return isinstance(error, OSError | TimeoutError)


def is_duplicate(error: BaseException) -> bool:
    """Whether a unique index refused a row."""
    cause = _cause(error)
    unique = (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
    return sqlstate(cause) == "23505" or getattr(cause, "sqlite_errorcode", None) in unique


def another_try_helps(error: BaseException) -> str | None:
    """Why the whole transaction is worth another try, in a word for the metrics; None when it is not."""
    cause = _cause(error)
    state = sqlstate(cause)
    if state is not None and (state in REPEATABLE or state.startswith("08")):
        return state if state != "08P01" else None  # nothing was sent wrong by chance
    if sqlite_code(cause) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return "SQLITE_BUSY"
    if isinstance(cause, AsyncAdapt_asyncpg_dbapi.InvalidCachedStatementError):
        return "schema"  # an upgrade has changed a column's type under a statement that was prepared before
    return "connection" if connection_is_lost(error) else None


def wrote_in_a_reading(error: BaseException) -> bool:
    """Whether a session that only reads was asked to write, which is a mistake of the program."""
    cause = _cause(error)
    return sqlstate(cause) == "25006" or sqlite_code(cause) == sqlite3.SQLITE_READONLY


def sentence(error: BaseException, shown: str = "") -> AppError | None:
    """What people are told; None for a mistake of the program.

    `shown` is the URL without its password, for whoever has set it.
    """
    if isinstance(error, PoolTimeoutError):
        return DatabaseUnavailable("Every connection to the database is in use: try again in a moment.")
    cause = _cause(error)
    state, code = sqlstate(cause), sqlite_code(cause)
    if state in SENTENCES:
        kind, text = SENTENCES[state]
    elif code in SQLITE_SENTENCES:
        kind, text = SQLITE_SENTENCES[code]
    elif connection_is_lost(error):
        kind, text = DatabaseUnreachable, f"The database cannot be reached: {_reason(error) if shown else LATER}."
    else:
        return None
    return kind(f"{text} It is {shown}." if shown else text)


def _reason(error: BaseException) -> str:
    """Why a server is out of reach, as far as the system says."""
    cause = _cause(error)
    if sqlstate(cause) is not None:
        return "the server is starting or stopping"
    for kind, reason in REASONS:
        if isinstance(cause, kind):
            return reason
    return getattr(cause, "strerror", None) or "the connection fails"


def _cause(error: BaseException) -> BaseException | None:
    """The driver's own error, which knows its code."""
    return error.orig if isinstance(error, DBAPIError) else error


@contextmanager
def database_errors(shown: str = "") -> Iterator[None]:
    """Turn what the driver says about the database into a `sentence`; everything else passes."""
    try:
        yield
    except DRIVER_ERRORS as error:
        raise sentence(error, shown) or error from error
