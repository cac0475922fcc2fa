"""Hands out sessions: the one place that begins, repeats and commits a transaction."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.pool import QueuePool

from pcap_analyzer.errors import CommitUnknown, DatabaseUnavailable, DatabaseUnreachable
from pcap_analyzer.store.engines import REPLICA, EngineOptions, service_engine
from pcap_analyzer.store.faults import (
    DRIVER_ERRORS,
    another_try_helps,
    connection_is_lost,
    sentence,
    wrote_in_a_reading,
)
from pcap_analyzer.store.observing import Nobody, Observer
from pcap_analyzer.store.replica import Replica
from pcap_analyzer.store.urls import DatabaseUrls

__all__ = ["AsyncSession", "Database", "PoolState", "Work", "open_database"]

TRIES = 4  # the first, and three more
FIRST_PAUSE_S = 0.1
START_PATIENCE_S = 60.0
START_FIRST_PAUSE_S = 0.2
START_LONGEST_PAUSE_S = 10.0
T = TypeVar("T")
Work = Callable[[AsyncSession], Awaitable[T]]
"""What a transaction does, repeatable as a whole: it changes nothing but the database."""


@dataclass(frozen=True)
class PoolState:
    """Connections at this moment."""

    size: int  # kept open at most, overflow not counted
    in_use: int


class Database:
    """`read` and `write` run a piece of work in a transaction of its own and repeat it where that helps.

    One session at a time in each task: where a commit waits for the first one's read lock, a second one waits for the
    commit, and neither goes on. Asking for a second one is a mistake of the program and raises RuntimeError.
    """

    def __init__(self, engine: AsyncEngine, replica: Replica | None = None, observer: Observer | None = None) -> None:
        self._engine, self.replica = engine, replica
        self._observer = observer or Nobody()
        info = {"observer": self._observer}
        writing = engine.execution_options(begin="BEGIN IMMEDIATE", query_only=False)
        self._reading = async_sessionmaker(_reading(engine), expire_on_commit=False, info=info)
        self._writing = async_sessionmaker(writing, expire_on_commit=False, info=info)
        self._replicated = None
        if replica is not None:
            self._replicated = async_sessionmaker(_reading(replica.engine), expire_on_commit=False, info=info)
        self._open: ContextVar[bool] = ContextVar("open", default=False)
        self._looks: set[asyncio.Task[Any]] = set()

    async def write(self, work: Work[T], *, landed: Work[T | None] | None = None) -> T:
        """Run `work` in one transaction and commit it; the whole is repeated, at most three times, where that helps.

        A commit whose answer is lost is never repeated, because the server may still be about to make it: `landed`
        looks whether it did, and returns what `work` would have, or None. Raises CommitUnknown where it is not seen,
        DatabaseUnavailable, StorageFull.
        """
        for tries_left in reversed(range(TRIES)):
            try:
                async with self._session(self._writing) as session:
                    result = await work(session)
                    try:
                        await session.commit()
                    except DRIVER_ERRORS as error:
                        if not connection_is_lost(error):
                            raise
                        commit_lost = error
                    else:
                        return result
            except DRIVER_ERRORS as error:
                await self._pause_or_raise(error, tries_left)
                continue
            seen = None if landed is None else await self._look_whether(landed, commit_lost)
            if seen is None:
                raise CommitUnknown from commit_lost
            return seen
        raise AssertionError("the last try returns or raises")

    async def read(self, work: Work[T], *, may_lag: bool = False) -> T:
        """Run `work` on one consistent view that it cannot change; repeated like `write`.

        `may_lag`: a replica may answer that is a few seconds behind, where there is one and it keeps up; whatever it
        fails with, and it may lack a table yet, the primary is asked at once.
        """
        if may_lag and self._replicated is not None and self.replica is not None and self.replica.keeps_up():
            try:
                async with self._session(self._replicated) as session:
                    return await work(session)
            except DRIVER_ERRORS as error:
                _refuse_writes(error)
                self.replica.failed()
                self._observer.retried("replica")
        for tries_left in reversed(range(TRIES)):
            try:
                async with self._session(self._reading) as session:
                    return await work(session)
            except DRIVER_ERRORS as error:
                _refuse_writes(error)
                await self._pause_or_raise(error, tries_left)
        raise AssertionError("the last try returns or raises")

    async def _pause_or_raise(self, error: Exception, tries_left: int) -> None:
        why = another_try_helps(error)
        if why is None or not tries_left:
            raise sentence(error) or error from error
        self._observer.retried(why)
        pause_s = FIRST_PAUSE_S * 3 ** (TRIES - 1 - tries_left)
        await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - spreads tries, hides nothing

    async def _look_whether(self, landed: Work[T | None], lost: Exception) -> T | None:
        try:
            return await self.read(landed)
        except DatabaseUnavailable:
            raise CommitUnknown from lost

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """One transaction that may write, made once: committed when the block ends, rolled back when it raises."""
        try:
            async with self._session(self._writing) as session:
                yield session
                await session.commit()
        except DRIVER_ERRORS as error:
            raise sentence(error) or error from error

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """One consistent view that the block cannot change."""
        try:
            async with self._session(self._reading) as session:
                yield session
        except DRIVER_ERRORS as error:
            _refuse_writes(error)
            raise sentence(error) or error from error

    @asynccontextmanager
    async def _session(self, maker: async_sessionmaker[AsyncSession]) -> AsyncIterator[AsyncSession]:
        """A session that has its connection, so that nothing but the database fails inside."""
        with self._only_one():
            async with maker() as session:
                began = time.perf_counter()
                await session.connection()
                self._observer.waited(time.perf_counter() - began)
                yield session

    async def look(self, work: Work[T]) -> T:
        """`read` for whoever may be cancelled at any moment: the work comes to its end in a task of its own.

        A connection that loses its caller in the middle of a query keeps its read lock until the garbage collector
        finds the query, and no commit gets past that lock.
        """
        task = asyncio.create_task(self.read(work))
        self._looks.add(task)
        task.add_done_callback(self._looked)
        return await asyncio.shield(task)

    def _looked(self, task: asyncio.Task[Any]) -> None:  # Any: whatever was looked for
        self._looks.discard(task)
        if not task.cancelled():
            task.exception()  # told to the caller, who may be gone: then to nobody

    @contextmanager
    def _only_one(self) -> Iterator[None]:
        if self._open.get():
            raise RuntimeError("this task has a session already, and a second one could wait for the first for ever")
        self._open.set(True)
        try:
            yield
        finally:
            self._open.set(False)

    def pool(self) -> PoolState | None:
        """The pool of the primary; None where PgBouncer keeps it."""
        pool = self._engine.pool
        return PoolState(pool.size(), pool.checkedout()) if isinstance(pool, QueuePool) else None

    async def close(self) -> None:
        if self._looks:
            await asyncio.wait(self._looks)
        if self.replica is not None:
            await self.replica.close()
        await self._engine.dispose()


def _refuse_writes(error: Exception) -> None:
    if wrote_in_a_reading(error):
        raise RuntimeError("a session that only reads was asked to write") from error


def _reading(engine: AsyncEngine) -> AsyncEngine:
    return engine.execution_options(query_only=True, postgresql_readonly=True)


def open_database(
    urls: DatabaseUrls, options: EngineOptions | None = None, *, observer: Observer | None = None
) -> Database:
    """The engines of an upgraded database; connections are opened when they are needed."""
    chosen = options or EngineOptions()
    engine = service_engine(urls.main, chosen)
    replica = None if urls.replica is None else Replica(service_engine(urls.replica, chosen, REPLICA), engine)
    return Database(engine, replica, observer)


async def wait_for_database(
    reach: Callable[[], Awaitable[T]], *, said: Callable[[str], None], patience_s: float = START_PATIENCE_S
) -> T:
    """`reach()` as soon as somebody answers; it is tried again after 0.2 s, doubling to 10 s, for `patience_s` in all.

    `said` is told each time why not yet. Raises DatabaseUnavailable at the end, and at once what waiting does not mend.
    """
    deadline, pause_s = time.monotonic() + patience_s, START_FIRST_PAUSE_S
    while True:
        try:
            return await reach()
        except DatabaseUnreachable as error:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise DatabaseUnavailable(
                    f"The database could not be reached for {patience_s:g} s; the last try: {error}"
                ) from error
            said(str(error))
        await asyncio.sleep(min(pause_s, left_s))
        pause_s = min(2 * pause_s, START_LONGEST_PAUSE_S)


async def ping(session: AsyncSession) -> None:
    """The shortest question that a database can answer."""
    await session.execute(text("SELECT 1"))
