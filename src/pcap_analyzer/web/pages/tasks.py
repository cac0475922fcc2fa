"""Home, and the page of a task with its downloads."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse, RedirectResponse, StreamingResponse
from pydantic import BaseModel, Field

from pcap_analyzer.analysis.model import Report
from pcap_analyzer.errors import Conflict, NotFound, ResultUnreadable
from pcap_analyzer.report import html
from pcap_analyzer.services import old_reports, results, tasks
from pcap_analyzer.services.old_reports import Kind
from pcap_analyzer.services.tasks import Overview
from pcap_analyzer.store.listing import Search
from pcap_analyzer.store.models import Task, TaskStatus
from pcap_analyzer.store.tasks import Viewer
from pcap_analyzer.web import upload
from pcap_analyzer.web.deps import Data, Looking, RequestDatabase, Running
from pcap_analyzer.web.presenting import finished_view, task_view
from pcap_analyzer.web.removal import remove
from pcap_analyzer.web.runtime import Runtime, find_sample
from pcap_analyzer.web.templating import render
from pcap_analyzer.web.views import HomeView, TaskDeleteView, TaskPageView

router = APIRouter()
NOTICES = {"deleted": "The analysis was deleted, with its capture."}
LISTED = 25


class HomeQuery(BaseModel):
    """What the address of the home page may say."""

    q: str = ""
    owner: str = "mine"
    page: int = Field(1, ge=1, le=10**6)
    notice: str = ""


@router.get("/")
async def home(
    request: Request,
    runtime: Running,
    data: Data,
    viewer: Looking,
    asked: Annotated[HomeQuery, Query()],
) -> Response:
    everybody = viewer.is_admin and asked.owner == "all"
    search = Search(text=asked.q.strip(), only_mine=not everybody, page=asked.page, page_size=LISTED)
    found = await data.glance(lambda session: tasks.overview(session, viewer, search))
    view = _home_view(found, search, viewer, runtime, NOTICES.get(asked.notice))
    return render(request, "home.html", view)


def _home_view(found: Overview, search: Search, viewer: Viewer, runtime: Runtime, notice: str | None) -> HomeView:
    first = (search.page - 1) * search.page_size + 1
    listed = tuple(finished_view(task, viewer.user_id) for task in found.page.tasks)
    return HomeView(
        active=tuple(
            task_view(seen, viewer.user_id)
            for seen in found.active
            if not search.only_mine or seen.task.owner_id == viewer.user_id
        ),
        tasks=listed,
        query=search.text,
        owner="mine" if search.only_mine else "all",
        page=search.page,
        pages=max(1, -(-found.page.total // search.page_size)),
        total=found.page.total,
        total_is_exact=found.page.exact,
        first=first if listed else 0,
        last=first + len(listed) - 1 if listed else 0,
        max_upload_bytes=runtime.settings.max_upload_bytes,
        sample_available=find_sample() is not None,
        notice=notice,
    )


@router.post("/samples/slow-checkout")
async def try_sample(runtime: Running, data: Data, viewer: Looking) -> Response:
    path = await asyncio.to_thread(find_sample)
    if path is None:
        raise NotFound("This server has no sample capture.")
    task_id = await upload.receive_file(path, runtime, data, viewer)
    return RedirectResponse(f"/tasks/{task_id}", HTTPStatus.SEE_OTHER)


@router.get("/tasks/{task_id}")
async def task_page(request: Request, runtime: Running, data: Data, viewer: Looking, task_id: str) -> Response:
    seen = await data.read(lambda session: tasks.look_at(session, viewer, task_id))
    report = await _report(runtime, seen.task)
    kinds = await asyncio.to_thread(old_reports.available, runtime.storage, seen.task)
    kept = seen.task.capture_key is not None and seen.task.status is not TaskStatus.EXPIRED
    view = TaskPageView(task_view(seen, viewer.user_id), report, kept, tuple(kind.value for kind in kinds))
    return render(request, "task.html", view)


@router.get("/tasks/{task_id}/delete")
async def delete_form(request: Request, data: Data, viewer: Looking, task_id: str) -> Response:
    seen = await data.read(lambda session: tasks.look_at(session, viewer, task_id))
    return render(request, "task_delete.html", TaskDeleteView(task_view(seen, viewer.user_id)))


@router.post("/tasks/{task_id}/delete")
async def delete(runtime: Running, data: Data, viewer: Looking, task_id: str) -> Response:
    await remove(runtime, data, viewer, task_id)
    return RedirectResponse("/?notice=deleted", HTTPStatus.SEE_OTHER)


@router.post("/tasks/{task_id}/retry")
async def retry(runtime: Running, data: Data, viewer: Looking, task_id: str) -> Response:
    task = await data.read(lambda session: tasks.get(session, viewer, task_id))
    if await _report(runtime, task) is not None:
        raise Conflict("This analysis has its report: a run that failed would take it away.")
    await data.write(lambda session: tasks.retry(session, viewer, task_id))
    runtime.dispatcher.wake()
    return RedirectResponse(f"/tasks/{task_id}", HTTPStatus.SEE_OTHER)


@router.get("/tasks/{task_id}/report.json")
async def report_json(runtime: Running, data: Data, viewer: Looking, task_id: str) -> Response:
    task = await _task(data, viewer, task_id)
    text = await asyncio.to_thread(results.text_of, runtime.storage, task)
    return Response(text, media_type="application/json", headers=_attachment(task, ".json"))


@router.get("/tasks/{task_id}/report.html")
async def report_html(runtime: Running, data: Data, viewer: Looking, task_id: str) -> Response:
    """The standalone report. It brings its own policy, which admits its own style and script by their hashes."""
    task = await _task(data, viewer, task_id)
    text = await asyncio.to_thread(lambda: html.render(results.load(runtime.storage, task)))
    return Response(text, media_type="text/html; charset=utf-8", headers=_attachment(task, ".html"))


@router.get("/tasks/{task_id}/old-report.html")
async def old_report_html(runtime: Running, data: Data, viewer: Looking, task_id: str) -> Response:
    """What an earlier release made: to be saved, and without any right of this site where it is opened."""
    return await _old_report(runtime, await _task(data, viewer, task_id), Kind.HTML)


@router.get("/tasks/{task_id}/old-report.json")
async def old_report_json(runtime: Running, data: Data, viewer: Looking, task_id: str) -> Response:
    return await _old_report(runtime, await _task(data, viewer, task_id), Kind.JSON)


async def _old_report(runtime: Runtime, task: Task, kind: Kind) -> Response:
    report = await asyncio.to_thread(old_reports.open_report, runtime.storage, task, kind)
    headers = {
        **_attachment(task, f".{kind}"),
        "Content-Length": str(report.size),
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "X-Content-Type-Options": "nosniff",
    }
    media_type = "text/html" if kind is Kind.HTML else "application/json"
    return StreamingResponse(report.chunks(), media_type=media_type, headers=headers)


@router.get("/tasks/{task_id}/capture")
async def capture(runtime: Running, data: Data, viewer: Looking, task_id: str) -> Response:
    """The file as it was uploaded, byte for byte."""
    task = await _task(data, viewer, task_id)
    if task.capture_key is None:
        raise NotFound("The capture of this analysis is no longer kept.")
    path = runtime.storage.path(task.capture_key)
    return FileResponse(path, media_type="application/vnd.tcpdump.pcap", headers=_attachment(task, ""))


async def _task(data: RequestDatabase, viewer: Viewer, task_id: str) -> Task:
    """A task whose files are read next; of what a replica does not know yet, or not the report, the primary may."""
    with suppress(NotFound):
        task = await data.glance(lambda session: tasks.get(session, viewer, task_id))
        if task.report_key is not None:
            return task
    return await data.read(lambda session: tasks.get(session, viewer, task_id))


async def _report(runtime: Runtime, task: Task) -> Report | None:
    """The report of a completed task; None where there is none or it is lost, which pages say in their own words."""
    if task.status is not TaskStatus.COMPLETED or task.report_key is None:
        return None
    with suppress(ResultUnreadable):
        return await asyncio.to_thread(results.load, runtime.storage, task)
    return None


def _attachment(task: Task, suffix: str) -> dict[str, str]:
    """The name under which a browser saves it (RFC 6266 and 8187): letters beyond ASCII only in the encoded form."""
    name = f"{task.filename}{suffix}"
    plain = "".join(
        letter if letter.isascii() and letter.isprintable() and letter not in '"\\%' else "_" for letter in name
    )
    return {"Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"}
