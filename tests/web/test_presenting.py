"""What templates are given."""

from datetime import UTC, datetime

import pytest

from pcap_analyzer.services.tasks import Seen
from pcap_analyzer.store.models import Task, TaskStatus
from pcap_analyzer.web.presenting import initials, task_view

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("username", "letters"),
    [("Priya Nair", "PN"), ("e.xu", "EX"), ("jonas", "JO"), ("ann_lee-smith", "AL"), ("--", "--"), ("ß", "SS")],
)
def test_initials_are_two_letters_at_most(username: str, letters: str) -> None:
    assert initials(username) == letters


def test_a_task_of_an_older_release_shows_what_is_known_and_nothing_else() -> None:
    task = Task(task_id="one", filename="a.pcap", status=TaskStatus.COMPLETED, uploaded_at=NOW, attempt=0)
    task.owner = None

    view = task_view(Seen(task, None, None), "somebody")

    assert (view.size_bytes, view.packets, view.verdict_headline, view.owner) == (None, None, None, None)
    assert view.shares == ()
    assert not view.mine
