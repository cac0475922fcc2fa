"""One upgrade at a time: a lock file beside a SQLite database, an advisory lock of PostgreSQL.

Both are asked for again and again and never waited for inside the database: a session that waits there holds a
snapshot, for which CREATE INDEX CONCURRENTLY of the one that has the lock would wait in turn, and so for ever.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from pcap_analyzer.errors import DatabaseUnavailable, StorageUnavailable

log = logging.getLogger(__name__)

OnWait = Callable[[str], None]
PATIENCE_S = 900.0  # adoptions, and indexes of large tables, take their time
PAUSE_S = 0.1
TELL_EVERY_S = 5.0
#: "pcap" in ASCII: any number will do that no other program takes in this database.
ADVISORY_LOCK = 0x70636170


@asynccontextmanager
async def lock_file(path: Path, on_wait: OnWait | None = None) -> AsyncIterator[None]:
    """Hold an exclusive lock file; the kernel drops the lock with the process, whatever ends it.

    `on_wait`, or the log without it, hears every few seconds that another process has it. Raises StorageUnavailable,
    or DatabaseUnavailable when that one keeps it for `PATIENCE_S`.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StorageUnavailable(f"{path} cannot be written: {error.strerror}.") from error
    try:
        await _take(lambda: _try_file(descriptor), on_wait)
        yield
    finally:
        os.close(descriptor)


async def take_advisory_lock(connection: AsyncConnection, on_wait: OnWait | None = None) -> None:
    """Lock upgrades of this database for as long as the connection lives; it is in no transaction afterwards.

    It is the connection that migrates: should the client be killed, the server keeps the lock until the statement has
    ended that the client left behind.
    """

    async def try_it() -> bool:
        taken = await connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": ADVISORY_LOCK})
        await connection.commit()
        return bool(taken)

    await _take(try_it, on_wait)


async def _take(try_it: Callable[[], Awaitable[bool]], on_wait: OnWait | None) -> None:
    begun_s = time.monotonic()
    tell_at_s = begun_s + TELL_EVERY_S
    while not await try_it():
        now_s = time.monotonic()
        if now_s - begun_s > PATIENCE_S:
            raise DatabaseUnavailable(
                f"Another process has been upgrading this database for {PATIENCE_S:.0f} seconds: look what it does, "
                "and try again."
            )
        if now_s >= tell_at_s:
            what = f"another process is upgrading this database; waited for it for {now_s - begun_s:.0f} s"
            (on_wait or log.warning)(what)
            tell_at_s = now_s + TELL_EVERY_S
        await asyncio.sleep(PAUSE_S)


async def _try_file(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
