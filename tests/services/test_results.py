"""A stored report comes back as it was, or is said to be broken."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pcap_analyzer.errors import NotFound, ResultUnreadable
from pcap_analyzer.report import figures
from pcap_analyzer.report import json as report_json
from pcap_analyzer.services import results
from pcap_analyzer.storage import Storage
from pcap_analyzer.store.models import Task
from tests.report import sample

REPORT = sample.report()
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    storage = Storage(tmp_path)
    storage.prepare()
    return storage


def test_a_report_comes_back_as_it_was(storage: Storage) -> None:
    key = results.keep(storage, "one", report_json.dump(REPORT).encode())

    assert results.load(storage, Task(task_id="one", report_key=key)) == REPORT
    assert results.text_of(storage, Task(task_id="one", report_key=key)) == report_json.dump(REPORT).encode()


@pytest.mark.parametrize("read", [results.load, results.text_of])
@pytest.mark.parametrize(("capture_key", "says"), [("captures/one", "can be analysed again"), (None, "Upload")])
def test_a_report_that_was_changed_or_is_gone_is_not_shown(
    storage: Storage, read: Callable[[Storage, Task], object], capture_key: str | None, says: str
) -> None:
    task = Task(task_id="one", report_key=results.keep(storage, "one", b"{}"), capture_key=capture_key)

    with pytest.raises(ResultUnreadable, match=says):
        read(storage, task)
    storage.delete("results")
    with pytest.raises(ResultUnreadable, match=says):
        read(storage, task)


def test_a_task_without_a_report_has_none(storage: Storage) -> None:
    with pytest.raises(NotFound):
        results.load(storage, Task(task_id="one", report_key=None))


def test_shares_are_those_that_the_report_shows() -> None:
    completion = results.completion_of(REPORT, "key", NOW)

    shown = {part.wait.category.value: part.share for part in figures.parts_of_waiting(REPORT.waiting)}
    assert dict(completion.waiting_shares) == pytest.approx(shown, abs=1e-6)
    shares = [share for _, share in completion.waiting_shares]
    assert shares == sorted(shares, reverse=True)
    assert not {"idle", "client_thinking"} & shown.keys()


def test_shares_of_causes_that_overlap_sum_to_more_than_one() -> None:
    """As in the report: each is a part of the time in which anything waited."""
    first, second, *_ = (share for share in REPORT.waiting.shares if share.category.is_waiting)
    waiting = replace(
        REPORT.waiting, wall_seconds=10.0, shares=(replace(first, seconds=9.0), replace(second, seconds=3.0))
    )

    completion = results.completion_of(replace(REPORT, waiting=waiting), "key", NOW)

    assert [share for _, share in completion.waiting_shares] == [0.9, 0.3]


def test_a_capture_without_waiting_has_no_shares() -> None:
    quiet = replace(REPORT, waiting=replace(REPORT.waiting, shares=()))

    assert results.completion_of(quiet, "key", NOW).waiting_shares == ()
