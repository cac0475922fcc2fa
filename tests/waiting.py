"""Waits for what another process or task does: the only thing to do is to look again."""

import asyncio
from collections.abc import Awaitable, Callable

PATIENCE_S = 60.0


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Look again until it holds; raises TimeoutError after a minute."""
    async with asyncio.timeout(PATIENCE_S):
        while not await holds():
            await asyncio.sleep(0.05)
