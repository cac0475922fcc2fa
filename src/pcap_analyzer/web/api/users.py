"""Who the caller is."""

from dataclasses import dataclass

from fastapi import APIRouter

from pcap_analyzer.web.deps import User

router = APIRouter(prefix="/api/v1/users")


@dataclass(frozen=True)
class MeJson:
    id: str
    username: str
    email: str
    role: str


@router.get("/me")
async def me(user: User) -> MeJson:
    return MeJson(user.user_id, user.username, user.email, user.role.value)
