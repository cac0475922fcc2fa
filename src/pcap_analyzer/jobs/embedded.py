"""The dispatcher inside `serve`: takes waiting tasks in order, runs a few at a time, settles each exactly once."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pcap_analyzer.errors import AppError
from pcap_analyzer.jobs import messages, supervisor
from pcap_analyzer.jobs.supervisor import Failed, Finished, Run
from pcap_analyzer.services import results
from pcap_analyzer.services.tasks import capture_key, result_key
from pcap_analyzer.storage import Storage
from pcap_analyzer.store import tasks
from pcap_analyzer.store.leader import Alone, Leader
from pcap_analyzer.store.models import Task
from pcap_analyzer.store.session import AsyncSession, Database
from pcap_analyzer.store.tasks import Claim, Snapshot

MOST_INTERRUPTIONS = 3
SNAPSHOT_EVERY_S = 1.0
SETTLE_AGAIN_S = 5.0
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """How many analyses at the same time, and how long each may take."""

    concurrent: int
    time_limit_s: float


@dataclass
class Meter:
    """The newest progress of a run, with the rate at which its bytes were read."""

    latest: messages.Progress | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    _began: float = field(default_factory=time.monotonic)
    _rate: int = 0

    def note(self, progress: messages.Progress) -> None:
        if self.latest is None or progress.bytes_done > self.latest.bytes_done:  # later stages read nothing
            self._rate = int(progress.bytes_done / max(time.monotonic() - self._began, 0.001))
        self.latest = progress
        self.changed.set()

    def end(self) -> None:
        self.over.set()
        self.changed.set()

    async def over_within(self, seconds: float) -> None:
        """Wait for the end of the run, but no longer than that."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.over.wait()

    def snapshot(self) -> Snapshot | None:
        if self.latest is None:
            return None
        now, percent = self.latest, None
        if now.bytes_total:
            percent = min(100.0, 100.0 * now.bytes_done / now.bytes_total)
        return Snapshot(now.stage, percent, now.frames, now.bytes_done, now.bytes_total, self._rate)


class Dispatcher:
    """One works per database: the one whose leader leads. The others wait to take over.

    A run of a leader that was deposed is ended and put back, and whatever it still writes is fenced by its attempt.
    """

    def __init__(
        self,
        database: Database,
        storage: Storage,
        limits: Limits,
        program: tuple[str, ...] = supervisor.PROGRAM,
        leader: Leader | None = None,
    ) -> None:
        self._database, self._storage, self._limits, self._program = database, storage, limits, program
        self._leader = leader or Alone()
        self._wakeup = asyncio.Event()
        self._leads = self._stopping = False
        self._sure = False  # every task that is being processed has its run here
        self._loop: asyncio.Task[None] | None = None
        self._runs: dict[str, tuple[Run, asyncio.Task[None]]] = {}

    async def start(self) -> None:
        """Take up what an earlier service left, and begin; where another one leads, wait for its end instead."""
        await self._lead()
        self._loop = asyncio.create_task(self._dispatch())

    @property
    def leads(self) -> bool:
        """Whether analyses run in this process."""
        return self._leads

    async def _lead(self) -> bool:
        leads = await self._leader.leads()
        if self._leads and not leads:
            self._leads = self._sure = False
            await self._give_up()
        if leads and not self._sure:
            await self._take_up_again()
            self._leads = self._sure = True
        return leads

    async def _give_up(self) -> None:
        """End what runs here: somebody else takes it up."""
        self._kill_all()
        if self._runs:
            await asyncio.wait([task for _, task in self._runs.values()])

    async def _take_up_again(self) -> None:
        sentence = f"The service ended {MOST_INTERRUPTIONS} times while this was being analysed."
        mine = frozenset(self._runs)
        again = await self._database.write(
            lambda session: tasks.take_up_again(session, most=MOST_INTERRUPTIONS, sentence=sentence, besides=mine)
        )
        if again:
            log.warning("%d analyses were running when the service ended; they are taken up again", again)

    def wake(self) -> None:
        self._wakeup.set()

    async def cancel(self, task_id: str) -> None:
        """Kill the run of a task that was deleted, and wait until its process is gone."""
        if found := self._runs.get(task_id):
            run, waiting = found
            run.kill()
            await asyncio.wait([waiting])

    async def stop(self) -> None:
        """Kill what runs and put it back among the waiting; the next start takes it up."""
        self._stopping = True
        self._wakeup.set()
        self._kill_all()
        if self._loop is not None:
            await asyncio.wait([self._loop])
        await self._give_up()  # also what the loop was about to begin
        await self._leader.resign()

    def _kill_all(self) -> None:
        for run, _ in self._runs.values():
            run.kill()

    async def _dispatch(self) -> None:
        while not self._stopping:
            self._wakeup.clear()
            try:
                leads = await self._lead()  # asked although there may be no room: who is deposed ends its runs
                while leads and self._has_room() and await self._begin_next():
                    leads = await self._lead()
            except AppError as error:
                log.error("waiting analyses cannot be started: %s", error)
                self._sure = False  # a claim may have been made whose answer was lost
                await self._woken_within(SETTLE_AGAIN_S)
            else:
                await self._woken_within(self._leader.ask_every_s)

    def _has_room(self) -> bool:
        return len(self._runs) < self._limits.concurrent and not self._stopping

    async def _woken_within(self, seconds: float | None) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wakeup.wait()

    async def _begin_next(self) -> bool:
        claimed = await self._claim()
        if claimed is None:
            return False
        claim, task = claimed
        run = Run(task.filename, self._limits.time_limit_s, self._program)
        self._runs[claim.task_id] = (run, asyncio.create_task(self._work(claim, run)))
        return True

    async def _claim(self) -> tuple[Claim, Task] | None:
        """The next task, if one waits. Raises CommitUnknown where a claim may have been made that is not seen."""
        tried: list[tuple[Claim, datetime]] = []

        async def take(session: AsyncSession) -> tuple[Claim, Task] | None:
            now = datetime.now(UTC)
            claimed = await tasks.claim_next(session, now)
            tried.extend([(claimed[0], now)] if claimed else [])
            return claimed

        async def taken(session: AsyncSession) -> tuple[Claim, Task] | None:
            task = await tasks.claimed_at(session, *tried[-1]) if tried else None
            return None if task is None else (tried[-1][0], task)

        return await self._database.write(take, landed=taken)

    async def _work(self, claim: Claim, run: Run) -> None:
        try:
            settle = await self._attempt(claim, run)
        except AppError as error:
            settle = _failing(claim, str(error))
        except Exception:
            log.exception("the run of task %s failed", claim.task_id)
            settle = _failing(claim, "The service made a mistake while it ran this analysis.")
        try:
            await self._settle(claim, settle)
        finally:
            del self._runs[claim.task_id]
            self._wakeup.set()

    async def _attempt(self, claim: Claim, run: Run) -> Settle:
        meter = Meter()
        capture = await asyncio.to_thread(self._storage.open, capture_key(claim.task_id))
        recording = asyncio.create_task(self._record(claim, run, meter))
        try:
            outcome = await run.outcome(capture, meter.note)
        finally:
            os.close(capture)
            meter.end()
            await asyncio.wait([recording])
        match outcome:
            case Finished(report, text):
                key = await asyncio.to_thread(results.keep, self._storage, claim.task_id, text)
                completion = results.completion_of(report, key, datetime.now(UTC))
                return lambda session: tasks.complete(session, claim, completion)
            case Failed(sentence):
                if self._stopping or not self._leads:
                    return lambda session: tasks.put_back(session, claim)
                return _failing(claim, sentence)

    async def _record(self, claim: Claim, run: Run, meter: Meter) -> None:
        """Write a snapshot at most once a second; a run whose task is gone is ended."""
        while not meter.over.is_set():
            await meter.changed.wait()
            meter.changed.clear()
            snapshot = meter.snapshot()
            try:
                async with self._database.transaction() as session:
                    held = snapshot is None or await tasks.record_progress(session, claim, snapshot, datetime.now(UTC))
            except AppError as error:
                log.error("progress of task %s was not recorded: %s", claim.task_id, error)
                held = True
            if not held:
                run.kill()
            await meter.over_within(SNAPSHOT_EVERY_S)

    async def _settle(self, claim: Claim, settle: Settle) -> None:
        """Write how a run ended; a database that is away is tried again, because the row must not stay `processing`."""
        while True:
            try:
                if await self._database.write(settle):
                    return
                if not await self._database.read(lambda session: tasks.exists(session, claim.task_id)):
                    await asyncio.to_thread(self._storage.delete, result_key(claim.task_id))
            except AppError as error:
                log.error("the end of an analysis cannot be recorded yet: %s", error)
                if self._stopping:
                    return
                await asyncio.sleep(SETTLE_AGAIN_S)
            else:
                return


Settle = Callable[[AsyncSession], Coroutine[None, None, bool]]


def _failing(claim: Claim, sentence: str) -> Settle:
    return lambda session: tasks.fail(session, claim, sentence)
