"""Removes what is kept no longer, at the start and every ten minutes: the rows first, then the files."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial

from pcap_analyzer.errors import AppError
from pcap_analyzer.services import retention, tasks
from pcap_analyzer.storage import Storage
from pcap_analyzer.store.session import Database

SWEEP_EVERY_S = 600.0
ASK_AGAIN_S = 10.0  # whether this process leads by now
log = logging.getLogger(__name__)


class Sweeper:
    """One per service. Where several share a database, the one that `leads` sweeps; two at once would do no harm."""

    def __init__(self, database: Database, storage: Storage, kept: timedelta, leads: Callable[[], bool]) -> None:
        self._database, self._storage, self._kept, self._leads = database, storage, kept, leads
        self._stopping = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None

    def start(self) -> None:
        log.warning(
            "REPORT_TTL_HOURS is set: analyses are deleted with their captures %g hours after they were made",
            self._kept / timedelta(hours=1),
        )
        self._loop = asyncio.create_task(self._sweep_now_and_then())

    async def stop(self) -> None:
        """End between two tasks; the next start goes on there."""
        self._stopping.set()
        if self._loop is not None:
            await asyncio.wait([self._loop])

    async def _sweep_now_and_then(self) -> None:
        while not self._stopping.is_set():
            leads = self._leads()
            if leads:
                try:
                    await self.sweep(datetime.now(UTC))
                except AppError as error:
                    log.error("old analyses cannot be removed now: %s", error)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), SWEEP_EVERY_S if leads else ASK_AGAIN_S)

    async def sweep(self, now: datetime) -> None:
        """Let expire what is too old, and remove the files of everything that has expired."""
        expired = 0
        while batch := await self._database.write(partial(retention.expire, kept=self._kept, now=now)):
            expired += batch
        if expired:
            log.warning("%d analyses expired", expired)
        last: str | None = None
        while not self._stopping.is_set():
            found = await self._database.read(partial(retention.to_clear, after=last))
            if not found:
                return
            last = found[-1].task_id
            cleared = [task.task_id for task in found if await self._is_cleared(task)]
            await self._database.write(partial(retention.note_cleared, task_ids=cleared))

    async def _is_cleared(self, task: retention.Expired) -> bool:
        if self._stopping.is_set():
            return False
        try:
            await asyncio.to_thread(tasks.remove_leftovers, self._storage, task.leftovers)
        except AppError as error:
            log.error("the files of task %s cannot be removed now: %s", task.task_id, error)
            return False
        return True
