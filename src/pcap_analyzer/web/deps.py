"""What routes ask for: the runtime, a session, who is asking."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request

from pcap_analyzer.errors import NotAuthenticated
from pcap_analyzer.services.accounts import Identity
from pcap_analyzer.store.session import AsyncSession
from pcap_analyzer.store.tasks import Viewer
from pcap_analyzer.web.runtime import Runtime


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


async def get_reading(request: Request) -> AsyncIterator[AsyncSession]:
    async with get_runtime(request).database.reading() as session:
        yield session


async def get_writing(request: Request) -> AsyncIterator[AsyncSession]:
    async with get_runtime(request).database.transaction() as session:
        yield session


Running = Annotated[Runtime, Depends(get_runtime)]
Person = Annotated[Identity | None, Depends(get_identity)]
User = Annotated[Identity, Depends(get_user)]
Looking = Annotated[Viewer, Depends(get_viewer)]
# scope="function": the transaction ends before the answer is sent, so that no failing commit is answered with 200.
Reading = Annotated[AsyncSession, Depends(get_reading, scope="function")]
Writing = Annotated[AsyncSession, Depends(get_writing, scope="function")]
