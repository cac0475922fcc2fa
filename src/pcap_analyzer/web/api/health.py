"""Whether the process lives, and whether it can work."""

import asyncio
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from pcap_analyzer.errors import AppError
from pcap_analyzer.store import revision
from pcap_analyzer.store.models import TaskStatus
from pcap_analyzer.store.revision import Standing
from pcap_analyzer.web.runtime import Runtime

DATABASE_ANSWERS_WITHIN_S = 1.0
NOT_KNOWN = "not known"
router = APIRouter(prefix="/health")


@dataclass(frozen=True)
class LiveJson:
    status: str


@dataclass(frozen=True)
class QueueJson:
    """Who runs the analyses of this database, and how many there are."""

    runs: str  # "here", "elsewhere"
    waiting: int
    running: int


@dataclass(frozen=True)
class ReadyJson:
    status: str  # "ready", "not ready"
    database: str  # "ok", or a sentence
    revision: str  # "ok", "newer", or a sentence
    storage: str  # "ok", or a sentence
    disk: str  # "ok", or a sentence
    queue: QueueJson | None


@router.get("/live")
async def live() -> LiveJson:
    return LiveJson("live")


@router.get("/ready")
async def ready(request: Request, response: Response) -> ReadyJson:
    runtime: Runtime | None = request.app.state.runtime
    if runtime is None:
        waits_for: str = request.app.state.opening.waits_for
        found = ReadyJson("not ready", waits_for, NOT_KNOWN, NOT_KNOWN, NOT_KNOWN, None)
    else:
        found = await _look(runtime)
    if found.status != "ready":
        response.status_code = 503
    return found


async def _look(runtime: Runtime) -> ReadyJson:
    database, at, queue = await _database(runtime)
    storage, disk = await asyncio.to_thread(_storage, runtime)
    good = database == storage == disk == "ok" and at in ("ok", "newer")
    return ReadyJson("ready" if good else "not ready", database, at, storage, disk, queue)


async def _database(runtime: Runtime) -> tuple[str, str, QueueJson | None]:
    try:
        async with asyncio.timeout(DATABASE_ANSWERS_WITHIN_S):
            found = await runtime.probe.ask()
    except TimeoutError:
        return "The database does not answer.", NOT_KNOWN, None
    except AppError as error:
        return str(error), NOT_KNOWN, None
    where = "here" if runtime.dispatcher.leads else "elsewhere"
    queue = QueueJson(where, found.counts[TaskStatus.PENDING], found.counts[TaskStatus.PROCESSING])
    return "ok", _standing(found.revision, runtime.revisions), queue


def _standing(current: str | None, known: tuple[str, ...]) -> str:
    standing = revision.standing(current, known)
    if standing is not Standing.OLDER:
        return standing.value
    return f"The database is at revision {current}, this release needs {known[-1]}: run `pcap-analyzer db upgrade`."


def _storage(runtime: Runtime) -> tuple[str, str]:
    try:
        runtime.storage.prepare()
        free = runtime.storage.free_bytes()
    except AppError as error:
        return error.title, NOT_KNOWN
    enough = free > runtime.settings.free_space_reserve_bytes
    return "ok", "ok" if enough else "Uploads are refused: the disk is nearly full."
