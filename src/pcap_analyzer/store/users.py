"""Queries on accounts. Where somebody stands follows from `is_approved`, `is_active` and `rejected_at`."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from pcap_analyzer.store.models import Role, Task, User


class UserStatus(StrEnum):
    """pending -> active or rejected; active <-> suspended."""

    PENDING = "pending"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    REJECTED = "rejected"

    @property
    def word(self) -> str:
        """What people are shown: they decline a request, and nobody is rejected."""
        return "declined" if self is UserStatus.REJECTED else self.value


def status_of(user: User) -> UserStatus:
    if user.rejected_at is not None:
        return UserStatus.REJECTED
    if not user.is_approved:
        return UserStatus.PENDING
    return UserStatus.ACTIVE if user.is_active else UserStatus.SUSPENDED


_IS_PENDING = (User.is_approved.is_(False), User.rejected_at.is_(None))


@dataclass(frozen=True)
class NewUser:
    username: str
    email: str  # lower case
    hashed_password: str
    role: Role
    created_at: datetime
    reason: str | None = None


@dataclass(frozen=True)
class Usage:
    """What somebody keeps on the server."""

    task_count: int
    bytes: int


async def add(session: AsyncSession, new: NewUser) -> User:
    """Insert an account; an administrator who is created is approved at once."""
    admin = new.role is Role.ADMIN
    user = User(
        id=str(uuid.uuid4()),
        username=new.username,
        email=new.email,
        hashed_password=new.hashed_password,
        role=new.role,
        is_active=True,
        is_approved=admin,
        approved_at=new.created_at if admin else None,
        created_at=new.created_at,
        registration_reason=new.reason,
        password_must_change=False,
        is_2fa_enabled=False,
    )
    session.add(user)
    await session.flush()
    return user


async def by_id(session: AsyncSession, user_id: str) -> User | None:
    return await session.get(User, user_id)


async def by_login(session: AsyncSession, login: str) -> User | None:
    """The account of a user name or e-mail address, however it is capitalised."""
    wanted = login.lower()
    found = await session.scalars(
        select(User).where(or_(func.lower(User.username) == wanted, func.lower(User.email) == wanted)).limit(1)
    )
    return found.first()


async def is_taken(session: AsyncSession, username: str, email: str) -> bool:
    """Whether either name already leads to an account; each is looked up in both columns, as a login is."""
    wanted = [username.lower(), email.lower()]
    found = await session.scalars(
        select(User.id).where(or_(func.lower(User.username).in_(wanted), func.lower(User.email).in_(wanted))).limit(1)
    )
    return found.first() is not None


async def has_admin(session: AsyncSession) -> bool:
    """Whether an administrator exists who could let others in."""
    found = await session.scalars(
        select(User.id).where(User.role == Role.ADMIN, User.is_approved.is_(True), User.is_active.is_(True)).limit(1)
    )
    return found.first() is not None


async def pending(session: AsyncSession) -> Sequence[User]:
    """Who waits for approval, the longest wait first."""
    return (await session.scalars(select(User).where(*_IS_PENDING).order_by(User.created_at, User.id))).all()


async def count_pending(session: AsyncSession) -> int:
    return await session.scalar(select(func.count()).select_from(User).where(*_IS_PENDING)) or 0


async def decided(session: AsyncSession) -> Sequence[User]:
    """Everybody about whom an administrator has decided, by name."""
    decided_on = or_(User.is_approved.is_(True), User.rejected_at.is_not(None))
    return (await session.scalars(select(User).where(decided_on).order_by(User.username))).all()


async def usage(session: AsyncSession) -> dict[str, Usage]:
    """Tasks and bytes of captures by owner; owners of nothing are left out."""
    rows = await session.execute(
        select(Task.owner_id, func.count(Task.task_id), func.coalesce(func.sum(Task.file_size_bytes), 0))
        .where(Task.owner_id.is_not(None))
        .group_by(Task.owner_id)
    )
    return {str(owner): Usage(count, int(size or 0)) for owner, count, size in rows}


async def approve(session: AsyncSession, user_id: str, *, by: str, at: datetime) -> bool:
    """Let a waiting account in; False when it no longer waits."""
    result = await session.execute(
        update(User)
        .where(User.id == user_id, *_IS_PENDING)
        .values(is_approved=True, approved_by=by, approved_at=at)
        .returning(User.id)
    )
    return result.first() is not None


async def reject(session: AsyncSession, user_id: str, *, by: str, at: datetime, reason: str | None) -> bool:
    """Decline a waiting account; False when it no longer waits."""
    result = await session.execute(
        update(User)
        .where(User.id == user_id, *_IS_PENDING)
        .values(rejected_by=by, rejected_at=at, rejection_reason=reason)
        .returning(User.id)
    )
    return result.first() is not None


async def record_login(session: AsyncSession, user_id: str, at: datetime) -> None:
    await session.execute(update(User).where(User.id == user_id).values(last_login=at))


async def replace_hash(session: AsyncSession, user_id: str, old: str, new: str) -> bool:
    """Another hash of the same password; False when the account is gone or no longer has the old one."""
    result = await session.execute(
        update(User)
        .where(User.id == user_id, User.hashed_password == old)
        .values(hashed_password=new)
        .returning(User.id)
    )
    return result.first() is not None
