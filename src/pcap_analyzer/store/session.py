"""The engine, and the one place that begins and commits a transaction; nobody else parses the database's URL."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from sqlalchemy import URL, Connection, Engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from pcap_analyzer.errors import AppError, DatabaseUnavailable, StorageFull, UsageError

__all__ = ["AsyncSession", "Database", "SqliteUrl", "open_database", "parse_url"]

BUSY_TIMEOUT_MS = 15_000
T = TypeVar("T")


@dataclass(frozen=True)
class SqliteUrl:
    """A database in a file; `path` is absolute."""

    path: Path

    def engine_url(self, driver: Literal["sqlite+aiosqlite", "sqlite+pysqlite"]) -> URL:
        return URL.create(driver, database=str(self.path))


def parse_url(text: str, *, data_dir: Path) -> SqliteUrl:
    """`sqlite:///relative`, `sqlite:////absolute`, with or without a driver; empty: the file in the data folder.

    Raises UsageError for anything else, without the URL's password.
    """
    if not text:
        return SqliteUrl((data_dir / "pcap_analyzer.db").absolute())
    try:
        url = make_url(text)
    except ArgumentError:
        raise UsageError("DATABASE_URL is no database URL; write sqlite:///path/to/file.db") from None
    if url.get_backend_name() != "sqlite":
        raise UsageError(
            f"DATABASE_URL names {url.get_backend_name()}, and this release works with SQLite alone: "
            "write sqlite:///path/to/file.db, or leave DATABASE_URL empty"
        )
    if url.database in (None, "", ":memory:"):
        raise UsageError("DATABASE_URL names no file; write sqlite:///path/to/file.db")
    return SqliteUrl(Path(str(url.database)).absolute())


def wal_is_sound(version: tuple[int, ...]) -> bool:
    """Whether a write-ahead log is safe with two connections in this version of SQLite.

    3.7.0 to 3.51.2 can reset the log while another connection still writes and so damage the database; 3.44.6 and
    3.50.7 have the repair in their lines.
    """
    return version >= (3, 51, 3) or (3, 44, 6) <= version < (3, 45) or (3, 50, 7) <= version < (3, 51)


class Database:
    """Hands out sessions. `transaction()` is for whoever writes, `reading()` for everyone else.

    One at a time in each task: where a commit waits for the first one's read lock, a second one waits for the commit,
    and neither goes on. Asking for a second one is a mistake of the program and raises RuntimeError.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        writing = engine.execution_options(begin="BEGIN IMMEDIATE")
        self._reading = async_sessionmaker(engine, expire_on_commit=False)
        self._writing = async_sessionmaker(writing, expire_on_commit=False)
        self._open: ContextVar[bool] = ContextVar("open", default=False)
        self._looks: set[asyncio.Task[Any]] = set()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """One transaction that may write: committed when the block ends, rolled back when it raises."""
        with self._only_one(), database_errors():
            async with self._writing() as session, session.begin():
                yield session

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """One consistent view; whatever the block changes is dropped."""
        with self._only_one(), database_errors():
            async with self._reading() as session:
                yield session

    async def look(self, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
        """`reading()` for whoever may be cancelled at any moment: the work comes to its end in a task of its own.

        A connection that loses its caller in the middle of a query keeps its read lock until the garbage collector
        finds the query, and no commit gets past that lock.
        """

        async def looking() -> T:
            async with self.reading() as session:
                return await work(session)

        task = asyncio.create_task(looking())
        self._looks.add(task)
        task.add_done_callback(self._looks.discard)
        return await asyncio.shield(task)

    @contextmanager
    def _only_one(self) -> Iterator[None]:
        if self._open.get():
            raise RuntimeError("this task has a session already, and a second one could wait for the first for ever")
        self._open.set(True)
        try:
            yield
        finally:
            self._open.set(False)

    async def close(self) -> None:
        if self._looks:
            await asyncio.wait(self._looks)
        await self._engine.dispose()


def open_database(url: SqliteUrl, *, wal: Literal["auto", "force"] = "auto") -> Database:
    """The engine of an upgraded database; connections are opened when they are needed."""
    engine = create_async_engine(url.engine_url("sqlite+aiosqlite"), pool_size=5, max_overflow=10)
    sound = wal == "force" or wal_is_sound(sqlite3.sqlite_version_info)
    prepare_connections(engine.sync_engine, journal_mode="WAL" if sound else "TRUNCATE", foreign_keys=True)
    return Database(engine)


def prepare_connections(engine: Engine, *, journal_mode: str, foreign_keys: bool) -> None:
    """Set the pragmas of every connection and begin transactions ourselves.

    Python's driver would begin one only before INSERT, UPDATE and DELETE: neither DDL nor reads would be transactional.
    """

    def connected(connection: Any, _record: ConnectionPoolEntry) -> None:  # Any: the driver's own class
        connection.isolation_level = None
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
        connection.exec_driver_sql(str(connection.get_execution_options().get("begin", "BEGIN")))

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)


@contextmanager
def database_errors() -> Iterator[None]:
    """Turn what the driver says about the database, not about a statement, into a sentence."""
    try:
        yield
    except DBAPIError as error:
        raise _sentence(error) or error from error


def _sentence(error: DBAPIError) -> AppError | None:
    code = getattr(error.orig, "sqlite_errorcode", None)
    primary = None if code is None else code & 0xFF
    if primary == sqlite3.SQLITE_FULL:
        return StorageFull("The disk of the database is full: free some space and try again.")
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return DatabaseUnavailable("The database is busy with another process: try again in a moment.")
    if primary in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PERM):
        return DatabaseUnavailable("The database file cannot be written: check the data folder and its disk.")
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return DatabaseUnavailable("The database file is damaged: restore it from a backup.")
    return None
