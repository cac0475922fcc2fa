"""Several dispatchers on one PostgreSQL: one works, another takes over, and a task has one result."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest

from pcap_analyzer.jobs import embedded
from pcap_analyzer.jobs.embedded import Dispatcher, Limits
from pcap_analyzer.services import results, tasks
from pcap_analyzer.services.tasks import Received
from pcap_analyzer.storage import Storage
from pcap_analyzer.store import tasks as rows
from pcap_analyzer.store import users
from pcap_analyzer.store.leader import leader_of
from pcap_analyzer.store.models import Role, Task, TaskStatus
from pcap_analyzer.store.session import AsyncSession, open_database
from pcap_analyzer.store.tasks import Viewer
from pcap_analyzer.store.users import NewUser
from tests.databases import postgres_at_head, postgres_urls
from tests.jobs.programs import acting
from tests.packets import Frame, write_pcap
from tests.postgres import PgDatabase, Server
from tests.waiting import PATIENCE_S, until

NOW = datetime(2026, 1, 1, tzinfo=UTC)
T = TypeVar("T")
TASK = "11111111-1111-4111-8111-111111111111"


class Shared:
    """A database and a folder that several dispatchers work on."""

    def __init__(self, cluster: Server, made: PgDatabase, folder: Path) -> None:
        self.cluster, self.made, self.urls = cluster, made, postgres_urls(made)
        self.storage = Storage(folder)
        self.database = open_database(self.urls)
        self.viewer = Viewer("", is_admin=True)
        self._around = AsyncExitStack()

    async def dispatcher(self, kind: str) -> Dispatcher:
        """One with a pool of its own, as in another process."""
        database = open_database(self.urls)
        program = acting(kind)
        dispatcher = Dispatcher(database, self.storage, Limits(1, PATIENCE_S), program, leader_of(self.urls.direct))
        self._around.push_async_callback(database.close)
        self._around.push_async_callback(dispatcher.stop)
        await dispatcher.start()
        return dispatcher

    async def add(self, task_id: str) -> None:
        path = self.storage.folder / "made.pcap"
        write_pcap(path, [Frame(1_700_000_000_000_000_000, b"\0" * 60)])
        self.storage.put(tasks.capture_key(task_id), path.read_bytes())
        received = Received(task_id, "one.pcap", 100)
        await self.database.write(lambda session: tasks.create(session, self.viewer, received, NOW))

    async def reaches(self, *statuses: TaskStatus) -> Task:
        async def task() -> Task:
            return await self.database.read(lambda session: tasks.get(session, self.viewer, TASK))

        async def reached() -> bool:
            return (await task()).status in statuses

        await until(reached)
        return await task()

    def end_the_leader_s_connection(self) -> None:
        self.cluster.psql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = '{self.made.name}' AND application_name = 'pcap-analyzer dispatcher' "
            "AND pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted)"
        )

    async def close(self) -> None:
        await self._around.aclose()
        await self.database.close()


@pytest.fixture
async def shared(cluster: Server, tmp_path: Path) -> AsyncIterator[Shared]:
    made = postgres_at_head(cluster)
    shared = Shared(cluster, made, tmp_path)
    shared.storage.prepare()
    user = await shared.database.write(
        lambda session: users.add(session, NewUser("ann", "ann@example.org", "hash", Role.USER, NOW))
    )
    shared.viewer = Viewer(user.id, is_admin=False)
    yield shared
    await shared.close()
    cluster.drop_database(made.name)


async def test_one_of_two_leads_and_notices_what_another_process_took_in(shared: Shared) -> None:
    first, second = await shared.dispatcher("works"), await shared.dispatcher("works")
    leading = (first.leads, second.leads)
    await shared.add(TASK)  # nobody is woken

    task = await shared.reaches(TaskStatus.COMPLETED)

    assert leading == (True, False)
    assert task.attempt == 1


async def test_another_takes_over_when_the_leader_stops(shared: Shared) -> None:
    first, second = await shared.dispatcher("slow"), await shared.dispatcher("works")
    await shared.add(TASK)
    await shared.reaches(TaskStatus.PROCESSING)
    await first.stop()

    task = await shared.reaches(TaskStatus.COMPLETED)

    assert second.leads
    assert (task.attempt, task.interruptions) == (2, 0)


async def test_a_leader_that_loses_its_lock_ends_its_run_and_the_task_has_one_result(shared: Shared) -> None:
    deposed = await shared.dispatcher("slow")
    heir = await shared.dispatcher("works")
    await shared.add(TASK)
    await shared.reaches(TaskStatus.PROCESSING)

    shared.end_the_leader_s_connection()
    task = await shared.reaches(TaskStatus.COMPLETED, TaskStatus.FAILED)

    async def ended() -> bool:
        return not deposed._runs

    await until(ended)
    assert (task.status, task.attempt) == (TaskStatus.COMPLETED, 2)
    assert (deposed.leads, heir.leads) == (False, True)
    assert results.load(shared.storage, task).capture.frames == task.total_packets


async def test_a_result_of_a_task_that_was_deleted_elsewhere_is_not_kept(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep, kept = results.keep, list[str]()

    def keep_what_is_deleted_meanwhile(storage: Storage, task_id: str, text: bytes) -> str:
        kept.append(keep(storage, task_id, text))
        shared.cluster.psql("DELETE FROM tasks", shared.made.name)
        return kept[-1]

    monkeypatch.setattr(results, "keep", keep_what_is_deleted_meanwhile)
    await shared.add(TASK)
    dispatcher = await shared.dispatcher("works")

    async def ended() -> bool:
        return bool(kept) and not dispatcher._runs

    await until(ended)
    assert kept == [results.report_key(TASK)]
    assert list((shared.storage.folder / "results").iterdir()) == []


async def test_a_claim_that_is_made_after_its_answer_was_lost_is_taken_up(shared: Shared) -> None:
    await shared.add(TASK)
    claiming = open_database(shared.urls)
    async with claiming.transaction() as session:  # the server makes it, and its client has given up waiting
        await rows.claim_next(session, NOW)
        starting = asyncio.create_task(shared.dispatcher("works"))

        async def waits_for_it() -> bool:
            waiting = shared.cluster.psql(
                "SELECT count(*) FROM pg_stat_activity "
                f"WHERE datname = '{shared.made.name}' AND wait_event_type = 'Lock' AND query LIKE '%FOR UPDATE%'"
            )
            return waiting != "0"

        await until(waits_for_it)
    await starting
    await claiming.close()
    task = await shared.reaches(TaskStatus.COMPLETED)

    assert (task.attempt, task.interruptions) == (2, 0)


@pytest.mark.parametrize("made", ["before", "after"])
async def test_a_commit_whose_answer_is_lost_ends_in_one_result(
    shared: Shared, monkeypatch: pytest.MonkeyPatch, made: str
) -> None:
    """Of the first claim and the first end of a run; the server had made it, or never does."""
    commit, lost = AsyncSession.commit, list[str]()

    def telling(kind: str, work: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
        async def told(session: AsyncSession, *given: object) -> T:
            session.info["kind"] = kind
            return await work(session, *given)

        return told

    async def losing(session: AsyncSession) -> None:
        kind = session.info.get("kind")
        loses = kind is not None and kind not in lost
        if made == "before" or not loses:
            await commit(session)
        if loses:
            lost.append(str(kind))
            raise ConnectionResetError

    monkeypatch.setattr(rows, "claim_next", telling("claim", rows.claim_next))
    monkeypatch.setattr(rows, "complete", telling("end", rows.complete))
    await shared.add(TASK)
    monkeypatch.setattr(embedded, "SETTLE_AGAIN_S", 0.05)
    monkeypatch.setattr(AsyncSession, "commit", losing)
    await shared.dispatcher("works")
    task = await shared.reaches(TaskStatus.COMPLETED, TaskStatus.FAILED)

    assert lost == ["claim", "end"]
    assert (task.status, task.attempt) == (TaskStatus.COMPLETED, 1)
    assert results.load(shared.storage, task).capture.frames == task.total_packets
