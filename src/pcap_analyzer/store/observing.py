"""Names queries for whoever measures them: each query function reports how long it took to its session's observer."""

from __future__ import annotations

import functools
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

P = ParamSpec("P")
T = TypeVar("T")


class Observer(Protocol):
    """Who keeps the figures of a database; called on the event loop."""

    def queried(self, name: str, seconds: float) -> None:
        """A query function, `tasks.finished`, took that long."""

    def waited(self, seconds: float) -> None:
        """A transaction waited that long for a connection of the pool."""

    def retried(self, why: str) -> None:
        """A transaction is run again; `why` is an SQLSTATE or SQLite's name of the error."""


class Nobody:
    """Keeps nothing."""

    def queried(self, name: str, seconds: float) -> None: ...

    def waited(self, seconds: float) -> None: ...

    def retried(self, why: str) -> None: ...


def named(
    query: Callable[Concatenate[AsyncSession, P], Awaitable[T]],
) -> Callable[Concatenate[AsyncSession, P], Coroutine[None, None, T]]:
    """Report each call of a query function as `module.function`."""
    name = f"{query.__module__.rpartition('.')[2]}.{query.__name__}"

    @functools.wraps(query)
    async def measured(session: AsyncSession, /, *args: P.args, **kwargs: P.kwargs) -> T:
        began = time.perf_counter()
        try:
            return await query(session, *args, **kwargs)
        finally:
            observer: Observer | None = session.info.get("observer")
            if observer is not None:
                observer.queried(name, time.perf_counter() - began)

    return measured
