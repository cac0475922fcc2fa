"""From stranger to user: asking for access, the decision, and the one way in."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

from pcap_analyzer.errors import Conflict, Forbidden, NotFound
from pcap_analyzer.services import passwords
from pcap_analyzer.store import sessions, users
from pcap_analyzer.store.models import Role, User
from pcap_analyzer.store.session import AsyncSession
from pcap_analyzer.store.users import NewUser, Usage, UserStatus

IDLE = timedelta(hours=1)
ABSOLUTE = timedelta(hours=24)
TOUCH_EVERY = timedelta(minutes=1)
SETUP_LINK_LIFE = timedelta(hours=24)
MAX_REASON_CHARACTERS = 2000


@dataclass(frozen=True)
class Registration:
    """What somebody types who wants an account."""

    username: str
    email: str
    password: str
    reason: str = ""


@dataclass(frozen=True)
class Refusal:
    """Why a field of a registration is not taken."""

    field: str
    sentence: str


@dataclass(frozen=True)
class Identity:
    """Whose request this is, as the database says at this moment."""

    user_id: str
    username: str
    email: str
    role: Role
    status: UserStatus
    requested_at: datetime
    rejection_reason: str | None
    token_hash: str
    wrote_at: datetime | None = None  # kept where there is a replica, which may not show that write yet

    @property
    def is_active(self) -> bool:
        return self.status is UserStatus.ACTIVE

    @property
    def is_admin(self) -> bool:
        return self.is_active and self.role is Role.ADMIN


@dataclass(frozen=True)
class Standing:
    """What was decided about somebody's request."""

    status: UserStatus
    rejection_reason: str | None


@dataclass(frozen=True)
class Credentials:
    """What a login is checked against; both None for an account that does not exist."""

    user_id: str | None
    hashed_password: str | None


@dataclass(frozen=True)
class People:
    """What administrators see of accounts."""

    pending: Sequence[User]
    decided: Sequence[User]
    usage: dict[str, Usage]


def refusals(form: Registration) -> tuple[Refusal, ...]:
    """What is wrong with a registration, field by field; empty when nothing is."""
    found: list[Refusal] = []
    name, email = form.username.strip(), form.email.strip()
    if not 2 <= len(name) <= 50 or not name.isprintable() or "@" in name:
        found.append(Refusal("username", "The user name needs 2 to 50 characters, without @."))
    local, _, domain = email.partition("@")
    plain = email.isprintable() and " " not in email and "@" not in domain and len(email) <= 255
    if not (local and domain and plain):
        found.append(Refusal("email", "This is no e-mail address: write name@domain."))
    if len(form.reason) > MAX_REASON_CHARACTERS:
        found.append(Refusal("reason", f"The reason may have at most {MAX_REASON_CHARACTERS} characters."))
    weak = passwords.refusal(form.password, name, email, local)
    if weak:
        found.append(Refusal("password", weak))
    return tuple(found)


async def register(session: AsyncSession, form: Registration, hashed_password: str, now: datetime) -> str | None:
    """Queue somebody for approval; the id, or None when a name is taken, which the answer must not betray."""
    if await users.is_taken(session, form.username.strip(), form.email.strip()):
        return None
    new = _new_user(form, hashed_password, Role.USER, now)
    return (await users.add(session, new)).id


def receipt(user_id: str, hashed_password: str) -> str:
    """What a browser keeps of a request, to look again where it stands without a login; it opens nothing else.

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


async def nobody_can_log_in(session: AsyncSession) -> bool:
    """Whether the first administrator is still to be made."""
    return not await users.has_admin(session)


async def create_first_admin(
    session: AsyncSession, token: str, form: Registration, hashed_password: str, now: datetime
) -> str:
    """Spend the setup link on an administrator, who is approved at once; returns the id.

    Raises NotFound for a link that is not valid, Conflict when the names are taken.
    """
    if not await sessions.use_setup_link(session, digest(token), now) or await users.has_admin(session):
        raise NotFound("This setup link is no longer valid: start the service again, and it prints a new one.")
    if await users.is_taken(session, form.username.strip(), form.email.strip()):
        raise Conflict("An account with this name or address exists already.")
    return (await users.add(session, _new_user(form, hashed_password, Role.ADMIN, now))).id


def _new_user(form: Registration, hashed_password: str, role: Role, now: datetime) -> NewUser:
    return NewUser(
        username=form.username.strip(),
        email=form.email.strip().lower(),
        hashed_password=hashed_password,
        role=role,
        created_at=now,
        reason=form.reason.strip() or None,
    )


async def new_setup_link(session: AsyncSession, now: datetime) -> str | None:
    """The path that makes the first administrator, once; None when there is one. Earlier links become void."""
    if await users.has_admin(session):
        return None
    token = secrets.token_urlsafe(32)
    await sessions.replace_setup_link(session, token_hash=digest(token), now=now, expires_at=now + SETUP_LINK_LIFE)
    return f"/setup/{quote(token)}"


async def setup_link_is_valid(session: AsyncSession, token: str, now: datetime) -> bool:
    return await sessions.setup_link_is_valid(session, digest(token), now) and not await users.has_admin(session)


async def credentials(session: AsyncSession, login: str) -> Credentials:
    user = await users.by_login(session, login.strip())
    return Credentials(None, None) if user is None else Credentials(user.id, user.hashed_password)


async def rehash(session: AsyncSession, user_id: str, old: str, new: str) -> bool:
    """Store a better hash of the same password; False when somebody has changed the password since."""
    return await users.replace_hash(session, user_id, old, new)


async def complete_login(session: AsyncSession, user_id: str, now: datetime, *, old_token: str | None = None) -> str:
    """The one way in, whatever proved who it is: a new token, and the browser's old one becomes void.

    Who is not approved gets a session too: the gate lets it see where they stand and nothing else.
    """
    user = await users.by_id(session, user_id)
    if user is None:
        raise NotFound("This account no longer exists.")
    if old_token is not None:
        await sessions.end(session, digest(old_token))
    await sessions.sweep(session, now=now, seen_after=now - IDLE)
    token = secrets.token_urlsafe(32)
    await sessions.add(session, token_hash=digest(token), user_id=user.id, now=now, expires_at=now + ABSOLUTE)
    if users.status_of(user) is UserStatus.ACTIVE:
        await users.record_login(session, user.id, now)
    return token


async def identify(session: AsyncSession, token: str, now: datetime) -> tuple[Identity, bool] | None:
    """Whose token this is, and whether its session should be touched; None when it opens nothing."""
    found = await sessions.find(session, digest(token), now=now, seen_after=now - IDLE)
    if found is None:
        return None
    login, user = found
    identity = Identity(
        user_id=user.id,
        username=user.username,
        email=user.email,
        role=user.role,
        status=users.status_of(user),
        requested_at=user.created_at,
        rejection_reason=user.rejection_reason,
        token_hash=login.token_hash,
        wrote_at=login.wrote_at,
    )
    return identity, now - login.last_seen_at > TOUCH_EVERY


async def touch(session: AsyncSession, identity: Identity, now: datetime) -> None:
    """Note that somebody is still there."""
    await sessions.touch(session, identity.token_hash, now)


async def note_write(session: AsyncSession, identity: Identity, now: datetime) -> None:
    """Note that somebody has just changed something, so that no replica shows them how it was before."""
    await sessions.note_write(session, identity.token_hash, now)


async def log_out(session: AsyncSession, token: str) -> None:
    await sessions.end(session, digest(token))


async def people(session: AsyncSession) -> People:
    """Everybody, for administrators."""
    return People(await users.pending(session), await users.decided(session), await users.usage(session))


async def pending_person(session: AsyncSession, user_id: str) -> User:
    """Somebody who waits for approval; raises NotFound for anybody else."""
    user = await users.by_id(session, user_id)
    if user is None or users.status_of(user) is not UserStatus.PENDING:
        raise NotFound("Nobody with this id waits for approval.")
    return user


async def count_pending(session: AsyncSession) -> int:
    return await users.count_pending(session)


async def approve(session: AsyncSession, admin: Identity, user_id: str, now: datetime) -> User:
    """Let somebody in who waits; they log in anew, as what they may do has changed. Raises Conflict when decided."""
    _require_admin(admin)
    if not await users.approve(session, user_id, by=admin.user_id, at=now):
        raise await _undecidable(session, user_id)
    return await _decided(session, user_id)


async def reject(session: AsyncSession, admin: Identity, user_id: str, reason: str, now: datetime) -> User:
    """Decline somebody who waits, with words that they will read. Raises Conflict when decided already."""
    _require_admin(admin)
    kept = reason.strip()[:MAX_REASON_CHARACTERS] or None
    if not await users.reject(session, user_id, by=admin.user_id, at=now, reason=kept):
        raise await _undecidable(session, user_id)
    return await _decided(session, user_id)


def _require_admin(identity: Identity) -> None:
    if not identity.is_admin:
        raise Forbidden("Only administrators decide about access.")


async def _undecidable(session: AsyncSession, user_id: str) -> NotFound | Conflict:
    if await users.by_id(session, user_id) is None:
        return NotFound("There is no account with this id.")
    return Conflict("Somebody has already decided about this account.")


async def _decided(session: AsyncSession, user_id: str) -> User:
    await sessions.end_all_of(session, user_id)
    user = await users.by_id(session, user_id)
    if user is None:
        raise NotFound("There is no account with this id.")
    return user


def digest(token: str) -> str:
    """What is stored of a token: it has 256 random bits, so a plain hash cannot be guessed back."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
