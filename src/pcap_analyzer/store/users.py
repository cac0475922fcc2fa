"""Queries on accounts. Where somebody stands follows from `is_approved`, `is_active` and `rejected_at`."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ColumnElement, Select, and_, case, cast, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from pcap_analyzer.errors import Conflict
from pcap_analyzer.store.faults import is_duplicate
from pcap_analyzer.store.models import Role, Task, TaskStatus, User
from pcap_analyzer.store.observing import named
from pcap_analyzer.store.types import safe_text

#: Key of PostgreSQL's advisory lock for whoever makes an account or takes an administrator away.
TURNS = 0x70636170_75736572
TAKEN = "An account with this name or address exists already."


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
_IS_ACTIVE = (User.is_approved.is_(True), User.rejected_at.is_(None), User.is_active.is_(True))
_IS_SUSPENDED = (User.is_approved.is_(True), User.rejected_at.is_(None), User.is_active.is_(False))
_STANDING: dict[UserStatus, tuple[ColumnElement[bool], ...]] = {
    UserStatus.PENDING: _IS_PENDING,
    UserStatus.ACTIVE: _IS_ACTIVE,
    UserStatus.SUSPENDED: _IS_SUSPENDED,
    UserStatus.REJECTED: (User.rejected_at.is_not(None),),
}


@dataclass(frozen=True)
class NewUser:
    username: str
    email: str  # lower case
    hashed_password: str
    role: Role
    created_at: datetime
    reason: str | None = None


@dataclass(frozen=True)
class UserPage:
    users: Sequence[User]
    total: int  # over all pages


@dataclass(frozen=True)
class Usage:
    """What somebody keeps on the server."""

    task_count: int
    bytes: int


@dataclass(frozen=True)
class Unenforced:
    """People of whom an older release asked more than their password."""

    second_factors: int
    new_passwords: int


@named
async def take_turns(session: AsyncSession) -> None:
    """Until the end of the transaction nobody else makes an account or takes an administrator away.

    No index can tell that a name is another one's address, or that an administrator is the last one. On SQLite
    whoever writes is alone already.
    """
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(select(func.pg_advisory_xact_lock(cast(TURNS, BigInteger))))


@named
async def add(session: AsyncSession, new: NewUser) -> User:
    """Insert an account; an administrator who is created is approved at once.

    Raises Conflict when either name is taken, however it is capitalised.
    """
    await take_turns(session)
    if await is_taken(session, new.username, new.email):
        raise Conflict(TAKEN)
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
    try:
        async with session.begin_nested():  # the transaction of whoever asks goes on
            session.add(user)
    except IntegrityError as error:
        if is_duplicate(error):  # of a process of another release, which takes no turns
            raise Conflict(TAKEN) from error
        raise
    return user


@named
async def by_id(session: AsyncSession, user_id: str) -> User | None:
    return await session.get(User, user_id)


@named
async def by_login(session: AsyncSession, login: str) -> User | None:
    """The account of a user name or e-mail address, as it is written or else however it is capitalised.

    Adopted databases may hold names that differ by that alone: such a one is found only as it is written.
    """
    as_written = or_(User.username == login, User.email == login)
    # An address that somebody else took for a user name, in an older release, leads to whose address it is.
    found = await session.scalars(select(User).where(as_written).order_by(case((User.email == login, 0), else_=1)))
    user = found.first()
    if user is not None:
        return user
    wanted = func.lower(safe_text(login))  # by the database's own idea of letters, as the columns are
    alike = or_(func.lower(User.username) == wanted, func.lower(User.email) == wanted)
    users = (await session.scalars(select(User).where(alike).limit(2))).all()
    return users[0] if len(users) == 1 else None


@named
async def is_taken(session: AsyncSession, username: str, email: str) -> bool:
    """Whether either name already leads to an account; each is looked up in both columns, as a login is."""
    wanted = [func.lower(safe_text(username)), func.lower(safe_text(email))]
    alike = or_(func.lower(User.username).in_(wanted), func.lower(User.email).in_(wanted))
    as_written = or_(User.username.in_([username, email]), User.email.in_([username, email]))
    found = await session.scalars(select(User.id).where(or_(alike, as_written)).limit(1))
    return found.first() is not None


@named
async def has_admin(session: AsyncSession) -> bool:
    """Whether an administrator exists who could let others in."""
    found = await session.scalars(select(User.id).where(User.role == Role.ADMIN, *_IS_ACTIVE).limit(1))
    return found.first() is not None


@named
async def has_admin_besides(session: AsyncSession, user_id: str) -> bool:
    """Whether an administrator would be left without that one."""
    others = select(User.id).where(User.role == Role.ADMIN, User.id != user_id, *_IS_ACTIVE).limit(1)
    return (await session.scalars(others)).first() is not None


@named
async def pending(session: AsyncSession) -> Sequence[User]:
    """Who waits for approval, the longest wait first."""
    return (await session.scalars(select(User).where(*_IS_PENDING).order_by(User.created_at, User.id))).all()


@named
async def count_pending(session: AsyncSession) -> int:
    return await session.scalar(select(func.count()).select_from(User).where(*_IS_PENDING)) or 0


@named
async def decided(session: AsyncSession) -> Sequence[User]:
    """Everybody about whom an administrator has decided, by name."""
    decided_on = or_(User.is_approved.is_(True), User.rejected_at.is_not(None))
    return (await session.scalars(select(User).where(decided_on).order_by(User.username))).all()


@named
async def everybody(session: AsyncSession, status: UserStatus | None = None) -> Sequence[User]:
    """All accounts, or those of one status, in the order in which they asked."""
    return (await session.scalars(_of(status).order_by(User.created_at, User.id))).all()


@named
async def page(session: AsyncSession, status: UserStatus | None, *, number: int, size: int) -> UserPage:
    """One page of accounts, in the order in which they asked; `number` counts from 1."""
    matching = _of(status)
    total = await session.scalar(select(func.count()).select_from(matching.subquery())) or 0
    listed = matching.order_by(User.created_at, User.id).offset((number - 1) * size).limit(size)
    return UserPage((await session.scalars(listed)).all(), total)


def _of(status: UserStatus | None) -> Select[User]:
    return select(User) if status is None else select(User).where(*_STANDING[status])


@named
async def unenforced(session: AsyncSession) -> Unenforced:
    """How many of those who can log in have what an older release asked for and this one does not."""
    asked_for = (User.is_2fa_enabled, User.password_must_change)
    counts = (func.coalesce(func.sum(case((column.is_(True), 1), else_=0)), 0) for column in asked_for)
    found = await session.execute(select(*counts).where(*_IS_ACTIVE))
    return Unenforced(*found.one())


@named
async def names(session: AsyncSession, user_ids: Sequence[str]) -> dict[str, str]:
    """User names by id, of those who are there."""
    if not user_ids:
        return {}
    rows = await session.execute(select(User.id, User.username).where(User.id.in_(user_ids)))
    return {user_id: username for user_id, username in rows}  # noqa: C416 - rows, not tuples


@named
async def usage(session: AsyncSession) -> dict[str, Usage]:
    """Tasks and bytes of captures that are kept, by owner; owners of nothing are left out."""
    is_kept = and_(Task.capture_key.is_not(None), Task.status != TaskStatus.EXPIRED)
    size = func.sum(case((is_kept, Task.file_size_bytes), else_=0))
    rows = await session.execute(
        select(Task.owner_id, func.count(Task.task_id), size).where(Task.owner_id.is_not(None)).group_by(Task.owner_id)
    )
    return {str(owner): Usage(count, int(size or 0)) for owner, count, size in rows}


@named
async def approve(session: AsyncSession, user_id: str, *, by: str | None, at: datetime) -> User | None:
    """pending -> active; None when the account does not wait. `by` is None for the command line."""
    values = {"is_approved": True, "approved_by": by, "approved_at": at, "is_active": True}
    return await _move(session, user_id, UserStatus.PENDING, **values)


@named
async def reject(
    session: AsyncSession, user_id: str, *, by: str | None, at: datetime, reason: str | None
) -> User | None:
    """pending -> rejected; None when the account does not wait. `by` is None for the command line."""
    return await _move(session, user_id, UserStatus.PENDING, rejected_by=by, rejected_at=at, rejection_reason=reason)


@named
async def suspend(session: AsyncSession, user_id: str) -> User | None:
    """active -> suspended; None when the account is not active."""
    return await _move(session, user_id, UserStatus.ACTIVE, is_active=False)


@named
async def restore(session: AsyncSession, user_id: str) -> User | None:
    """suspended -> active; None when the account is not suspended."""
    return await _move(session, user_id, UserStatus.SUSPENDED, is_active=True)


async def _move(
    session: AsyncSession, user_id: str, since: UserStatus, **values: str | datetime | bool | None
) -> User | None:
    """One compare-and-swap: of two who decide at once, on whichever database, the second changes nothing."""
    moved = await session.scalars(
        update(User)
        .where(User.id == user_id, *_STANDING[since])
        .values(**values)
        .returning(User)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    return moved.first()


@named
async def record_login(session: AsyncSession, user_id: str, at: datetime) -> None:
    await session.execute(update(User).where(User.id == user_id).values(last_login=at))


@named
async def replace_hash(session: AsyncSession, user_id: str, old: str, new: str) -> bool:
    """Another hash of the same password; False when the account is gone or no longer has the old one."""
    result = await session.execute(
        update(User)
        .where(User.id == user_id, User.hashed_password == old)
        .values(hashed_password=new)
        .returning(User.id)
    )
    return result.first() is not None
