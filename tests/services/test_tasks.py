"""Rules of tasks."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pcap_analyzer.errors import Conflict, NotFound, ResultUnreadable
from pcap_analyzer.services import results, tasks
from pcap_analyzer.services.tasks import Leftovers, Received, clean_filename
from pcap_analyzer.storage import Storage
from pcap_analyzer.store import tasks as rows
from pcap_analyzer.store import users
from pcap_analyzer.store.listing import Search
from pcap_analyzer.store.models import Role, TaskStatus
from pcap_analyzer.store.session import AsyncSession, Database
from pcap_analyzer.store.tasks import Snapshot, Viewer
from pcap_analyzer.store.users import NewUser
from tests.known_ids import id_of
from tests.report import sample

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ONE, COMMITTED = id_of("one"), id_of("committed")


async def viewer(session: AsyncSession, name: str = "ann") -> Viewer:
    user = await users.add(session, NewUser(name, f"{name}@example.org", "hash", Role.USER, NOW))
    return Viewer(user.id, is_admin=False)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("a.pcap", "a.pcap"),
        ("../../etc/passwd", "passwd"),
        ("C:\\captures\\a.pcap", "a.pcap"),
        ("a\0b\nc.pcap", "a�b�c.pcap"),
        ("", "capture"),
        ("folder/", "capture"),
        ("x" * 300 + ".pcap", "x" * 250 + ".pcap"),
        ("\u202egnp.pcap", "�gnp.pcap"),
    ],
)
def test_a_file_name_is_text_to_show(given: str, shown: str) -> None:
    assert clean_filename(given) == shown


async def test_those_who_wait_know_their_place(database: Database) -> None:
    async with database.transaction() as session:
        ann = await viewer(session)
        for seconds, name in enumerate(("one", "two")):
            await tasks.create(session, ann, Received(id_of(name), name, 10), NOW + timedelta(seconds=seconds))

        places = {
            seen.task.task_id: seen.queue_position for seen in (await tasks.overview(session, ann, Search())).active
        }

    assert places == {ONE: 1, id_of("two"): 2}


async def test_progress_is_bytes_read_of_bytes_in_all(database: Database) -> None:
    async with database.transaction() as session:
        ann = await viewer(session)
        await tasks.create(session, ann, Received(ONE, "one", 400), NOW)
        waiting = tasks.progress_of(await tasks.look_at(session, ann, ONE))
        claimed = await rows.claim_next(session, NOW)
        assert claimed is not None
        await rows.record_progress(session, claimed[0], Snapshot("read", 25.0, 9, 100, 400, 50), NOW)
        running = tasks.progress_of(await tasks.look_at(session, ann, ONE))

    assert waiting == Snapshot("queued", None, None, None, 400, None)
    assert running == Snapshot("read", 25.0, 9, 100, 400, 50)


async def test_another_s_task_does_not_exist(database: Database) -> None:
    async with database.transaction() as session:
        ann, bob = await viewer(session), await viewer(session, "bob")
        await tasks.create(session, ann, Received(ONE, "one", 10), NOW)

        for use in (tasks.get, tasks.look_at, tasks.update, tasks.retry, tasks.delete):
            with pytest.raises(NotFound):
                await use(session, bob, ONE)


async def test_what_has_not_ended_cannot_be_tried_again(database: Database) -> None:
    async with database.transaction() as session:
        ann = await viewer(session)
        await tasks.create(session, ann, Received(ONE, "one", 10), NOW)

        with pytest.raises(Conflict):
            await tasks.retry(session, ann, ONE)


async def test_an_analysis_whose_report_cannot_be_read_is_made_again(database: Database, tmp_path: Path) -> None:
    storage = Storage(tmp_path / "data")
    storage.prepare()
    key = results.keep(storage, ONE, b"{}")
    async with database.transaction() as session:
        ann = await viewer(session)
        await tasks.create(session, ann, Received(ONE, "one", 10), NOW)
        claimed = await rows.claim_next(session, NOW)
        assert claimed is not None
        await rows.complete(session, claimed[0], results.completion_of(sample.report(), key, NOW))
        with pytest.raises(ResultUnreadable):
            results.load(storage, await tasks.get(session, ann, ONE))

        await tasks.retry(session, ann, ONE)
        session.expire_all()
        again = await tasks.get(session, ann, ONE)

    assert (again.status, again.report_key, again.verdict_headline) == (TaskStatus.PENDING, None, None)


async def test_a_capture_whose_task_was_never_committed_goes_at_the_next_start_and_no_other(
    database: Database, tmp_path: Path
) -> None:
    storage = Storage(tmp_path / "data")
    storage.prepare()
    for name in (COMMITTED, id_of("never committed")):
        part = storage.new_part()
        part.write(b"abc")
        storage.keep_unconfirmed(part, tasks.capture_key(name))
    storage.put(tasks.capture_key("of-another-database"), b"abc")
    async with database.transaction() as session:
        await tasks.create(session, await viewer(session), Received(COMMITTED, "one", 3), NOW)

        noted = storage.unconfirmed()
        lost = await tasks.never_recorded(session, noted)
    tasks.settle_uploads(storage, noted, lost)

    kept = {path.name for path in (tmp_path / "data").rglob("*") if path.is_file()}
    assert kept == {COMMITTED, "of-another-database"}


async def test_deletion_names_the_objects_that_go_too(database: Database) -> None:
    async with database.transaction() as session:
        ann = await viewer(session)
        await tasks.create(session, ann, Received(ONE, "one", 10), NOW)

        assert await tasks.delete(session, ann, ONE) == Leftovers((f"captures/{ONE}", f"results/{ONE}"))
        with pytest.raises(NotFound):
            await tasks.get(session, ann, ONE)
