"""Opens the runtime, beside the server where the database lets it wait."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from pcap_analyzer.settings import Settings
from pcap_analyzer.store.urls import SqliteUrl
from pcap_analyzer.web.metrics import Metrics, served_apart
from pcap_analyzer.web.runtime import Runtime, open_runtime

IN_ORDER_S = 2.0
log = logging.getLogger(__name__)


class Opening:
    """A runtime on its way, from `async with` to the end of the block; one task opens and closes it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.metrics = Metrics()
        self.stopping = asyncio.Event()
        self.waits_for = "The service is starting."
        self._opened, self._leave = asyncio.Event(), asyncio.Event()
        self._runtime: Runtime | None = None
        self._told = False  # why there is none
        self._holding: asyncio.Task[None] | None = None
        self._around = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._around.enter_context(served_apart(self.metrics, self._settings))
        self._holding = asyncio.create_task(self._hold())
        return self

    async def _hold(self) -> None:
        try:
            async with open_runtime(
                self._settings, metrics=self.metrics, stopping=self.stopping, said=self._wait
            ) as runtime:
                self._runtime = runtime
                self._opened.set()
                await self._leave.wait()
        finally:
            self._opened.set()

    def _wait(self, why: str) -> None:
        self.waits_for = "The database cannot be reached: try again in a moment."  # strangers learn no more
        log.warning("the service waits for its database: %s", why)

    async def in_order(self) -> Runtime | None:
        """The runtime before anybody is let in, as a rule; None where PostgreSQL keeps us waiting.

        Then the server listens, to say so. Raises AppError with what prevents the start.
        """
        waits = not isinstance(self._settings.database_urls().main, SqliteUrl)
        try:
            async with asyncio.timeout(IN_ORDER_S if waits else None):
                return await self.opened()
        except TimeoutError:
            return None

    async def opened(self) -> Runtime:
        """The runtime as soon as it is there; raises AppError with what prevents it."""
        await self._opened.wait()
        if self._runtime is not None:
            return self._runtime
        self._told = True
        if self._holding is not None:
            await self._holding
        raise asyncio.CancelledError

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave.set()
        if self._holding is not None:
            if not self._opened.is_set():
                self._holding.cancel()
            await asyncio.wait([self._holding])
            failed = None if self._holding.cancelled() else self._holding.exception()
            if failed is not None and not self._told:
                raise failed
        await self._around.aclose()
