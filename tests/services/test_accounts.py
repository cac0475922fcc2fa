"""From stranger to user."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from pcap_analyzer.errors import Conflict, Forbidden, NotFound
from pcap_analyzer.services import accounts
from pcap_analyzer.services.accounts import ABSOLUTE, IDLE, Identity, Registration
from pcap_analyzer.store import sessions
from pcap_analyzer.store.session import AsyncSession, Database
from pcap_analyzer.store.users import UserStatus

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FORM = Registration("Ann Lee", "Ann@Corp.example", "correct horse battery staple", "Night shift.")


async def admin(session: AsyncSession) -> Identity:
    path = await accounts.new_setup_link(session, NOW)
    assert path is not None
    form = replace(FORM, username="root", email="root@corp.example")
    user_id = await accounts.create_first_admin(session, path.removeprefix("/setup/"), form, "hash", NOW)
    return await identity(session, user_id)


async def identity(session: AsyncSession, user_id: str, now: datetime = NOW) -> Identity:
    token = await accounts.complete_login(session, user_id, now)
    found = await accounts.identify(session, token, now)
    assert found is not None
    return found[0]


async def registered(session: AsyncSession) -> str:
    user_id = await accounts.register(session, FORM, "hash", NOW)
    assert user_id is not None
    return user_id


def test_a_good_registration_is_not_refused() -> None:
    assert accounts.refusals(FORM) == ()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"username": " x "}, "username"),
        ({"username": "a@b"}, "username"),
        ({"username": "tab\there"}, "username"),
        ({"email": "nobody"}, "email"),
        ({"email": "a b@c"}, "email"),
        ({"email": "a@b@c"}, "email"),
        ({"email": "a@" + "b" * 300}, "email"),
        ({"password": "short"}, "password"),
        ({"reason": "x" * 2001}, "reason"),
    ],
)
def test_each_bad_field_is_named(change: dict[str, str], field: str) -> None:
    assert [refusal.field for refusal in accounts.refusals(replace(FORM, **change))] == [field]


async def test_somebody_who_registers_waits_with_their_reason(database: Database) -> None:
    async with database.transaction() as session:
        user_id = await registered(session)
        people = await accounts.people(session)

    assert [(user.id, user.email, user.registration_reason) for user in people.pending] == [
        (user_id, "ann@corp.example", "Night shift.")
    ]


async def test_a_taken_name_registers_nobody(database: Database) -> None:
    async with database.transaction() as session:
        await registered(session)

        assert await accounts.register(session, replace(FORM, email="other@corp.example"), "hash", NOW) is None
        assert await accounts.register(session, replace(FORM, username="ann@corp.example"), "hash", NOW) is None
        assert await accounts.count_pending(session) == 1


async def test_a_setup_link_makes_one_administrator(database: Database) -> None:
    async with database.transaction() as session:
        path = await accounts.new_setup_link(session, NOW)
        assert path is not None
        token = path.removeprefix("/setup/")
        await accounts.create_first_admin(session, token, FORM, "hash", NOW)

        assert await accounts.new_setup_link(session, NOW) is None
        assert not await accounts.setup_link_is_valid(session, token, NOW)
        with pytest.raises(NotFound):
            await accounts.create_first_admin(session, token, replace(FORM, username="eve"), "hash", NOW)


async def test_setup_links_of_several_processes_are_valid_until_one_is_used_and_each_expires(
    database: Database,
) -> None:
    async with database.transaction() as session:
        links = [str(await accounts.new_setup_link(session, NOW)).removeprefix("/setup/") for _ in range(2)]

        assert [await accounts.setup_link_is_valid(session, link, NOW) for link in links] == [True, True]
        assert not await accounts.setup_link_is_valid(session, links[1], NOW + timedelta(hours=24))
        assert await sessions.use_setup_link(session, accounts.digest(links[0]), NOW)
        assert [await sessions.use_setup_link(session, accounts.digest(link), NOW) for link in links] == [False, False]


async def test_tokens_are_stored_as_hashes_only(database: Database) -> None:
    async with database.transaction() as session:
        link = str(await accounts.new_setup_link(session, NOW))[7:]
        token = await accounts.complete_login(session, await registered(session), NOW)
        stored = [
            *(await session.execute(text("SELECT token_hash FROM setup_links"))).scalars(),
            *(await session.execute(text("SELECT token_hash FROM sessions"))).scalars(),
        ]

    assert stored == [accounts.digest(link), accounts.digest(token)]
    assert len(token) >= 43  # 256 bits in base64


async def test_a_login_makes_a_new_token_and_the_old_one_void(database: Database) -> None:
    async with database.transaction() as session:
        user_id = await registered(session)
        old = await accounts.complete_login(session, user_id, NOW)
        new = await accounts.complete_login(session, user_id, NOW, old_token=old)

        assert await accounts.identify(session, old, NOW) is None
        assert await accounts.identify(session, new, NOW) is not None


@pytest.mark.parametrize(
    ("after", "seen", "still"),
    [
        (IDLE, timedelta(0), False),
        (IDLE, timedelta(minutes=1), True),
        (ABSOLUTE, ABSOLUTE - timedelta(minutes=1), False),
    ],
)
async def test_a_session_ends_when_idle_and_in_any_case_after_a_day(
    database: Database, after: timedelta, seen: timedelta, still: bool
) -> None:
    async with database.transaction() as session:
        token = await accounts.complete_login(session, await registered(session), NOW)
        found = await accounts.identify(session, token, NOW)
        assert found is not None
        await accounts.touch(session, found[0], NOW + seen)

        assert (await accounts.identify(session, token, NOW + after) is not None) is still


async def test_a_session_is_touched_once_a_minute(database: Database) -> None:
    async with database.transaction() as session:
        token = await accounts.complete_login(session, await registered(session), NOW)

        stale = [
            found[1]
            for seconds in (30, 90)
            if (found := await accounts.identify(session, token, NOW + timedelta(seconds=seconds)))
        ]

    assert stale == [False, True]


async def test_approval_lets_in_and_asks_to_log_in_anew(database: Database) -> None:
    async with database.transaction() as session:
        root, user_id = await admin(session), await registered(session)
        waiting = await accounts.complete_login(session, user_id, NOW)
        await accounts.approve_user(session, root, user_id, NOW)

        assert await accounts.identify(session, waiting, NOW) is None
        assert (await identity(session, user_id)).status is UserStatus.ACTIVE


async def test_who_is_declined_reads_why(database: Database) -> None:
    async with database.transaction() as session:
        root, user_id = await admin(session), await registered(session)
        await accounts.reject_user(session, root, user_id, " Ask your team lead. ", NOW)

        declined = await identity(session, user_id)

    assert (declined.status, declined.rejection_reason) == (UserStatus.REJECTED, "Ask your team lead.")
    assert not declined.is_active


async def test_a_second_decision_is_a_conflict_and_nobody_is_not_found(database: Database) -> None:
    async with database.transaction() as session:
        root, user_id = await admin(session), await registered(session)
        await accounts.approve_user(session, root, user_id, NOW)

        with pytest.raises(Conflict):
            await accounts.reject_user(session, root, user_id, "", NOW)
        with pytest.raises(NotFound):
            await accounts.approve_user(session, root, "nobody", NOW)


async def test_only_administrators_decide(database: Database) -> None:
    async with database.transaction() as session:
        root, user_id = await admin(session), await registered(session)
        await accounts.approve_user(session, root, user_id, NOW)
        ann = await identity(session, user_id)

        with pytest.raises(Forbidden):
            await accounts.approve_user(session, ann, user_id, NOW)
