"""Two administrators who decide about the same accounts at the same moments."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from pcap_analyzer.errors import Conflict
from pcap_analyzer.services import accounts
from pcap_analyzer.services.accounts import COMMAND_LINE, Identity, Registration
from pcap_analyzer.store import audit, outbox
from pcap_analyzer.store.models import AuditAction
from pcap_analyzer.store.session import AsyncSession, Database, open_database
from pcap_analyzer.store.urls import DatabaseUrls

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DECISIONS = (AuditAction.USER_APPROVED, AuditAction.USER_REJECTED)


@dataclass(frozen=True)
class Race:
    """Of so many accounts, how many were decided once while the other administrator met a Conflict."""

    once: int
    audit_rows: int
    messages: int


async def raced(urls: DatabaseUrls, times: int) -> Race:
    """Each administrator has connections of their own, as in processes of their own."""
    one, other = open_database(urls), open_database(urls)
    try:
        people = [await one.write(partial(_person, name=f"p{n}")) for n in range(times)]
        first, second = [await one.write(partial(_admin, name=name)) for name in ("ada", "bob")]
        won = [await asyncio.gather(_approve(one, first, person), _reject(other, second, person)) for person in people]
        entries = await one.read(lambda session: audit.newest(session, most=10 * times + 10))
        messages = await one.read(lambda session: outbox.unsent(session, most=10 * times + 10))
    finally:
        await one.close()
        await other.close()
    decided = Counter(entry.subject_id for entry in entries if entry.action in DECISIONS)
    once = sum(sum(both) == 1 and decided[person] == 1 for both, person in zip(won, people, strict=True))
    return Race(once, sum(decided[person] for person in people), len(messages))


async def _person(session: AsyncSession, name: str) -> str:
    user_id = await accounts.register(session, Registration(name, f"{name}@corp.example", ""), "hash", NOW)
    assert user_id is not None
    return user_id


async def _admin(session: AsyncSession, name: str) -> Identity:
    form = Registration(name, f"{name}@corp.example", "")
    admin = await accounts.create_admin(session, COMMAND_LINE, form, "hash", NOW)
    found = await accounts.identify(session, await accounts.complete_login(session, admin.id, NOW), NOW)
    assert found is not None
    return found[0]


async def _approve(database: Database, admin: Identity, person: str) -> bool:
    try:
        await database.write(lambda session: accounts.approve_user(session, admin, person, NOW))
    except Conflict:
        return False
    return True


async def _reject(database: Database, admin: Identity, person: str) -> bool:
    try:
        await database.write(lambda session: accounts.reject_user(session, admin, person, "No.", NOW))
    except Conflict:
        return False
    return True
