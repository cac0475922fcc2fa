"""What a browser keeps of a request for access, to look again where it stands without a login."""

from __future__ import annotations

import hmac
import secrets
import uuid
from dataclasses import dataclass

from pcap_analyzer.errors import NotFound
from pcap_analyzer.services.accounts import Identity
from pcap_analyzer.store import users
from pcap_analyzer.store.session import AsyncSession
from pcap_analyzer.store.users import UserStatus


@dataclass(frozen=True)
class Standing:
    """What was decided about somebody's request."""

    status: UserStatus
    rejection_reason: str | None


def receipt(user_id: str, hashed_password: str) -> str:
    """It opens nothing else.

    It needs no secret of its own: the salted hash of the password never leaves the server.
    """
    return f"{user_id}.{hmac.new(hashed_password.encode(), user_id.encode(), 'sha256').hexdigest()}"


async def receipt_of(session: AsyncSession, identity: Identity) -> str:
    """The receipt of somebody who is logged in; raises NotFound when the account is gone."""
    user = await users.by_id(session, identity.user_id)
    if user is None:
        raise NotFound("This account no longer exists.")
    return receipt(user.id, user.hashed_password)


def empty_receipt() -> str:
    """Looks like a receipt, for a request that was dropped because a name is taken."""
    return f"{uuid.uuid4()}.{secrets.token_hex(32)}"


async def standing(session: AsyncSession, shown: str) -> Standing | None:
    """Where the request of a receipt stands; None for one that leads nowhere."""
    user = await users.by_id(session, shown.partition(".")[0])
    if user is None or not hmac.compare_digest(receipt(user.id, user.hashed_password).encode(), shown.encode()):
        return None
    return Standing(users.status_of(user), user.rejection_reason)
