"""What routes ask for: the runtime, the database, who is asking."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeVar

from fastapi import Depends, Request

from pcap_analyzer.errors import NotAuthenticated
from pcap_analyzer.services import accounts
from pcap_analyzer.services.accounts import Identity
from pcap_analyzer.store.replica import STICKY_S
from pcap_analyzer.store.session import AsyncSession, Database, Work
from pcap_analyzer.store.tasks import Viewer
from pcap_analyzer.web.runtime import Runtime

T = TypeVar("T")


def get_runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


def get_identity(request: Request) -> Identity | None:
    """Who the gate recognised; None on public routes when it recognised nobody."""
    identity: Identity | None = request.state.identity
    return identity


def get_user(request: Request) -> Identity:
    identity = get_identity(request)
    if identity is None or not identity.is_active:
        raise NotAuthenticated("Log in to see this.")
    return identity


def get_viewer(request: Request) -> Viewer:
    user = get_user(request)
    return Viewer(user.user_id, user.is_admin)


@dataclass(frozen=True)
class RequestDatabase:
    """The database as one request uses it: pieces of work, each in a transaction of its own and repeatable."""

    database: Database
    identity: Identity | None

    async def read(self, work: Work[T]) -> T:
        """What holds at this moment, from the primary."""
        return await self.database.read(work)

    async def glance(self, work: Work[T]) -> T:
        """What may be a few seconds old, for lists and reports; who has just written sees their own writes."""
        return await self.database.read(work, may_lag=not self._has_just_written())

    async def write(self, work: Work[T], *, landed: Work[T | None] | None = None) -> T:
        """As `Database.write`; where there is a replica, it is noted in the same transaction who wrote and when."""
        if self.database.replica is None or self.identity is None:
            return await self.database.write(work, landed=landed)
        identity = self.identity

        async def noted(session: AsyncSession) -> T:
            result = await work(session)
            await accounts.note_write(session, identity, datetime.now(UTC))
            return result

        return await self.database.write(noted, landed=landed)

    def _has_just_written(self) -> bool:
        wrote_at = None if self.identity is None else self.identity.wrote_at
        return wrote_at is not None and datetime.now(UTC) - wrote_at < timedelta(seconds=STICKY_S)


def get_data(request: Request) -> RequestDatabase:
    return RequestDatabase(get_runtime(request).database, get_identity(request))


Running = Annotated[Runtime, Depends(get_runtime)]
Person = Annotated[Identity | None, Depends(get_identity)]
User = Annotated[Identity, Depends(get_user)]
Looking = Annotated[Viewer, Depends(get_viewer)]
Data = Annotated[RequestDatabase, Depends(get_data)]
