"""Queries on login sessions and setup links; both are found by the SHA-256 of their token."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from pcap_analyzer.store.models import LoginSession, SetupLink, User
from pcap_analyzer.store.observing import named


@named
async def add(session: AsyncSession, *, token_hash: str, user_id: str, now: datetime, expires_at: datetime) -> None:
    session.add(
        LoginSession(
            id=str(uuid.uuid4()),
            token_hash=token_hash,
            user_id=user_id,
            created_at=now,
            last_seen_at=now,
            expires_at=expires_at,
            wrote_at=now,  # and perhaps more, in a session that is over
        )
    )
    await session.flush()


@dataclass(frozen=True)
class Found:
    """An open session, and whose it is."""

    login: LoginSession
    user: User
    wrote_at: datetime | None  # when they last changed something, in whichever of their sessions


@named
async def find(session: AsyncSession, token_hash: str, *, now: datetime, seen_after: datetime) -> Found | None:
    """The open session of a token and its user: neither expired nor idle since before `seen_after`."""
    any_of_theirs = aliased(LoginSession)
    newest = select(func.max(any_of_theirs.wrote_at)).where(any_of_theirs.user_id == User.id).scalar_subquery()
    found = await session.execute(
        select(LoginSession, User, newest)
        .join(User, User.id == LoginSession.user_id)
        .where(
            LoginSession.token_hash == token_hash,
            LoginSession.expires_at > now,
            LoginSession.last_seen_at > seen_after,
        )
    )
    row = found.first()
    return None if row is None else Found(*row)


@named
async def touch(session: AsyncSession, token_hash: str, now: datetime) -> None:
    await session.execute(update(LoginSession).where(LoginSession.token_hash == token_hash).values(last_seen_at=now))


@named
async def note_write(session: AsyncSession, token_hash: str, now: datetime) -> None:
    await session.execute(update(LoginSession).where(LoginSession.token_hash == token_hash).values(wrote_at=now))


@named
async def end(session: AsyncSession, token_hash: str) -> None:
    await session.execute(delete(LoginSession).where(LoginSession.token_hash == token_hash))


@named
async def end_all_of(session: AsyncSession, user_id: str) -> None:
    await session.execute(delete(LoginSession).where(LoginSession.user_id == user_id))


@named
async def sweep(session: AsyncSession, *, now: datetime, seen_after: datetime) -> None:
    """Remove what `find` would no longer find."""
    over = or_(LoginSession.expires_at <= now, LoginSession.last_seen_at <= seen_after)
    await session.execute(delete(LoginSession).where(over))


@named
async def add_setup_link(session: AsyncSession, *, token_hash: str, now: datetime, expires_at: datetime) -> None:
    """Make another setup link, beside those of other processes that are valid; the others go."""
    await session.execute(delete(SetupLink).where(or_(SetupLink.used_at.is_not(None), SetupLink.expires_at <= now)))
    session.add(SetupLink(id=str(uuid.uuid4()), token_hash=token_hash, created_at=now, expires_at=expires_at))
    await session.flush()


@named
async def setup_link_is_valid(session: AsyncSession, token_hash: str, now: datetime) -> bool:
    found = await session.scalars(
        select(SetupLink.id).where(
            SetupLink.token_hash == token_hash, SetupLink.used_at.is_(None), SetupLink.expires_at > now
        )
    )
    return found.first() is not None


@named
async def use_setup_link(session: AsyncSession, token_hash: str, now: datetime) -> bool:
    """Spend a setup link, and every other one with it; False when it is not valid, or no longer.

    All of them are one compare-and-swap: whoever spends another one at the same moment waits, and finds none left.
    """
    shown = aliased(SetupLink)
    is_valid = exists().where(shown.token_hash == token_hash, shown.used_at.is_(None), shown.expires_at > now)
    spent = await session.execute(
        update(SetupLink)
        .where(SetupLink.used_at.is_(None), is_valid)
        .values(used_at=now)
        .returning(SetupLink.token_hash)
        .execution_options(synchronize_session=False)
    )
    return token_hash in spent.scalars().all()
