"""Each decision about an account happens once, and is recorded and told in the same transaction."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from pcap_analyzer.errors import Conflict, Forbidden, NotFound
from pcap_analyzer.services import accounts
from pcap_analyzer.services.accounts import COMMAND_LINE, Actor, Identity, Registration
from pcap_analyzer.store import audit, outbox, users
from pcap_analyzer.store.models import Role
from pcap_analyzer.store.session import AsyncSession, Database, open_database
from pcap_analyzer.store.urls import DatabaseUrls
from pcap_analyzer.store.users import UserStatus, status_of
from tests.deciding import raced

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RACES = 20


def form(name: str) -> Registration:
    return Registration(name, f"{name}@corp.example", "correct horse battery staple")


async def admin(session: AsyncSession, name: str = "root", actor: Actor = COMMAND_LINE) -> Identity:
    made = await accounts.create_admin(session, actor, form(name), "hash", NOW)
    return await logged_in(session, made.id)


async def logged_in(session: AsyncSession, user_id: str) -> Identity:
    found = await accounts.identify(session, await accounts.complete_login(session, user_id, NOW), NOW)
    assert found is not None
    return found[0]


async def person(session: AsyncSession, name: str = "ann") -> str:
    user_id = await accounts.register(session, form(name), "hash", NOW)
    assert user_id is not None
    return user_id


async def registered(session: AsyncSession, form: Registration) -> str | None:
    return await accounts.register(session, form, "hash", NOW)


async def set_up(session: AsyncSession, token: str) -> str:
    return await accounts.create_first_admin(session, token, form(token[:9]), "hash", NOW)


async def actions(session: AsyncSession, subject: str) -> list[tuple[str, str, str | None]]:
    """What the log says of somebody, the oldest first: the action, who did it by name, and by id."""
    entries = reversed(await audit.newest(session, most=100))
    return [(one.action, one.actor_name, one.actor_id) for one in entries if one.subject_id == subject]


async def test_who_registers_waits_and_an_administrator_does_not(database: Database) -> None:
    async with database.transaction() as session:
        root, user_id = await admin(session), await person(session)
        ann, made = await accounts.profile(session, user_id), await accounts.profile(session, root.user_id)

        assert (status_of(ann), ann.is_approved, ann.approved_by, ann.approved_at) == (
            UserStatus.PENDING,
            False,
            None,
            None,
        )
        assert (made.role, made.is_approved, made.approved_at) == (Role.ADMIN, True, NOW)
        assert await actions(session, user_id) == [("user.created", "ann", None)]
        assert await actions(session, root.user_id) == [
            ("user.created", "command line", None),
            ("user.approved", "command line", None),
        ]


async def test_an_approval_records_who_and_when_and_tells_its_subject(database: Database) -> None:
    later = NOW + timedelta(hours=1)
    async with database.transaction() as session:
        root, user_id = await admin(session), await person(session)

        ann = await accounts.approve_user(session, root, user_id, later)

        assert (ann.is_approved, ann.approved_by, ann.approved_at) == (True, root.user_id, later)
        assert (await actions(session, user_id))[1:] == [("user.approved", "root", root.user_id)]
        messages = await outbox.unsent(session, most=10)
        assert [(one.kind, one.recipient_id, one.created_at) for one in messages] == [
            ("access.approved", user_id, later)
        ]


async def test_an_approval_that_fails_later_leaves_no_trace(database: Database) -> None:
    async with database.transaction() as session:
        user_id = await person(session)

    async def failing(session: AsyncSession) -> None:
        await accounts.approve_user(session, COMMAND_LINE, user_id, NOW)
        raise KeyError

    with pytest.raises(KeyError):
        await database.write(failing)

    async with database.reading() as session:
        assert status_of(await accounts.profile(session, user_id)) is UserStatus.PENDING
        assert await actions(session, user_id) == [("user.created", "ann", None)]
        assert await outbox.unsent(session, most=10) == []


async def test_the_reason_of_a_refusal_is_in_the_log_and_in_the_message(database: Database) -> None:
    async with database.transaction() as session:
        user_id = await person(session)
        await accounts.reject_user(session, COMMAND_LINE, user_id, " Ask your lead. ", NOW)

        assert (await audit.newest(session, most=1))[0].details == {"reason": "Ask your lead."}
        assert (await outbox.unsent(session, most=1))[0].content == {"username": "ann", "reason": "Ask your lead."}


async def test_suspension_ends_sessions_and_can_be_taken_back(database: Database) -> None:
    async with database.transaction() as session:
        root, user_id = await admin(session), await person(session)
        await accounts.approve_user(session, root, user_id, NOW)
        token = await accounts.complete_login(session, user_id, NOW)

        suspended = status_of(await accounts.suspend_user(session, root, user_id, NOW))
        ended = await accounts.identify(session, token, NOW)
        with pytest.raises(Conflict, match="suspended"):
            await accounts.suspend_user(session, root, user_id, NOW)
        restored = status_of(await accounts.restore_user(session, root, user_id, NOW))

        assert (suspended, ended, restored) == (UserStatus.SUSPENDED, None, UserStatus.ACTIVE)
        assert [action for action, _, _ in await actions(session, user_id)][2:] == ["user.suspended", "user.restored"]


async def test_nobody_suspends_themselves_or_the_last_administrator(database: Database) -> None:
    async with database.transaction() as session:
        root = await admin(session)
        with pytest.raises(Conflict, match="last administrator"):
            await accounts.suspend_user(session, COMMAND_LINE, root.user_id, NOW)
        ada = await admin(session, "ada", root)
        with pytest.raises(Conflict, match="their own"):
            await accounts.suspend_user(session, ada, ada.user_id, NOW)

        await accounts.suspend_user(session, ada, root.user_id, NOW)


async def test_users_decide_nothing_and_nobody_is_not_found(database: Database) -> None:
    async with database.transaction() as session:
        user_id = await person(session)
        await accounts.approve_user(session, COMMAND_LINE, user_id, NOW)
        ann = await logged_in(session, user_id)

        for decide in (accounts.approve_user, accounts.suspend_user, accounts.restore_user):
            with pytest.raises(Forbidden):
                await decide(session, ann, user_id, NOW)
        with pytest.raises(Forbidden):
            await accounts.create_admin(session, ann, form("eve"), "hash", NOW)
        with pytest.raises(NotFound):
            await accounts.approve_user(session, COMMAND_LINE, "no id at all", NOW)


async def test_of_two_administrators_who_race_one_decides(database_urls: DatabaseUrls) -> None:
    race = await raced(database_urls, RACES)

    assert (race.once, race.audit_rows, race.messages) == (RACES, RACES, RACES)


async def test_two_administrators_who_suspend_each_other_at_once_leave_one(database_urls: DatabaseUrls) -> None:
    one, other = open_database(database_urls), open_database(database_urls)
    ada, bob = [await one.write(partial(admin, name=name)) for name in ("ada", "bob")]

    outcomes = await asyncio.gather(
        one.write(lambda session: accounts.suspend_user(session, ada, bob.user_id, NOW)),
        other.write(lambda session: accounts.suspend_user(session, bob, ada.user_id, NOW)),
        return_exceptions=True,
    )

    assert await one.read(users.has_admin)
    assert [type(outcome) for outcome in outcomes].count(Conflict) == 1
    for database in (one, other):
        await database.close()


async def test_of_names_that_differ_by_case_and_come_at_once_one_is_taken(database_urls: DatabaseUrls) -> None:
    databases = [open_database(database_urls) for _ in range(4)]
    names = ("ann", "Ann", "aNN", "ANN")

    made = await asyncio.gather(
        *(database.write(partial(registered, form=form(name))) for database, name in zip(databases, names, strict=True))
    )

    assert len([user_id for user_id in made if user_id is not None]) == 1
    for database in databases:
        await database.close()


async def test_of_two_who_use_setup_links_at_once_one_becomes_administrator(database_urls: DatabaseUrls) -> None:
    databases = [open_database(database_urls) for _ in range(2)]
    links = [await database.write(lambda session: accounts.new_setup_link(session, NOW)) for database in databases]
    tokens = [str(link).removeprefix("/setup/") for link in links]

    outcomes = await asyncio.gather(
        *(database.write(partial(set_up, token=token)) for database, token in zip(databases, tokens, strict=True)),
        return_exceptions=True,
    )

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NotFound", "str"]
    for database in databases:
        await database.close()
