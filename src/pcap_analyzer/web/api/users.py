"""Who the caller is, and for administrators who else there is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query

from pcap_analyzer.services import accounts
from pcap_analyzer.store import models, users
from pcap_analyzer.store.users import UserStatus
from pcap_analyzer.web.deps import Data, User

PAGE_SIZE = 50
MAX_PAGE_SIZE = 500
router = APIRouter(prefix="/api/v1/users")


@dataclass(frozen=True)
class UserJson:
    """One account; null is "not known". Times are ISO 8601 in UTC."""

    id: str
    username: str
    email: str
    role: str
    status: str  # pending, active, suspended, rejected
    is_active: bool
    is_approved: bool
    approved_by: str | None  # id; null: not approved, or by the command line, at creation, or by who is gone
    approved_at: datetime | None
    created_at: datetime
    last_login: datetime | None


@dataclass(frozen=True)
class UserListJson:
    users: list[UserJson]  # one page, in the order in which they asked
    total: int  # over all pages


@router.get("/me")
async def me(data: Data, user: User) -> UserJson:
    return user_json(await data.read(lambda session: accounts.profile(session, user.user_id)))


@router.get("")
async def listing(
    data: Data,
    status: UserStatus | None = None,
    page: Annotated[int, Query(ge=1, le=10**6)] = 1,
    size: Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE)] = PAGE_SIZE,
) -> UserListJson:
    found = await data.read(lambda session: accounts.listed(session, status, number=page, size=size))
    return UserListJson([user_json(user) for user in found.users], found.total)


def user_json(user: models.User) -> UserJson:
    return UserJson(
        id=user.id,
        username=user.username,
        email=user.email,
        role=user.role.value,
        status=users.status_of(user).value,
        is_active=user.is_active,
        is_approved=user.is_approved,
        approved_by=user.approved_by,
        approved_at=user.approved_at,
        created_at=user.created_at,
        last_login=user.last_login,
    )
