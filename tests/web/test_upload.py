"""A capture comes in whole, or nothing of it stays."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fastapi import HTTPException
from starlette.types import Message

from pcap_analyzer.errors import CommitUnknown, NotACapture, StorageFull
from pcap_analyzer.services import tasks
from pcap_analyzer.storage import Storage
from pcap_analyzer.store.session import Database, Work
from pcap_analyzer.store.tasks import Viewer
from pcap_analyzer.web.upload import Announced, check_first_bytes, take
from tests.waiting import PATIENCE_S
from tests.web.house import House, open_house

URL = "/api/v1/tasks?filename=one.pcap"


async def pieces(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def test_an_upload_is_kept_byte_for_byte_and_answered_with_its_page(house: House, capture: bytes) -> None:
    async with house.client(await house.admin()) as client:
        answer = await client.post(URL, content=capture)
        task = answer.json()
        download = await client.get(f"/tasks/{task['id']}/capture")

    assert answer.status_code == 201
    assert task["url"] == f"/tasks/{task['id']}"
    assert answer.headers["location"] == f"/api/v1/tasks/{task['id']}"
    assert download.content == capture
    assert house.runtime.storage.get(f"captures/{task['id']}") == capture


async def test_a_body_in_pieces_without_a_length_is_taken(house: House, capture: bytes) -> None:
    async with house.client(await house.admin()) as client:
        answer = await client.post(URL, content=pieces(capture[:1], capture[1:30], capture[30:]))

    assert answer.status_code == 201


async def test_a_capture_larger_than_a_write_is_kept_whole(house: House, capture: bytes) -> None:
    large = capture + capture[24:] * 6000
    async with house.client(await house.admin()) as client:
        answer = await client.post(
            URL, content=pieces(*(large[at : at + 300_000] for at in range(0, len(large), 300_000)))
        )
        download = await client.get(f"{answer.json()['url']}/capture")

    assert len(large) > 8_000_000
    assert download.content == large


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"", 422, "The file is empty."),
        (b"PK\x03\x04 and more", 415, "ZIP"),
        (b"hello, this is a text", 415, "text"),
        (b"\0" * 4096, 415, "zeros"),
        (gzip.compress(b"hello, this is a text"), 415, "In this gzip file: This looks like text"),
        (b"\xa1\xb2\xc3\xd4", 415, "ends inside its file header"),
    ],
)
async def test_what_is_no_capture_is_refused_with_what_it_looks_like(
    house: House, body: bytes, status: int, says: str
) -> None:
    async with house.client(await house.admin()) as client:
        answer = await client.post(URL, content=body)
        listed = (await client.get("/api/v1/tasks")).json()

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert says in answer.json()["detail"]
    assert (listed["total"], listed["active"], house.files()) == (0, [], [])


def test_a_compressed_capture_is_recognised(capture: bytes) -> None:
    check_first_bytes(gzip.compress(capture)[:512])
    check_first_bytes(gzip.compress(capture)[:12])
    with pytest.raises(NotACapture):
        check_first_bytes(gzip.compress(b"PK\x03\x04" * 100)[:512])


@pytest.mark.parametrize("announced", [True, False])
async def test_more_than_the_limit_is_refused_announced_or_not(tmp_path: Path, capture: bytes, announced: bool) -> None:
    async with open_house(tmp_path / "small", max_upload_bytes=len(capture) - 1) as house:
        async with house.client(await house.admin()) as client:
            answer = await client.post(URL, content=capture if announced else pieces(capture))

        assert answer.status_code == 413
        assert "larger than" in answer.json()["detail"]
        assert house.files() == []


async def test_what_does_not_fit_on_the_disk_is_refused_before_it_comes(tmp_path: Path, capture: bytes) -> None:
    async with open_house(tmp_path / "small") as house:
        token = await house.admin()
        async with house.client(token) as client:
            answer = await client.post(URL, content=capture, headers={"Content-Length": str(10**15)})

    assert answer.status_code == 413  # larger than any limit
    async with open_house(tmp_path / "small2", max_upload_bytes=10**16) as house:
        async with house.client(await house.admin()) as client:
            answer = await client.post(URL, content=capture, headers={"Content-Length": str(10**15)})

        assert (answer.status_code, house.files()) == (507, [])


@pytest.mark.parametrize(("announced", "says"), [(10, "More bytes came"), (10**6, "bytes came; nothing")])
async def test_a_length_that_is_not_as_announced_is_refused(
    house: House, capture: bytes, announced: int, says: str
) -> None:
    async with house.client(await house.admin()) as client:
        answer = await client.post(URL, content=capture, headers={"Content-Length": str(announced)})

    assert answer.status_code == 400
    assert says in answer.json()["detail"]
    assert house.files() == []


@pytest.mark.parametrize("length", ["-1", "ten", "1.5"])
async def test_a_length_that_is_no_number_is_refused(house: House, capture: bytes, length: str) -> None:
    async with house.client(await house.admin()) as client:
        answer = await client.post(URL, content=capture, headers={"Content-Length": length})

    assert answer.status_code == 400


async def test_a_disk_that_fills_up_on_the_way_leaves_nothing(
    house: House, capture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_storage: Storage, _part: object, _key: str) -> None:
        raise StorageFull("The disk of the server is full.")

    monkeypatch.setattr(Storage, "keep", full)
    async with house.client(await house.admin()) as client:
        answer = await client.post(URL, content=capture)

    assert (answer.status_code, house.files()) == (507, [])


async def test_a_sender_who_goes_away_leaves_nothing(house: House, capture: bytes) -> None:
    token = await house.admin()
    messages: list[Message] = [
        {"type": "http.request", "body": capture[:100], "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "https",
        "path": "/api/v1/tasks",
        "raw_path": b"/api/v1/tasks",
        "query_string": b"filename=one.pcap",
        "root_path": "",
        "headers": [
            (b"host", b"captures.example"),
            (b"origin", b"https://captures.example"),
            (b"cookie", f"__Host-session={token}".encode()),
        ],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    await house.app(scope, receive, send)

    assert sent[0]["status"] == 400
    assert house.files() == []


async def test_an_upload_that_comes_no_further_ends_when_the_service_stops(house: House, capture: bytes) -> None:
    started = asyncio.Event()

    async def stalled() -> AsyncIterator[bytes]:
        yield capture[:100]
        started.set()
        await asyncio.Event().wait()

    async def stop() -> None:
        await started.wait()
        house.runtime.stopping.set()

    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
        group.create_task(stop())
        with pytest.raises(HTTPException) as refused:
            await take(
                stalled(), Announced("one.pcap", None), house.runtime, house.data(), Viewer("nobody", is_admin=False)
            )

    assert refused.value.status_code == 503
    assert house.files() == []


async def test_a_mistake_on_the_way_leaves_nothing(
    house: House, capture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def mistaken(*_given: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(tasks, "create", mistaken)
    async with house.client(await house.admin()) as client:
        answer = await client.post(URL, content=capture)

    assert (answer.status_code, house.files()) == (500, [])


async def test_names_are_text_and_never_paths(house: House, capture: bytes) -> None:
    async with house.client(await house.admin(), accept="text/html") as client:
        answer = await client.post("/api/v1/tasks", params={"filename": '../../etc/<b>"x"\r\n\0.pcap'}, content=capture)
        listed = (await client.get(f"/api/v1/tasks/{answer.json()['id']}")).json()
        download = await client.get(f"{answer.json()['url']}/capture")

    assert listed["filename"] == '<b>"x"���.pcap'
    assert download.headers["content-disposition"] == (
        "attachment; filename=\"<b>_x____.pcap\"; filename*=UTF-8''%3Cb%3E%22x%22%EF%BF%BD%EF%BF%BD%EF%BF%BD.pcap"
    )


async def test_uploads_at_the_same_time_do_not_mix(house: House, capture: bytes) -> None:
    bodies = [capture + capture[24:] * count for count in range(1, 6)]
    async with house.client(await house.admin()) as client:
        answers = await asyncio.gather(*(client.post(URL, content=pieces(body[:999], body[999:])) for body in bodies))
        kept = [(await client.get(f"{answer.json()['url']}/capture")).content for answer in answers]

    assert kept == bodies


async def test_an_upload_whose_commit_nobody_can_look_for_stays_until_somebody_can(
    house: House, capture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(_database: Database, work: Work[object], **_how: object) -> object:
        raise CommitUnknown

    token = await house.admin()
    with monkeypatch.context() as patch:
        patch.setattr(Database, "write", lost)
        async with house.client(token) as client:
            answer = await client.post(URL, content=capture)
    kept = house.files()
    storage = house.runtime.storage
    noted = storage.unconfirmed()
    gone = await house.runtime.database.read(lambda session: tasks.never_recorded(session, noted))
    tasks.settle_uploads(storage, noted, gone)

    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert len(kept) == 2  # the capture, and the note that nobody knows whether it is referred to
    assert house.files() == []
