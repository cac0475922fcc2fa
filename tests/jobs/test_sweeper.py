"""What is older than REPORT_TTL_HOURS expires, its files go after that, and nothing else is touched."""

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from pcap_analyzer.errors import StorageUnavailable
from pcap_analyzer.jobs.sweeper import Sweeper
from pcap_analyzer.services import tasks
from pcap_analyzer.storage import Storage
from pcap_analyzer.store.models import Task, TaskStatus
from pcap_analyzer.store.session import Database, open_database
from pcap_analyzer.store.urls import DatabaseUrls
from tests.waiting import until

NOW = datetime(2026, 1, 10, tzinfo=UTC)
DAY = timedelta(days=1)
IDS = {name: f"10000000-0000-4000-8000-{number:012d}" for number, name in enumerate(("old", "new", "odd"))}


@dataclass
class House:
    """A folder and a database with tasks, their captures, and reports of two releases."""

    database: Database
    storage: Storage

    async def add(self, name: str, analyzed_at: datetime | None, status: TaskStatus = TaskStatus.COMPLETED) -> None:
        task_id = IDS[name]
        old = self.storage.folder / "reports" / f"{name}.html"
        old.parent.mkdir(exist_ok=True)
        old.write_bytes(b"old")
        self.storage.put(f"captures/{task_id}", b"capture")
        self.storage.put(f"results/{task_id}/report.json", b"{}")
        row = Task(
            task_id=task_id,
            filename=f"{name}.pcap",
            status=status,
            uploaded_at=NOW - 2 * DAY,
            analyzed_at=analyzed_at,
            capture_key=f"captures/{task_id}",
            report_key=f"results/{task_id}/report.json",
            report_html_path=f"data/reports/{name}.html",
            attempt=1,
            interruptions=0,
        )
        async with self.database.transaction() as session:
            session.add(row)

    async def row(self, name: str) -> Task:
        async with self.database.reading() as session:
            return (await session.scalars(select(Task).where(Task.task_id == IDS[name]))).one()

    def files(self) -> set[str]:
        """Names of the tasks that have files, each with how many."""
        found = [str(path) for path in self.storage.folder.rglob("*") if path.is_file()]
        return {
            f"{name}: {sum(task_id in path or f'/{name}.html' in path for path in found)}"
            for name, task_id in IDS.items()
        }

    def sweeper(self) -> Sweeper:
        return Sweeper(self.database, self.storage, DAY, lambda: True)


@pytest.fixture
async def house(database_urls: DatabaseUrls, tmp_path: Path) -> AsyncIterator[House]:
    database, storage = open_database(database_urls), Storage(tmp_path / "data")
    storage.prepare()
    yield House(database, storage)
    await database.close()


async def test_what_is_too_old_expires_with_its_files_and_what_is_not_stays(house: House) -> None:
    await house.add("old", NOW - DAY - timedelta(seconds=1))
    await house.add("new", NOW - DAY + timedelta(seconds=1))
    await house.add("odd", None)  # no date of its analysis: counted from its upload

    await house.sweeper().sweep(NOW)
    old, new, odd = await house.row("old"), await house.row("new"), await house.row("odd")

    assert (old.status, new.status, odd.status) == (TaskStatus.EXPIRED, TaskStatus.COMPLETED, TaskStatus.EXPIRED)
    assert house.files() == {"old: 0", "new: 3", "odd: 0"}
    assert (old.capture_key, old.report_key, old.report_html_path, old.report_json_path) == (None,) * 4
    assert old.filename == "old.pcap"
    assert old.error_message == (
        "Reports are kept here for 24 hours after the analysis. "
        "This one was deleted on 2026-01-10 at 00:00 UTC, with its capture."
    )


@pytest.mark.parametrize("status", [TaskStatus.PENDING, TaskStatus.PROCESSING, TaskStatus.FAILED, TaskStatus.CANCELLED])
async def test_only_completed_tasks_expire(house: House, status: TaskStatus) -> None:
    await house.add("old", NOW - 9 * DAY, status)

    await house.sweeper().sweep(NOW)

    assert (await house.row("old")).status is status
    assert "old: 3" in house.files()


async def test_what_an_earlier_service_let_expire_and_did_not_remove_is_removed(house: House) -> None:
    await house.add("old", NOW - 9 * DAY, TaskStatus.EXPIRED)

    await house.sweeper().sweep(NOW)

    assert "old: 0" in house.files()
    assert (await house.row("old")).capture_key is None


async def test_files_that_cannot_be_removed_are_tried_again_and_hold_up_no_other(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.add("old", NOW - 9 * DAY)
    await house.add("odd", NOW - 9 * DAY)
    delete = Storage.delete

    def refuse_one(storage: Storage, key: str) -> None:
        if IDS["old"] in key:
            raise StorageUnavailable("The data folder cannot be used.")
        delete(storage, key)

    with monkeypatch.context() as refusing:
        refusing.setattr(Storage, "delete", refuse_one)
        await house.sweeper().sweep(NOW)
        first = house.files()
    await house.sweeper().sweep(NOW)

    assert first >= {"old: 3", "odd: 0"}
    assert house.files() >= {"old: 0", "odd: 0"}


async def test_more_than_a_batch_expires_in_one_sweep(house: House) -> None:
    async with house.database.transaction() as session:
        for number in range(250):
            session.add(
                Task(
                    task_id=tasks.new_id(),
                    filename=f"{number}.pcap",
                    status=TaskStatus.COMPLETED,
                    uploaded_at=NOW - 3 * DAY,
                    report_html_path="gone.html",
                    attempt=0,
                    interruptions=0,
                )
            )

    await house.sweeper().sweep(NOW)

    async with house.database.reading() as session:
        left = await session.execute(
            select(Task.status, Task.report_html_path).group_by(Task.status, Task.report_html_path)
        )
    assert [tuple(row) for row in left] == [(TaskStatus.EXPIRED, None)]


async def test_a_sweeper_says_what_it_does_and_begins_at_once(house: House, caplog: pytest.LogCaptureFixture) -> None:
    await house.add("old", NOW - 9 * DAY)
    sweeper = house.sweeper()

    async def gone() -> bool:
        return "old: 0" in house.files()

    with caplog.at_level(logging.WARNING):
        sweeper.start()
        await until(gone)
    await sweeper.stop()

    assert "REPORT_TTL_HOURS is set: analyses are deleted with their captures 24 hours" in caplog.text


async def test_who_does_not_lead_sweeps_nothing(house: House) -> None:
    await house.add("old", NOW - 9 * DAY)
    asked: list[bool] = []

    def leads() -> bool:
        asked.append(False)
        return False

    async def was_asked() -> bool:
        return bool(asked)

    sweeper = Sweeper(house.database, house.storage, DAY, leads)
    sweeper.start()
    await until(was_asked)
    await sweeper.stop()

    assert (await house.row("old")).status is TaskStatus.COMPLETED
