"""Server-sent events: progress with ids, resumed after the last one, `done` at the end."""

import asyncio
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from pcap_analyzer.services import tasks
from pcap_analyzer.services.tasks import Received
from pcap_analyzer.store import tasks as rows
from pcap_analyzer.store.models import TaskStatus
from pcap_analyzer.store.tasks import Claim, Completion, Snapshot, Viewer
from pcap_analyzer.web.api.tasks import _progress_event
from tests.web.house import House

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ONE = "11111111-1111-4111-8111-111111111111"
SNAPSHOT = Snapshot("read", 40.0, 12, 400, 1000, 99)
COMPLETION = Completion(NOW, "results/x/report.json", 7, 1.5, "none", "info", "Fine", "All is well.", ())


@dataclass(frozen=True)
class Event:
    kind: str
    data: dict[str, object]
    id: int | None


def parse(stream: str) -> list[Event]:
    events = []
    for block in stream.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "event" in fields:
            number = int(fields["id"]) if "id" in fields else None
            events.append(Event(fields["event"], json.loads(fields["data"]), number))
    return events


async def running(house: House, token: str) -> Claim:
    """A task in the middle of its analysis, which nobody runs."""
    async with house.client(token) as client:
        user_id = (await client.get("/api/v1/users/me")).json()["id"]
    async with house.runtime.database.transaction() as session:
        await tasks.create(session, Viewer(user_id, is_admin=True), Received(ONE, "one", 10), NOW)
        claimed = await rows.claim_next(session, NOW)
        assert claimed is not None
        await rows.record_progress(session, claimed[0], SNAPSHOT, NOW)
    return claimed[0]


async def test_progress_comes_as_it_is_made_and_done_is_last(house: House) -> None:
    token = await house.admin()
    claim = await running(house, token)

    async def go_on() -> None:
        await asyncio.sleep(0.8)
        async with house.runtime.database.transaction() as session:
            await rows.record_progress(session, claim, replace(SNAPSHOT, frames=20, bytes_done=1000), NOW)
        await asyncio.sleep(0.8)
        async with house.runtime.database.transaction() as session:
            await rows.complete(session, claim, COMPLETION)

    async with house.client(token) as client:
        answer, _ = await asyncio.gather(client.get(f"/api/v1/tasks/{ONE}/events"), go_on())

    events = parse(answer.text)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert [event.kind for event in events] == ["progress", "progress", "progress", "done"]
    assert events[0].data == {
        "stage": "read",
        "percent": 40.0,
        "frames": 12,
        "bytes_done": 400,
        "bytes_total": 1000,
        "bytes_per_s": 99,
        "queue_position": None,
    }
    assert (events[1].data["percent"], events[1].id) == (100.0, (events[0].id or 0) + 1)
    assert events[-1].data == {"status": "completed"}


@pytest.mark.parametrize(("last_id", "sent"), [(0, True), (5, True), (6, False)])
def test_a_stream_resumes_after_the_last_event_that_arrived(last_id: int, sent: bool) -> None:
    update = tasks.Update(TaskStatus.PROCESSING, 5, SNAPSHOT, None)

    assert bool(_progress_event(update, last_id)) is sent


async def test_a_stream_ends_when_its_viewer_is_shut_out(house: House) -> None:
    token = await house.admin()
    await running(house, token)

    async def shut_out() -> None:
        await asyncio.sleep(0.3)
        async with house.runtime.database.transaction() as session:
            await session.execute(text("DELETE FROM sessions"))

    async with house.client(token) as client, asyncio.timeout(5):
        answer, _ = await asyncio.gather(client.get(f"/api/v1/tasks/{ONE}/events"), shut_out())

    assert [event.kind for event in parse(answer.text)] == ["progress"]


async def test_a_stream_ends_with_the_service(house: House) -> None:
    token = await house.admin()
    await running(house, token)

    async def stop() -> None:
        await asyncio.sleep(0.2)
        house.runtime.stopping.set()

    async with house.client(token) as client, asyncio.timeout(5):
        answer, _ = await asyncio.gather(client.get(f"/api/v1/tasks/{ONE}/events"), stop())

    assert [event.kind for event in parse(answer.text)] == ["progress"]
