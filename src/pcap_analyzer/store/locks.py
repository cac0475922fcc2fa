"""One upgrade at a time: a lock file beside a SQLite database, an advisory lock of PostgreSQL.

Both are asked for again and again and never waited for inside the database: a session that waits there holds a
snapshot, for which CREATE INDEX CONCURRENTLY of the one that has the lock would wait in turn, and so for ever.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from pcap_analyzer.errors import DatabaseUnavailable, StorageUnavailable

FILE_PATIENCE_S = 60.0
SERVER_PATIENCE_S = 900.0  # indexes of large tables take their time
PAUSE_S = 0.1
#: "pcap" in ASCII: any number will do that no other program takes in this database.
ADVISORY_LOCK = 0x70636170


@asynccontextmanager
async def lock_file(path: Path) -> AsyncIterator[None]:
    """Hold an exclusive lock file; the kernel drops the lock with the process, whatever ends it.

    Raises StorageUnavailable, or DatabaseUnavailable when another process keeps the lock for a minute.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StorageUnavailable(f"{path} cannot be written: {error.strerror}.") from error
    try:
        await _take(lambda: _try_file(descriptor), FILE_PATIENCE_S)
        yield
    finally:
        os.close(descriptor)


async def take_advisory_lock(connection: AsyncConnection) -> None:
    """Lock upgrades of this database for as long as the connection lives; it is in no transaction afterwards.

    It is the connection that migrates: should the client be killed, the server keeps the lock until the statement has
    ended that the client left behind.
    """

    async def try_it() -> bool:
        taken = await connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": ADVISORY_LOCK})
        await connection.commit()
        return bool(taken)

    await _take(try_it, SERVER_PATIENCE_S)


async def _take(try_it: Callable[[], Awaitable[bool]], patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while not await try_it():
        if time.monotonic() > deadline:
            raise DatabaseUnavailable(
                f"Another process has been upgrading this database for {patience_s:.0f} seconds: look what it does, "
                "and try again."
            )
        await asyncio.sleep(PAUSE_S)


async def _try_file(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
