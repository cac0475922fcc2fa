"""Asks the database how it is: one question at a time, however many probes wait for its answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from pcap_analyzer.services import tasks
from pcap_analyzer.store import revision
from pcap_analyzer.store.models import TaskStatus
from pcap_analyzer.store.session import AsyncSession, Database

GIVEN_UP_AFTER_S = 20.0  # longer than SQLite waits for a lock: a query that is cancelled there would keep its own


@dataclass(frozen=True)
class Health:
    """What a database that answers says."""

    revision: str | None
    counts: dict[TaskStatus, int]


class Probe:
    """A database that hangs holds the connection of one question, not one for each probe."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._asking: asyncio.Task[Health] | None = None

    async def ask(self) -> Health:
        """Safe to cancel; raises DatabaseUnavailable, or TimeoutError after a while."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
            self._asking.add_done_callback(_heard)
        return await asyncio.shield(self._asking)

    async def _ask(self) -> Health:
        async def look(session: AsyncSession) -> Health:
            return Health(await revision.current(session), await tasks.count_active(session))

        async with asyncio.timeout(GIVEN_UP_AFTER_S):
            return await self._database.read(look)

    async def close(self) -> None:
        """Wait for the question that is open."""
        if self._asking is not None:
            await asyncio.wait([self._asking])


def _heard(asking: asyncio.Task[Health]) -> None:
    """Every probe may have gone before it failed."""
    if not asking.cancelled():
        asking.exception()
