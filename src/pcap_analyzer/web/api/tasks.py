"""Tasks for programs, and for the script of the pages."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from pcap_analyzer.errors import AppError
from pcap_analyzer.services import accounts, tasks
from pcap_analyzer.services.accounts import Identity
from pcap_analyzer.services.tasks import Seen, T, Update
from pcap_analyzer.store.listing import Search
from pcap_analyzer.store.session import AsyncSession
from pcap_analyzer.store.tasks import Viewer
from pcap_analyzer.web import upload
from pcap_analyzer.web.deps import Data, Looking, Running, User
from pcap_analyzer.web.presenting import task_view
from pcap_analyzer.web.removal import remove
from pcap_analyzer.web.runtime import Runtime
from pcap_analyzer.web.security import cookie_name

LOOK_EVERY_S = 0.5
COMMENT_EVERY_S = 15.0
router = APIRouter(prefix="/api/v1/tasks")


@dataclass(frozen=True)
class CreatedJson:
    id: str
    url: str  # of the page


@dataclass(frozen=True)
class TaskJson:
    """One task; null is "not known". Times are ISO 8601 in UTC, sizes bytes."""

    id: str
    url: str
    filename: str
    status: str
    stage: str
    percent: float | None
    frames: int | None
    bytes_done: int | None
    size_bytes: int | None
    owner: str | None  # user name
    uploaded_at: datetime
    analyzed_at: datetime | None
    packets: int | None
    duration_s: float | None
    verdict_cause: str | None
    verdict_headline: str | None
    verdict_sentence: str | None
    verdict_severity: str | None
    error_message: str | None
    queue_position: int | None
    attempt: int


@dataclass(frozen=True)
class TaskListJson:
    active: list[TaskJson]  # in the order in which they run
    tasks: list[TaskJson]  # one page, newest first
    total: int  # over all pages
    total_is_exact: bool  # false: there are at least so many


@router.post("", status_code=HTTPStatus.CREATED, max_body_size=sys.maxsize)  # counted by upload.receive
async def create(
    request: Request,
    response: Response,
    runtime: Running,
    data: Data,
    *,
    viewer: Looking,
    filename: Annotated[str, Query(max_length=4096)] = "capture",
) -> CreatedJson:
    """Analyse the capture that is the request's body; answers when it is safe on disk, before it is analysed."""
    task_id = await upload.receive(request, runtime, data, viewer, filename)
    response.headers["Location"] = f"/api/v1/tasks/{task_id}"
    return CreatedJson(task_id, f"/tasks/{task_id}")


@router.get("")
async def listing(
    data: Data, viewer: Looking, q: str = "", page: Annotated[int, Query(ge=1, le=10**6)] = 1
) -> TaskListJson:
    found = await data.glance(lambda session: tasks.overview(session, viewer, Search(text=q, page=page)))
    return TaskListJson(
        active=[task_json(seen, viewer) for seen in found.active],
        tasks=[task_json(Seen(task, None, None), viewer) for task in found.page.tasks],
        total=found.page.total,
        total_is_exact=found.page.exact,
    )


@router.get("/{task_id}")
async def one(data: Data, viewer: Looking, task_id: str) -> TaskJson:
    return task_json(await data.read(lambda session: tasks.look_at(session, viewer, task_id)), viewer)


@router.delete("/{task_id}", status_code=HTTPStatus.NO_CONTENT)
async def delete(runtime: Running, data: Data, viewer: Looking, task_id: str) -> None:
    """Remove the task, its capture and its report; a running analysis is ended."""
    await remove(runtime, data, viewer, task_id)


@router.get("/{task_id}/events")
async def events(
    request: Request,
    runtime: Running,
    user: User,
    viewer: Looking,
    task_id: str,
    *,
    last_event_id: Annotated[int, Header()] = 0,
) -> StreamingResponse:
    """Progress as server-sent events, resumed after Last-Event-ID; `done` is the last."""
    await runtime.database.read(lambda session: tasks.get(session, viewer, task_id))
    token = request.cookies.get(cookie_name(runtime.settings), "")
    watch = _Watch(runtime, user, viewer, task_id, token)
    return StreamingResponse(watch.stream(last_event_id), media_type="text/event-stream")


@dataclass(frozen=True)
class _Watch:
    """One open event stream; it ends with the task, with the service, or when its viewer may no longer see it."""

    runtime: Runtime
    user: Identity
    viewer: Viewer
    task_id: str
    token: str

    async def stream(self, last_id: int) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        said, spoke_at = b"", loop.time()
        yield b"retry: 2000\n\n"
        while not self.runtime.stopping.is_set():
            update = await self._look()
            if update is None:
                return
            message = _progress_event(update, last_id)
            if message and message != said:
                yield message
                said, spoke_at = message, loop.time()
                last_id = max(last_id, update.snapshot_id or 0)
            if update.status.value not in ("pending", "processing"):
                yield f"event: done\ndata: {json.dumps({'status': update.status.value})}\n\n".encode()
                return
            if loop.time() - spoke_at >= COMMENT_EVERY_S:
                yield b": still there\n\n"
                spoke_at = loop.time()
            await self._pause()

    async def _look(self) -> Update | None:
        """The next update. A browser that goes away cancels its stream at any moment, but no query of it."""
        try:
            return await self.runtime.database.look(self._read)
        except AppError:  # deleted, or the database is away: the browser asks again and is told
            return None

    async def _read(self, session: AsyncSession) -> Update | None:
        found = await accounts.identify(session, self.token, datetime.now(UTC))
        if found is None or not found[0].is_active or found[0].role is not self.user.role:
            return None
        return await tasks.update(session, self.viewer, self.task_id)

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(LOOK_EVERY_S):
                await self.runtime.stopping.wait()
        except TimeoutError:
            return


def _progress_event(update: Update, last_id: int) -> bytes:
    """One event, or nothing when it was sent before. A waiting task has no snapshot and its event no id."""
    if update.snapshot_id is not None and update.snapshot_id < last_id:
        return b""
    data = json.dumps({**asdict(update.progress), "queue_position": update.queue_position})
    number = "" if update.snapshot_id is None else f"id: {update.snapshot_id}\n"
    return f"{number}event: progress\ndata: {data}\n\n".encode()


def task_json(seen: Seen[T], viewer: Viewer) -> TaskJson:
    view = task_view(seen, viewer.user_id)
    return TaskJson(
        id=view.id,
        url=f"/tasks/{view.id}",
        filename=view.filename,
        status=view.status,
        stage=view.stage,
        percent=view.percent,
        frames=view.frames,
        bytes_done=view.bytes_done,
        size_bytes=view.size_bytes,
        owner=None if view.owner is None else view.owner.username,
        uploaded_at=view.uploaded_at,
        analyzed_at=view.analyzed_at,
        packets=view.packets,
        duration_s=view.duration_s,
        verdict_cause=view.verdict_cause,
        verdict_headline=view.verdict_headline,
        verdict_sentence=view.verdict_sentence,
        verdict_severity=view.verdict_severity,
        error_message=view.error_message,
        queue_position=view.queue_position,
        attempt=view.attempt,
    )
