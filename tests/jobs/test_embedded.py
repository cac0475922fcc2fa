"""The dispatcher on a real database with real processes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pcap_analyzer.errors import StorageFull
from pcap_analyzer.jobs.embedded import Dispatcher, Limits
from pcap_analyzer.jobs.supervisor import PROGRAM
from pcap_analyzer.services import results, tasks
from pcap_analyzer.services.tasks import Received
from pcap_analyzer.storage import Part, Storage
from pcap_analyzer.store import tasks as rows
from pcap_analyzer.store import users
from pcap_analyzer.store.models import Role, Task, TaskStatus
from pcap_analyzer.store.session import Database, open_database
from pcap_analyzer.store.tasks import Snapshot, Viewer
from pcap_analyzer.store.urls import DatabaseUrls
from pcap_analyzer.store.users import NewUser
from tests.head_database import at_head
from tests.jobs.programs import acting
from tests.packets import Frame, write_pcap
from tests.waiting import PATIENCE_S, until

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class House:
    """What a dispatcher works on."""

    database: Database
    storage: Storage
    viewer: Viewer

    async def add(self, task_id: str, minutes: int = 0) -> None:
        path = self.storage.folder / "made.pcap"
        write_pcap(path, [Frame(1_700_000_000_000_000_000, b"\0" * 60)])
        self.storage.put(tasks.capture_key(task_id), path.read_bytes())
        async with self.database.transaction() as session:
            at = NOW + timedelta(minutes=minutes)
            await tasks.create(session, self.viewer, Received(task_id, f"{task_id}.pcap", 100), at)

    async def task(self, task_id: str) -> Task:
        async with self.database.reading() as session:
            return await tasks.get(session, self.viewer, task_id)

    async def until(self, task_id: str, *statuses: TaskStatus) -> Task:
        async def reached() -> bool:
            return (await self.task(task_id)).status in statuses

        await until(reached)
        return await self.task(task_id)

    async def seen_reading(self, task_id: str) -> Snapshot:
        """The first progress that says how many frames were read."""
        found: list[Snapshot] = []

        async def said() -> bool:
            async with self.database.reading() as session:
                found.append(tasks.progress_of(await tasks.look_at(session, self.viewer, task_id)))
            return bool(found[-1].frames)

        await until(said)
        return found[-1]

    @asynccontextmanager
    async def dispatcher(self, program: tuple[str, ...] = PROGRAM, concurrent: int = 1) -> AsyncIterator[Dispatcher]:
        dispatcher = Dispatcher(self.database, self.storage, Limits(concurrent, PATIENCE_S), program)
        await dispatcher.start()
        try:
            yield dispatcher
        finally:
            await dispatcher.stop()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    url = at_head(tmp_path / "test.db")
    storage = Storage(tmp_path)
    storage.prepare()
    database = open_database(DatabaseUrls(url, url))
    async with database.transaction() as session:
        user = await users.add(session, NewUser("ann", "ann@example.org", "hash", Role.USER, NOW))
    yield House(database, storage, Viewer(user.id, is_admin=False))
    await database.close()


async def test_what_waits_at_the_start_is_analysed(house: House) -> None:
    await house.add("one")

    async with house.dispatcher():
        task = await house.until("one", TaskStatus.COMPLETED, TaskStatus.FAILED)

    assert task.error_message is None
    assert task.total_packets == 1
    assert results.load(house.storage, task).capture.name == "one.pcap"


async def test_what_comes_later_is_analysed_when_told(house: House) -> None:
    async with house.dispatcher(acting("works")) as dispatcher:
        await house.add("one")
        dispatcher.wake()
        task = await house.until("one", TaskStatus.COMPLETED)

    assert task.verdict_headline == results.load(house.storage, task).verdict.headline
    assert task.waiting_shares


async def test_tasks_run_in_the_order_in_which_they_came(house: House) -> None:
    for minutes, task_id in ((2, "third"), (0, "first"), (1, "second")):
        await house.add(task_id, minutes)

    async with house.dispatcher(acting("works")):
        ended = [await house.until(task_id, TaskStatus.COMPLETED) for task_id in ("third", "second", "first")]

    times = {task.task_id: task.analyzed_at for task in ended}
    assert sorted(times, key=lambda task_id: str(times[task_id])) == ["first", "second", "third"]


async def test_no_more_run_than_allowed(house: House) -> None:
    for number in range(3):
        await house.add(f"task-{number}", number)

    async with house.dispatcher(acting("slow"), concurrent=2):
        await house.until("task-0", TaskStatus.PROCESSING)
        await house.until("task-1", TaskStatus.PROCESSING)

        assert (await house.task("task-2")).status is TaskStatus.PENDING


async def test_what_begins_while_the_service_stops_is_put_back_too(house: House) -> None:
    await house.add("one")

    async with house.dispatcher(acting("slow")):
        await asyncio.sleep(0)  # the task is being taken up, and its run does not exist yet

    task = await house.task("one")
    assert (task.status, task.interruptions) == (TaskStatus.PENDING, 0)


async def test_a_failed_analysis_keeps_the_capture_and_can_be_tried_again(house: House) -> None:
    await house.add("one")
    async with house.dispatcher(acting("crashes")):
        failed = await house.until("one", TaskStatus.FAILED)
    async with house.database.transaction() as session:
        await tasks.retry(session, house.viewer, "one")

    async with house.dispatcher(acting("works")):
        await house.until("one", TaskStatus.COMPLETED)

    assert failed.error_message is not None
    assert "SIGABRT" in failed.error_message


async def test_a_capture_that_is_gone_fails_with_a_sentence(house: House) -> None:
    await house.add("one")
    house.storage.delete(tasks.capture_key("one"))

    async with house.dispatcher():
        task = await house.until("one", TaskStatus.FAILED)

    assert task.error_message == "This file is no longer kept."


async def test_a_report_that_finds_no_room_fails_the_task_with_a_sentence(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_part: Part, _content: bytes) -> None:
        raise StorageFull("The disk of the server is full.")

    await house.add("one")
    monkeypatch.setattr(Part, "write", full)
    async with house.dispatcher(acting("works")):
        task = await house.until("one", TaskStatus.FAILED)

    assert task.error_message == "The disk of the server is full."
    assert list((house.storage.folder / "parts").iterdir()) == []


async def test_stopping_puts_back_what_runs_and_counts_it_against_nobody(house: House) -> None:
    await house.add("one")
    async with house.dispatcher(acting("slow")):
        await house.until("one", TaskStatus.PROCESSING)

    task = await house.task("one")
    assert (task.status, task.interruptions, task.attempt) == (TaskStatus.PENDING, 0, 1)


async def test_what_ran_when_the_service_died_is_taken_up_again(house: House) -> None:
    await house.add("one")
    async with house.database.transaction() as session:
        await rows.claim_next(session, NOW)

    async with house.dispatcher(acting("works")):
        task = await house.until("one", TaskStatus.COMPLETED)

    assert task.attempt == 2


async def test_progress_is_recorded_while_it_runs(house: House) -> None:
    await house.add("one")
    async with house.dispatcher(acting("slow")):
        seen = await house.seen_reading("one")

    assert (seen.stage, seen.bytes_total) == ("read", 600)
    assert seen.bytes_per_s is not None


async def test_deleting_a_running_task_ends_its_process_and_leaves_nothing(house: House) -> None:
    await house.add("one")
    async with house.dispatcher(acting("slow")) as dispatcher:
        await house.until("one", TaskStatus.PROCESSING)
        async with house.database.transaction() as session:
            await tasks.delete(session, house.viewer, "one")
        await dispatcher.cancel("one")

        assert dispatcher._runs == {}
    assert not (house.storage.folder / "results" / "one").exists()


async def test_a_row_that_vanishes_ends_the_run_by_itself(house: House) -> None:
    await house.add("one")
    async with house.dispatcher(acting("slow")) as dispatcher:
        await house.until("one", TaskStatus.PROCESSING)
        async with house.database.transaction() as session:
            await rows.remove(session, "one")

        async def ended() -> bool:
            return not dispatcher._runs

        await until(ended)
