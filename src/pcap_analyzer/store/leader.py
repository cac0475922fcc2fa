"""Which process runs the analyses of a database, where several serve it: one at a time, by an advisory lock."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Protocol

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from pcap_analyzer.store.engines import tool_engine
from pcap_analyzer.store.faults import DRIVER_ERRORS, sentence
from pcap_analyzer.store.urls import DatabaseUrl, SqliteUrl

ASK_EVERY_S = 1.0
ANSWER_WITHIN_S = 5.0
DEPOSED_FOR_S = 3 * ASK_EVERY_S  # others go first, whose connections may be better
#: Any number that no other program takes in this database, and another one than the upgrade's.
ADVISORY_LOCK = 0x70636A6F
#: The server ends the session of a leader that does not ask any more, frozen or behind a cut cable, and frees its lock.
SILENCE = "SET idle_session_timeout = '15s'"
log = logging.getLogger(__name__)


class Leader(Protocol):
    """Whether this process leads, and how often to ask."""

    @property
    def ask_every_s(self) -> float | None:
        """None: the answer never changes."""

    async def leads(self) -> bool:
        """Whether this process leads at this moment; it takes over where nobody does.

        After a leadership that was lost it is False at least once.
        """

    async def resign(self) -> None:
        """Let another one lead."""


class Alone:
    """Of SQLite: the lock on the data folder lets one process serve."""

    ask_every_s = None

    async def leads(self) -> bool:
        return True

    async def resign(self) -> None: ...


class Elected:
    """Of PostgreSQL: the lock belongs to a connection of its own, past any pooler, and goes with it."""

    ask_every_s = ASK_EVERY_S

    def __init__(self, url: DatabaseUrl) -> None:
        self._url = url
        self._engine: AsyncEngine | None = None
        self._connection: AsyncConnection | None = None
        self._leads = False
        self._not_before = 0.0  # monotonic seconds

    async def leads(self) -> bool:
        held = self._leads
        if time.monotonic() < self._not_before:
            return False
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                connection = self._connection or await self._connect()
                if held:
                    await connection.execute(text("SELECT 1"))
                else:
                    taken = await connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": ADVISORY_LOCK})
                    self._leads = bool(taken)
        except DRIVER_ERRORS as error:
            if held:
                self._not_before = time.monotonic() + DEPOSED_FOR_S
                log.warning("another process may run the analyses now: %s", sentence(error) or type(error).__name__)
            await self.resign()
        return self._leads

    async def _connect(self) -> AsyncConnection:
        self._engine = tool_engine(self._url, "dispatcher").execution_options(isolation_level="AUTOCOMMIT")
        self._connection = await self._engine.connect()
        await self._connection.execute(text(SILENCE))
        return self._connection

    async def resign(self) -> None:
        """The connection is closed, alive or dead, and the lock with it."""
        connection, engine = self._connection, self._engine
        self._connection = self._engine = None
        self._leads = False
        try:
            if connection is not None:
                await connection.invalidate()
                await connection.close()
        except DRIVER_ERRORS:
            log.debug("the connection of the dispatcher was lost already")
        if engine is not None:
            await engine.dispose()


def leader_of(url: DatabaseUrl) -> Leader:
    """`url` leads past any pooler."""
    return Alone() if isinstance(url, SqliteUrl) else Elected(url)
