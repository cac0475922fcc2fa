"""Queries on login sessions and setup links; both are found by the SHA-256 of their token."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from pcap_analyzer.store.models import LoginSession, SetupLink, User


async def add(session: AsyncSession, *, token_hash: str, user_id: str, now: datetime, expires_at: datetime) -> None:
    session.add(
        LoginSession(
            id=str(uuid.uuid4()),
            token_hash=token_hash,
            user_id=user_id,
            created_at=now,
            last_seen_at=now,
            expires_at=expires_at,
        )
    )
    await session.flush()


async def find(
    session: AsyncSession, token_hash: str, *, now: datetime, seen_after: datetime
) -> tuple[LoginSession, User] | None:
    """The open session of a token and its user: neither expired nor idle since before `seen_after`."""
    found = await session.execute(
        select(LoginSession, User)
        .join(User, User.id == LoginSession.user_id)
        .where(
            LoginSession.token_hash == token_hash,
            LoginSession.expires_at > now,
            LoginSession.last_seen_at > seen_after,
        )
    )
    row = found.first()
    return None if row is None else (row[0], row[1])


async def touch(session: AsyncSession, token_hash: str, now: datetime) -> None:
    await session.execute(update(LoginSession).where(LoginSession.token_hash == token_hash).values(last_seen_at=now))


async def note_write(session: AsyncSession, token_hash: str, now: datetime) -> None:
    await session.execute(update(LoginSession).where(LoginSession.token_hash == token_hash).values(wrote_at=now))


async def end(session: AsyncSession, token_hash: str) -> None:
    await session.execute(delete(LoginSession).where(LoginSession.token_hash == token_hash))


async def end_all_of(session: AsyncSession, user_id: str) -> None:
    await session.execute(delete(LoginSession).where(LoginSession.user_id == user_id))


async def sweep(session: AsyncSession, *, now: datetime, seen_after: datetime) -> None:
    """Remove what `find` would no longer find."""
    over = or_(LoginSession.expires_at <= now, LoginSession.last_seen_at <= seen_after)
    await session.execute(delete(LoginSession).where(over))


async def replace_setup_link(session: AsyncSession, *, token_hash: str, now: datetime, expires_at: datetime) -> None:
    """Make one setup link valid and every earlier one void."""
    await session.execute(delete(SetupLink))
    session.add(SetupLink(id=str(uuid.uuid4()), token_hash=token_hash, created_at=now, expires_at=expires_at))
    await session.flush()


async def setup_link_is_valid(session: AsyncSession, token_hash: str, now: datetime) -> bool:
    found = await session.scalars(
        select(SetupLink.id).where(
            SetupLink.token_hash == token_hash, SetupLink.used_at.is_(None), SetupLink.expires_at > now
        )
    )
    return found.first() is not None


async def use_setup_link(session: AsyncSession, token_hash: str, now: datetime) -> bool:
    """Spend a setup link; False when it is not valid, or no longer."""
    result = await session.execute(
        update(SetupLink)
        .where(SetupLink.token_hash == token_hash, SetupLink.used_at.is_(None), SetupLink.expires_at > now)
        .values(used_at=now)
        .returning(SetupLink.id)
    )
    return result.first() is not None
