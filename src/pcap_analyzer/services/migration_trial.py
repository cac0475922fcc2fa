"""Tries this release's whole chain of revisions in a temporary database, in six steps, and removes what it made."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from pcap_analyzer.errors import AppError, Conflict, DatabaseUnavailable
from pcap_analyzer.services import accounts
from pcap_analyzer.services.accounts import Identity, Registration
from pcap_analyzer.store import audit, scratch, upgrade, users
from pcap_analyzer.store.models import AuditAction, User
from pcap_analyzer.store.session import AsyncSession, Database, open_database
from pcap_analyzer.store.urls import DatabaseUrl, DatabaseUrls, PostgresUrl
from pcap_analyzer.store.users import UserStatus

STEPS = 6
TABLES = ("users", "tasks", "progress_snapshots")
APPROVAL_COLUMNS = ("is_approved", "approved_by", "approved_at")
NO_PASSWORD = "!"  # noqa: S105 - a hash that no password has


@dataclass(frozen=True)
class Tried:
    """One thing, and how it went."""

    step: int  # 1 to STEPS
    what: str
    failure: str | None = None  # in a sentence; None: it works


async def try_chain(given: PostgresUrl | None) -> AsyncIterator[Tried]:
    """Each thing as soon as it is known; the steps end where one fails that the others build on.

    `given`: an empty PostgreSQL database, which is empty again afterwards, in place of SQLite. Raises UsageError where
    it is not empty.
    """
    async with scratch.temporary_database(given) as url:
        made = await _failure(_is_new, url)
        yield Tried(1, f"temporary database {url.shown}", made)
        applied = made or await _failure(_apply, url)
        if made is None:
            yield Tried(2, f"the chain of revisions up to {upgrade.head()}", applied)
        if applied is not None:
            return
        columns = (await scratch.contents(url)).columns
        for table in TABLES:
            yield Tried(3, f"table {table}", None if table in columns else "It is missing.")
        for column in APPROVAL_COLUMNS:
            yield Tried(4, f"column {column} of users", None if column in columns["users"] else "It is missing.")
        yield Tried(
            5, "approval: a newcomer waits, is approved once, and the audit log says so", await _failure(_approve, url)
        )
        yield Tried(
            6, "rollback: one revision back and forth with its rows, then to nothing", await _failure(_roll_back, url)
        )


async def _failure(work: Callable[[DatabaseUrl], Awaitable[None]], url: DatabaseUrl) -> str | None:
    try:
        await work(url)
    except AppError as error:
        return str(error)
    return None


def _demand(held: bool, otherwise: str) -> None:
    if not held:
        raise DatabaseUnavailable(otherwise)


async def _is_new(url: DatabaseUrl) -> None:
    found = await upgrade.probe(url)
    _demand(found.revision is None and not found.tables, "It is not empty.")


async def _apply(url: DatabaseUrl) -> None:
    done = await upgrade.upgrade(url)
    _demand(done.after == upgrade.head(), f"It ended at revision {done.after}.")


async def _approve(url: DatabaseUrl) -> None:
    database = open_database(DatabaseUrls(url, url))
    try:
        await _approve_in(database, datetime.now(UTC))
    finally:
        await database.close()


async def _approve_in(database: Database, now: datetime) -> None:
    """By the services that pages and commands use."""

    async def arrive(session: AsyncSession) -> str | None:
        form = Registration("newcomer", "newcomer@example.org", "", "a trial")
        return await accounts.register(session, form, NO_PASSWORD, now)

    newcomer = await database.write(arrive)
    if newcomer is None:
        raise DatabaseUnavailable("A newcomer could not register.")
    waiting = await _user(database, newcomer)
    _demand(users.status_of(waiting) is UserStatus.PENDING, "A newcomer does not wait for approval.")
    admin = await database.write(lambda session: _administrator(session, now))

    async def approve(session: AsyncSession) -> None:
        await accounts.approve_user(session, admin, newcomer, now)

    await database.write(approve)
    approved = await _user(database, newcomer)
    _demand(users.status_of(approved) is UserStatus.ACTIVE, "An approved account is not active.")
    by_whom_and_when = (approved.approved_by, approved.approved_at)
    _demand(by_whom_and_when == (admin.user_id, now), f"Who approved, and when, was recorded as {by_whom_and_when}.")
    _demand(await _conflicts(database, approve), "An account can be approved twice.")
    entries = await database.read(lambda session: audit.newest(session, most=10))
    told = [entry for entry in entries if (entry.action, entry.subject_id) == (AuditAction.USER_APPROVED, newcomer)]
    _demand(len(told) == 1, f"The audit log tells {len(told)} times of one approval.")


async def _administrator(session: AsyncSession, now: datetime) -> Identity:
    form = Registration("administrator", "administrator@example.org", "")
    made = await accounts.create_admin(session, accounts.COMMAND_LINE, form, NO_PASSWORD, now)
    token = await accounts.complete_login(session, made.id, now)
    found = await accounts.identify(session, token, now)
    if found is None:
        raise DatabaseUnavailable("The session of an administrator cannot be found.")
    return found[0]


async def _user(database: Database, user_id: str) -> User:
    user = await database.read(lambda session: users.by_id(session, user_id))
    if user is None:
        raise DatabaseUnavailable("An account is gone that was just made.")
    return user


async def _conflicts(database: Database, work: Callable[[AsyncSession], Awaitable[None]]) -> bool:
    try:
        await database.write(work)
    except Conflict:
        return True
    return False


async def _roll_back(url: DatabaseUrl) -> None:
    before = await scratch.contents(url)
    await upgrade.downgrade(url, "-1", allow_data_loss=True)
    await upgrade.upgrade(url)
    after = await scratch.contents(url)
    _demand(after == before, "One revision back and forth changed tables or lost rows.")
    done = await upgrade.downgrade(url, "base", allow_data_loss=True)
    _demand(done.after is None, f"It ended at revision {done.after}.")
    left = (await scratch.contents(url)).columns.keys() - {upgrade.VERSIONS}
    _demand(not left, f"Tables are left: {', '.join(sorted(left))}.")
