"""The lock on the data folder: `serve.lock`, dropped by the kernel with the process, whatever ends it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from pcap_analyzer.errors import StorageUnavailable, UsageError

PATIENCE_S = 15.0
PAUSE_S = 0.05


@contextmanager
def alone_on(folder: Path) -> Iterator[None]:
    """Keep every other service off the folder; raises UsageError when one is there."""
    descriptor = _open(folder)
    try:
        if not _try(descriptor, fcntl.LOCK_EX):
            raise _refusal(folder)
        yield
    finally:
        os.close(descriptor)


@asynccontextmanager
async def together_on(folder: Path, tidy: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Share the folder with other services of the same database; who comes to an empty one calls `tidy` first.

    `tidy` may remove what ended services left, because nobody works here before it is done. Raises UsageError when a
    service has the folder for itself.
    """
    descriptor = _open(folder)
    try:
        if _try(descriptor, fcntl.LOCK_EX):
            await tidy()
        deadline = time.monotonic() + PATIENCE_S  # another one may be tidying
        while not _try(descriptor, fcntl.LOCK_SH):
            if time.monotonic() > deadline:
                raise _refusal(folder)
            await asyncio.sleep(PAUSE_S)
        yield
    finally:
        os.close(descriptor)


def _open(folder: Path) -> int:
    path = folder / "serve.lock"
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StorageUnavailable(f"{path} cannot be written: {error.strerror}.") from error


def _try(descriptor: int, kind: int) -> bool:
    """Change the lock to another kind, if nobody is in the way."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _refusal(folder: Path) -> UsageError:
    return UsageError(
        f"Another service already runs on the data folder {folder}. "
        "Stop it first, or name another folder with --data-dir or DATA_DIR."
    )
