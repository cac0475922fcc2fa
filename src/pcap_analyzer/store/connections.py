"""A connection of its own for migrations and other commands, on either database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from pcap_analyzer.store.engines import EngineOptions, service_engine, tool_engine
from pcap_analyzer.store.faults import database_errors
from pcap_analyzer.store.urls import DatabaseUrl

T = TypeVar("T")


@asynccontextmanager
async def tool_connection(url: DatabaseUrl, purpose: str) -> AsyncIterator[AsyncConnection]:
    """A connection that is closed for good at the end; `purpose` is what the server lists it as.

    Raises DatabaseUnavailable or StorageFull for what the database says about itself.
    """
    async with _only_connection(tool_engine(url, purpose), url) as connection:
        yield connection


@asynccontextmanager
async def service_connection(url: DatabaseUrl, options: EngineOptions) -> AsyncIterator[AsyncConnection]:
    """A connection as the service has them, to look what they are like; raises what `tool_connection` does."""
    async with _only_connection(service_engine(url, options), url) as connection:
        yield connection


@asynccontextmanager
async def _only_connection(engine: AsyncEngine, url: DatabaseUrl) -> AsyncIterator[AsyncConnection]:
    try:
        with database_errors(url.shown):
            async with engine.connect() as connection:
                yield connection
    finally:
        await engine.dispose()


async def on_connection(url: DatabaseUrl, purpose: str, work: Callable[[Connection], T]) -> T:
    """The result of `work`, which is written as if the driver were synchronous; what it leaves open is rolled back."""
    async with tool_connection(url, purpose) as connection:
        return await connection.run_sync(work)
