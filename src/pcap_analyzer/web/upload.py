"""A capture on its way in: streamed to disk, counted, recognised by its first bytes, whole or not at all."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

from fastapi import HTTPException, Request
from starlette.requests import ClientDisconnect

from pcap_analyzer.capture import formats
from pcap_analyzer.errors import AppError, CommitUnknown, LimitExceeded, NotACapture, StorageFull, UsageError
from pcap_analyzer.services import tasks
from pcap_analyzer.services.tasks import Received
from pcap_analyzer.storage import Part
from pcap_analyzer.store.session import AsyncSession
from pcap_analyzer.store.tasks import Viewer
from pcap_analyzer.web.deps import RequestDatabase
from pcap_analyzer.web.runtime import Runtime

WRITE_BYTES = 4 * 2**20
CHECK_SPACE_EVERY_BYTES = 64 * 2**20
DRAINED_BYTES = 64 * 2**20
DRAINED_S = 10.0
FINISH_S = 1.0  # well below the server's own grace


@dataclass(frozen=True)
class Announced:
    """What the sender says beforehand."""

    filename: str
    size_bytes: int | None  # Content-Length; None: chunked


async def receive(request: Request, runtime: Runtime, data: RequestDatabase, viewer: Viewer, filename: str) -> str:
    """Take the request's body as a capture of `viewer` and queue it; returns the task's id.

    Raises LimitExceeded, StorageFull, StorageUnavailable, NotACapture, UsageError for an empty file, and HTTPException
    400 when the length is not as announced or 503 when the service stops; nothing is left behind then.
    """
    announced = Announced(filename, _content_length(request))
    body = request.stream()
    try:
        return await take(body, announced, runtime, data, viewer)
    except ClientDisconnect:
        raise HTTPException(
            HTTPStatus.BAD_REQUEST, "The upload ended before the file was whole; nothing of it is kept."
        ) from None
    except (AppError, HTTPException):
        await _drain(body, runtime.stopping)
        raise


async def receive_file(path: Path, runtime: Runtime, data: RequestDatabase, viewer: Viewer) -> str:
    """Take a file of the server itself, the example, as if it had been uploaded."""

    async def body() -> AsyncIterator[bytes]:
        yield await asyncio.to_thread(path.read_bytes)

    return await take(body(), Announced(path.name, None), runtime, data, viewer)


async def take(
    body: AsyncIterator[bytes], announced: Announced, runtime: Runtime, data: RequestDatabase, viewer: Viewer
) -> str:
    """Store the bytes, then record the task; the capture is synced before the task exists."""
    _check_size(announced.size_bytes or 0, runtime)
    task_id = tasks.new_id()
    key = tasks.capture_key(task_id)
    part = runtime.storage.new_part()
    undo = True
    try:
        async with _ended_by(runtime.stopping):
            await _store(body, part, announced, runtime)
        await asyncio.to_thread(runtime.storage.keep_unconfirmed, part, key)
        await _record(data, viewer, Received(task_id, announced.filename, part.size))
        undo = False
    except (asyncio.CancelledError, CommitUnknown):
        undo = False  # whether the commit went through is not known: the note lets the next start decide
        raise
    finally:
        part.discard()
        if undo:
            runtime.storage.delete(key)
            runtime.storage.confirm(key)
    runtime.storage.confirm(key)
    runtime.dispatcher.wake()
    return task_id


async def _record(data: RequestDatabase, viewer: Viewer, received: Received) -> None:
    now = datetime.now(UTC)

    async def create(session: AsyncSession) -> bool:
        await tasks.create(session, viewer, received, now)
        return True

    async def landed(session: AsyncSession) -> bool | None:
        return await tasks.exists(session, received.task_id) or None

    await data.write(create, landed=landed)


@asynccontextmanager
async def _ended_by(stopping: asyncio.Event) -> AsyncIterator[None]:
    """Leave the block soon after the service is told to stop, even while nothing comes; raises HTTPException 503 then.

    What is nearly there comes to its end, so that a service can be replaced without anybody noticing.
    """

    async def expire() -> None:
        await stopping.wait()
        await asyncio.sleep(FINISH_S)
        limit.reschedule(asyncio.get_running_loop().time())

    try:
        async with asyncio.timeout(None) as limit:
            watching = asyncio.create_task(expire())
            try:
                yield
            finally:
                watching.cancel()
    except TimeoutError:
        raise HTTPException(
            HTTPStatus.SERVICE_UNAVAILABLE, "The service is being stopped; nothing of this upload is kept."
        ) from None


async def _store(body: AsyncIterator[bytes], part: Part, announced: Announced, runtime: Runtime) -> None:
    waiting = bytearray()
    received = checked = 0
    recognised = False
    async for chunk in body:
        waiting += chunk
        received += len(chunk)
        if announced.size_bytes is not None and received > announced.size_bytes:
            raise HTTPException(HTTPStatus.BAD_REQUEST, "More bytes came than Content-Length announced.")
        _check_limit(received, runtime)
        if not recognised and received >= formats.ENOUGH_BYTES:
            check_first_bytes(bytes(waiting))
            recognised = True
        if len(waiting) >= WRITE_BYTES:
            if part.size - checked >= CHECK_SPACE_EVERY_BYTES:
                _check_size(0, runtime)
                checked = part.size
            await _write(part, waiting)
            waiting = bytearray()
    if not received:
        raise UsageError("The file is empty.")
    if announced.size_bytes is not None and received < announced.size_bytes:
        raise HTTPException(
            HTTPStatus.BAD_REQUEST,
            f"Only {received:,} of {announced.size_bytes:,} bytes came; nothing of them is kept.",
        )
    if not recognised:
        check_first_bytes(bytes(waiting))
    await _write(part, waiting)


async def _write(part: Part, chunk: bytearray) -> None:
    """Write in a thread; who is cancelled meanwhile waits for the thread, because the part is closed next."""
    writing = asyncio.create_task(asyncio.to_thread(part.write, chunk))
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        await asyncio.wait([writing])
        raise


def check_first_bytes(first: bytes) -> None:
    """Refuse what is no capture, compressed or not; raises NotACapture with what it looks like."""
    if first.startswith(formats.GZIP):
        with suppress(zlib.error):  # a damaged archive is looked at by the analysis, which says where it ends
            stream = zlib.decompressobj(wbits=31)
            inner = stream.decompress(first, formats.ENOUGH_BYTES)
            # A long name in the header of the archive can leave too little of its content to judge.
            if stream.eof or len(inner) >= formats.PCAP_HEADER_BYTES:
                _recognise(inner, "In this gzip file: ")
        return
    _recognise(first, "")


def _recognise(first: bytes, where: str) -> None:
    try:
        formats.recognise(first[: formats.ENOUGH_BYTES])
    except NotACapture as error:
        raise NotACapture(f"{where}{error}") from None


def _content_length(request: Request) -> int | None:
    given = request.headers.get("content-length")
    if given is None:
        return None
    if not (given.isascii() and given.isdigit()):
        raise HTTPException(HTTPStatus.BAD_REQUEST, "Content-Length is no number.")
    return int(given)


def _check_size(coming: int, runtime: Runtime) -> None:
    """Refuse before or during the upload what would not fit."""
    _check_limit(coming, runtime)
    free = runtime.storage.free_bytes()
    if coming + runtime.settings.free_space_reserve_bytes > free:
        raise StorageFull(
            f"The server has {free / 1e9:.2f} GB free and keeps "
            f"{runtime.settings.free_space_reserve_bytes / 1e9:.2f} GB of them in reserve: this capture does not fit."
        )


def _check_limit(size: int, runtime: Runtime) -> None:
    if size > runtime.settings.max_upload_bytes:
        raise LimitExceeded(
            f"This capture is larger than the {runtime.settings.max_upload_bytes / 1e9:g} GB that this server takes."
        )


async def _drain(body: AsyncIterator[bytes], stopping: asyncio.Event) -> None:
    """Read on for a while and drop it: a sender that is still sending would see a reset instead of the answer."""
    size = 0
    with suppress(TimeoutError, ClientDisconnect, RuntimeError, HTTPException):
        async with asyncio.timeout(DRAINED_S), _ended_by(stopping):
            async for chunk in body:
                size += len(chunk)
                if size > DRAINED_BYTES:
                    return
