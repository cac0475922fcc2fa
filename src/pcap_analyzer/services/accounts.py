"""From stranger to user: asking for access, the decision, and the one way in."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

from pcap_analyzer.errors import Conflict, Forbidden, NotFound
from pcap_analyzer.services import passwords
from pcap_analyzer.store import audit, outbox, sessions, users
from pcap_analyzer.store.audit import NewEntry
from pcap_analyzer.store.models import AuditAction, OutboxKind, Role, User
from pcap_analyzer.store.session import AsyncSession
from pcap_analyzer.store.users import NewUser, Unenforced, Usage, UserPage, UserStatus

IDLE = timedelta(hours=1)
ABSOLUTE = timedelta(hours=24)
TOUCH_EVERY = timedelta(minutes=1)
SETUP_LINK_LIFE = timedelta(hours=24)
MAX_REASON_CHARACTERS = 2000
MESSAGES = {
    AuditAction.USER_APPROVED: OutboxKind.ACCESS_APPROVED,
    AuditAction.USER_REJECTED: OutboxKind.ACCESS_REJECTED,
    AuditAction.USER_SUSPENDED: OutboxKind.ACCESS_SUSPENDED,
    AuditAction.USER_RESTORED: OutboxKind.ACCESS_RESTORED,
}


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
    wrote_at: datetime | None = None  # in any of their sessions: a replica may not show that write yet

    @property
    def is_active(self) -> bool:
        return self.status is UserStatus.ACTIVE

    @property
    def is_admin(self) -> bool:
        return self.is_active and self.role is Role.ADMIN


@dataclass(frozen=True)
class Unnamed:
    """Who acts without an account, as the audit log calls them."""

    username: str
    user_id: None = None


COMMAND_LINE = Unnamed("command line")
SETUP_LINK = Unnamed("setup link")
#: Who decides. Somebody on the command line of the server could change the database in any case.
Actor = Identity | Unnamed


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
    deciders: dict[str, str]  # user names by id, of who decided


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
    try:
        user = await users.add(session, _new_user(form, hashed_password, Role.USER, now))
    except Conflict:
        return None
    await _note(session, Unnamed(user.username), user, _Change(AuditAction.USER_CREATED, now))
    return user.id


async def create_admin(
    session: AsyncSession, actor: Actor, form: Registration, hashed_password: str, now: datetime
) -> User:
    """Make an administrator, who is approved at once. Raises Forbidden, or Conflict when a name is taken."""
    _require_admin(actor)
    user = await users.add(session, _new_user(form, hashed_password, Role.ADMIN, now))
    await _note(session, actor, user, _Change(AuditAction.USER_CREATED, now))
    await _note(session, actor, user, _Change(AuditAction.USER_APPROVED, now))
    return user


async def nobody_can_log_in(session: AsyncSession) -> bool:
    """Whether the first administrator is still to be made."""
    return not await users.has_admin(session)


async def create_first_admin(
    session: AsyncSession, token: str, form: Registration, hashed_password: str, now: datetime
) -> str:
    """Spend the setup link on an administrator, who is approved at once; returns the id.

    Raises NotFound for a link that is not valid, Conflict when the names are taken.
    """
    await users.take_turns(session)
    if not await sessions.use_setup_link(session, digest(token), now) or await users.has_admin(session):
        raise NotFound("This setup link is no longer valid: start the service again, and it prints a new one.")
    return (await create_admin(session, SETUP_LINK, form, hashed_password, now)).id


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
    """The path that makes the first administrator, once; None when there is one.

    Those that other processes have printed stay valid: whichever is used first makes all others void.
    """
    if await users.has_admin(session):
        return None
    token = secrets.token_urlsafe(32)
    await sessions.add_setup_link(session, token_hash=digest(token), now=now, expires_at=now + SETUP_LINK_LIFE)
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
    user = found.user
    identity = Identity(
        user_id=user.id,
        username=user.username,
        email=user.email,
        role=user.role,
        status=users.status_of(user),
        requested_at=user.created_at,
        rejection_reason=user.rejection_reason,
        token_hash=found.login.token_hash,
        wrote_at=found.wrote_at,
    )
    return identity, now - found.login.last_seen_at > TOUCH_EVERY


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
    decided = await users.decided(session)
    by = sorted({decider for user in decided if (decider := user.approved_by or user.rejected_by)})
    return People(await users.pending(session), decided, await users.usage(session), await users.names(session, by))


async def profile(session: AsyncSession, user_id: str) -> User:
    """Everything about one account; raises NotFound."""
    user = await users.by_id(session, user_id)
    if user is None:
        raise NotFound("There is no account with this id.")
    return user


async def listed(session: AsyncSession, status: UserStatus | None, *, number: int, size: int) -> UserPage:
    """One page of accounts, for administrators; `number` counts from 1."""
    return await users.page(session, status, number=number, size=size)


async def pending_person(session: AsyncSession, user_id: str) -> User:
    """Somebody who waits for approval; raises NotFound for anybody else."""
    user = await users.by_id(session, user_id)
    if user is None or users.status_of(user) is not UserStatus.PENDING:
        raise NotFound("Nobody with this id waits for approval.")
    return user


async def unenforced(session: AsyncSession) -> Unenforced:
    return await users.unenforced(session)


async def count_pending(session: AsyncSession) -> int:
    return await users.count_pending(session)


async def approve_user(session: AsyncSession, actor: Actor, user_id: str, now: datetime) -> User:
    """Let somebody in who waits; they log in anew, as what they may do has changed.

    Raises Forbidden, NotFound, or Conflict when somebody has decided already.
    """
    _require_admin(actor)
    user = await users.approve(session, user_id, by=actor.user_id, at=now)
    return await _record(session, actor, user, user_id, _Change(AuditAction.USER_APPROVED, now))


async def reject_user(session: AsyncSession, actor: Actor, user_id: str, reason: str, now: datetime) -> User:
    """Decline somebody who waits, with words that they will read. Raises as `approve_user`."""
    _require_admin(actor)
    kept = reason.strip()[:MAX_REASON_CHARACTERS] or None
    user = await users.reject(session, user_id, by=actor.user_id, at=now, reason=kept)
    return await _record(session, actor, user, user_id, _Change(AuditAction.USER_REJECTED, now, kept))


async def suspend_user(session: AsyncSession, actor: Actor, user_id: str, now: datetime) -> User:
    """Keep somebody out from now on. Raises as `approve_user`, and Conflict for the last administrator or oneself."""
    _require_admin(actor)
    if actor.user_id == user_id:
        raise Conflict("Nobody suspends their own account: ask another administrator.")
    await users.take_turns(session)
    if await users.by_id(session, user_id) is None:
        raise NotFound("There is no account with this id.")
    if not await users.has_admin_besides(session, user_id):
        raise Conflict("The last administrator cannot be suspended: nobody could let others in.")
    user = await users.suspend(session, user_id)
    return await _record(session, actor, user, user_id, _Change(AuditAction.USER_SUSPENDED, now))


async def is_suspended(session: AsyncSession, user_id: str) -> bool:
    return users.status_of(await profile(session, user_id)) is UserStatus.SUSPENDED


async def restore_user(session: AsyncSession, actor: Actor, user_id: str, now: datetime) -> User:
    """Let somebody in again who was suspended. Raises as `approve_user`."""
    _require_admin(actor)
    user = await users.restore(session, user_id)
    return await _record(session, actor, user, user_id, _Change(AuditAction.USER_RESTORED, now))


def _require_admin(actor: Actor) -> None:
    if isinstance(actor, Identity) and not actor.is_admin:
        raise Forbidden("Only administrators decide about access.")


@dataclass(frozen=True)
class _Change:
    """What happened to an account, beside who did it to whom."""

    action: AuditAction
    at: datetime
    reason: str | None = None


async def _record(session: AsyncSession, actor: Actor, changed: User | None, user_id: str, change: _Change) -> User:
    """Write down a decision, tell its subject and end their sessions, all in the transaction of the change itself."""
    if changed is None:
        raise await _undecidable(session, user_id)
    await _note(session, actor, changed, change)
    content = {"username": changed.username, "reason": change.reason}
    await outbox.add(session, MESSAGES[change.action], changed.id, content, change.at)
    await sessions.end_all_of(session, changed.id)
    return changed


async def _note(session: AsyncSession, actor: Actor, subject: User, change: _Change) -> None:
    entry = NewEntry(
        at=change.at,
        action=change.action,
        actor_id=actor.user_id,
        actor_name=actor.username,
        subject_id=subject.id,
        subject_name=subject.username,
        details={} if change.reason is None else {"reason": change.reason},
    )
    await audit.add(session, entry)


async def _undecidable(session: AsyncSession, user_id: str) -> NotFound | Conflict:
    user = await users.by_id(session, user_id)
    if user is None:
        return NotFound("There is no account with this id.")
    return Conflict(f"This cannot be done with an account that is {users.status_of(user).word}.")


def digest(token: str) -> str:
    """What is stored of a token: it has 256 random bits, so a plain hash cannot be guessed back."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
