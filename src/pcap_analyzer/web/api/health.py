"""Whether the process lives, and whether it can work."""

import asyncio
from dataclasses import dataclass

from fastapi import APIRouter, Response

from pcap_analyzer.errors import AppError
from pcap_analyzer.services import accounts
from pcap_analyzer.web.deps import Running
from pcap_analyzer.web.runtime import Runtime

DATABASE_ANSWERS_WITHIN_S = 1.0
router = APIRouter(prefix="/health")


@dataclass(frozen=True)
class LiveJson:
    status: str


@dataclass(frozen=True)
class ReadyJson:
    status: str  # "ready", "not ready"
    database: str  # "ok", or a sentence
    storage: str


@router.get("/live")
async def live() -> LiveJson:
    return LiveJson("live")


@router.get("/ready")
async def ready(runtime: Running, response: Response) -> ReadyJson:
    database, storage = await _database(runtime), await asyncio.to_thread(_storage, runtime)
    if database == storage == "ok":
        return ReadyJson("ready", database, storage)
    response.status_code = 503
    return ReadyJson("not ready", database, storage)


async def _database(runtime: Runtime) -> str:
    try:
        async with asyncio.timeout(DATABASE_ANSWERS_WITHIN_S), runtime.database.reading() as session:
            await accounts.count_pending(session)
    except TimeoutError:
        return "The database does not answer."
    except AppError as error:
        return str(error)
    return "ok"


def _storage(runtime: Runtime) -> str:
    try:
        runtime.storage.prepare()
        free = runtime.storage.free_bytes()
    except AppError as error:
        return error.title
    return "ok" if free > runtime.settings.free_space_reserve_bytes else "Uploads are refused: the disk is nearly full."
