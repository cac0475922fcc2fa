"""Every change of a status is one compare-and-swap; queries show nobody what is another's."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pcap_analyzer.store import listing, tasks, users
from pcap_analyzer.store.listing import Search
from pcap_analyzer.store.models import Role, TaskStatus
from pcap_analyzer.store.session import AsyncSession, Database
from pcap_analyzer.store.tasks import Claim, Completion, NewTask, Snapshot, Viewer
from pcap_analyzer.store.users import NewUser
from tests.known_ids import id_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ONE = id_of("one")
COMPLETION = Completion(NOW, "results/x/report.json", 7, 1.5, "none", "info", "Fine", "All is well.", (("idle", 1.0),))
SNAPSHOT = Snapshot("read", 40.0, 3, 40, 100, 1000)


async def owner(session: AsyncSession, name: str, role: Role = Role.USER) -> Viewer:
    user = await users.add(session, NewUser(name, f"{name}@example.org", "hash", role, NOW))
    return Viewer(user.id, role is Role.ADMIN)


async def add(session: AsyncSession, viewer: Viewer, name: str, minutes: int = 0) -> None:
    at = NOW + timedelta(minutes=minutes)
    await tasks.add(session, NewTask(id_of(name), f"{name}.pcap", 10, f"captures/{name}", viewer.user_id, at))


async def claimed(session: AsyncSession) -> Claim:
    found = await tasks.claim_next(session, NOW)
    assert found is not None
    return found[0]


async def test_the_task_that_waits_longest_is_claimed_first_and_only_once(database: Database) -> None:
    async with database.transaction() as session:
        ann = await owner(session, "ann")
        await add(session, ann, "later", minutes=1)
        await add(session, ann, "first")

        order = [
            (await claimed(session)).task_id,
            (await claimed(session)).task_id,
            await tasks.claim_next(session, NOW),
        ]

    assert order == [id_of("first"), id_of("later"), None]


async def test_a_run_that_lost_its_claim_changes_nothing(database: Database) -> None:
    async with database.transaction() as session:
        ann = await owner(session, "ann")
        await add(session, ann, "one")
        old = await claimed(session)
        await tasks.put_back(session, old)
        new = await claimed(session)

        refused = [
            await tasks.record_progress(session, old, SNAPSHOT, NOW),
            await tasks.complete(session, old, COMPLETION),
            await tasks.fail(session, old, "No."),
            await tasks.put_back(session, old),
        ]
        accepted = await tasks.complete(session, new, COMPLETION)

    assert refused == [False] * 4
    assert accepted
    assert new.attempt == old.attempt + 1


async def test_a_claim_is_told_from_another_dispatcher_s_of_the_same_attempt(database: Database) -> None:
    async with database.transaction() as session:
        await add(session, await owner(session, "ann"), "one")
        claim = await claimed(session)
        ours = await tasks.claimed_at(session, claim, NOW)
        theirs = await tasks.claimed_at(session, claim, NOW + timedelta(microseconds=1))

    assert ours is not None
    assert theirs is None


async def test_an_end_is_recorded_once(database: Database) -> None:
    async with database.transaction() as session:
        await add(session, await owner(session, "ann"), "one")
        claim = await claimed(session)

        assert await tasks.complete(session, claim, COMPLETION)
        assert not await tasks.complete(session, claim, COMPLETION)
        assert not await tasks.fail(session, claim, "Too late.")


@pytest.mark.parametrize(
    ("deaths", "status"), [(1, TaskStatus.PENDING), (2, TaskStatus.PENDING), (3, TaskStatus.FAILED)]
)
async def test_what_ran_when_the_service_died_runs_again_but_not_for_ever(
    database: Database, deaths: int, status: TaskStatus
) -> None:
    async with database.transaction() as session:
        ann = await owner(session, "ann")
        await add(session, ann, "one")
        for _ in range(deaths):
            await claimed(session)
            assert await tasks.take_up_again(session, most=3, sentence="Three times.") == 1

        task = await tasks.get(session, ann, ONE)

    assert task is not None
    assert task.status is status
    assert task.error_message == ("Three times." if status is TaskStatus.FAILED else None)


async def test_a_task_that_ended_is_run_again_and_one_that_waits_or_runs_is_not(database: Database) -> None:
    async with database.transaction() as session:
        ann = await owner(session, "ann")
        await add(session, ann, "one")
        await tasks.fail(session, await claimed(session), "No.")

        assert await tasks.retry(session, ONE)
        assert not await tasks.retry(session, ONE)
        claim = await claimed(session)
        assert not await tasks.retry(session, ONE)
        await tasks.complete(session, claim, COMPLETION)
        assert await tasks.retry(session, ONE)


async def test_progress_of_an_earlier_run_is_forgotten_but_its_numbers_are_not_used_again(database: Database) -> None:
    async with database.transaction() as session:
        await add(session, await owner(session, "ann"), "one")
        first = await claimed(session)
        await tasks.record_progress(session, first, SNAPSHOT, NOW)
        earlier = (await tasks.latest_snapshots(session, [ONE]))[ONE].id
        await tasks.put_back(session, first)
        second = await claimed(session)

        assert await tasks.latest_snapshots(session, [ONE]) == {}
        await tasks.record_progress(session, second, replace(SNAPSHOT, percent=1.0), NOW)
        assert (await tasks.latest_snapshots(session, [ONE]))[ONE].id > earlier


async def test_nobody_sees_counts_or_finds_what_is_another_s(database: Database) -> None:
    async with database.transaction() as session:
        ann, bob = await owner(session, "ann"), await owner(session, "bob")
        root = await owner(session, "root", Role.ADMIN)
        await add(session, ann, "hers")
        await tasks.complete(session, await claimed(session), COMPLETION)

        def search(**asked: object) -> Search:
            return replace(Search(), **asked)  # type: ignore[arg-type]

        assert await tasks.get(session, bob, id_of("hers")) is None
        assert (await listing.finished(session, bob, search(text="hers"))).total == 0
        assert (await listing.finished(session, ann, search())).total == 1
        assert (await listing.finished(session, root, search())).total == 1
        assert (await listing.finished(session, root, search(only_mine=True))).total == 0


@pytest.mark.parametrize(
    ("text", "total"), [("ONE", 1), ("zürich", 1), ("ZÜR", 1), ("well", 1), ("100%", 0), ("_ne", 0), ("nothing", 0)]
)
async def test_search_looks_in_names_and_verdicts_and_takes_every_letter_as_it_is(
    database: Database, text: str, total: int
) -> None:
    async with database.transaction() as session:
        ann = await owner(session, "ann")
        await tasks.add(session, NewTask(ONE, "one of ZÜRICH.pcap", 10, "captures/one", ann.user_id, NOW))
        await tasks.complete(session, await claimed(session), COMPLETION)

        assert (await listing.finished(session, ann, Search(text=text))).total == total


async def test_pages_cut_the_list_and_say_how_many_there_are(database: Database) -> None:
    async with database.transaction() as session:
        ann = await owner(session, "ann")
        for number in range(5):
            await add(session, ann, f"task-{number}", minutes=number)
            await tasks.complete(session, await claimed(session), COMPLETION)

        page = await listing.finished(session, ann, Search(page=2, page_size=2))

    assert [task.task_id for task in page.tasks] == [id_of("task-2"), id_of("task-1")]
    assert page.total == 5


async def test_a_deleted_task_takes_its_snapshots_along(database: Database) -> None:
    async with database.transaction() as session:
        await add(session, await owner(session, "ann"), "one")
        await tasks.record_progress(session, await claimed(session), SNAPSHOT, NOW)

        assert await tasks.remove(session, ONE)
        assert not await tasks.remove(session, ONE)
        assert await tasks.latest_snapshots(session, [ONE]) == {}
