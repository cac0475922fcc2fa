"""A copy of the database that reads may go to, and how far behind it is."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from contextlib import suppress

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from pcap_analyzer.store.faults import DRIVER_ERRORS, sentence

LAG_LIMIT_S = 5.0
STICKY_S = 10.0
"""For so long after a write somebody's reads stay on the primary: the limit of the lag, and the gaps of its measure."""

SAMPLE_EVERY_S = 1.0
MEASURED_WITHIN_S = 2.0
FRESH_S = 3.0  # an older measure says nothing: whoever stopped answering cannot say so
SAMPLES = 600
log = logging.getLogger(__name__)


class Replica:
    """Compares how far the primary had written at a moment with how far the replica has replayed now.

    A clock of the replica's own would say "no lag" after it has lost its primary.
    """

    def __init__(self, engine: AsyncEngine, primary: AsyncEngine) -> None:
        self.engine, self._primary = engine, primary
        self._written: deque[tuple[float, int]] = deque(maxlen=SAMPLES)  # when, up to which byte of the log
        self._lag_s: float | None = None
        self._measured_at = 0.0
        self._watching: asyncio.Task[None] | None = None

    @property
    def lag_s(self) -> float | None:
        """Seconds behind the primary; None when that is not known."""
        return self._lag_s if time.monotonic() - self._measured_at < FRESH_S else None

    def keeps_up(self) -> bool:
        lag_s = self.lag_s
        return lag_s is not None and lag_s <= LAG_LIMIT_S

    def failed(self) -> None:
        """Somebody's read of it failed: until it is measured again, nobody else's has to."""
        self._lag_s = None

    def watch(self) -> None:
        """Begin to measure."""
        self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        reached = True
        while True:
            try:
                async with asyncio.timeout(MEASURED_WITHIN_S):
                    self._lag_s = await self.measure()
                self._measured_at = time.monotonic()
                reached = True
            except DRIVER_ERRORS as error:
                self._lag_s = None
                if reached:
                    log.warning("the replica is not read from: %s", sentence(error) or type(error).__name__)
                reached = False
            except Exception:
                self._lag_s = None
                log.exception("the replica could not be measured")
            await asyncio.sleep(SAMPLE_EVERY_S)

    async def measure(self) -> float | None:
        """Ask both once; seconds behind, or None while the replica is behind everything that was sampled."""
        async with self._primary.connect() as connection:
            now = time.monotonic()
            written = await connection.scalar(text("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn"))
        self._written.append((now, int(written)))
        async with self.engine.connect() as connection:
            replayed = await connection.scalar(text("SELECT pg_last_wal_replay_lsn() - '0/0'::pg_lsn"))
        if replayed is None:
            return None  # it is no replica
        reached = [when for when, position in self._written if position <= int(replayed)]
        return now - reached[-1] if reached else None

    async def close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching
        await self.engine.dispose()
