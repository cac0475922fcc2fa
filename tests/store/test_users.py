"""Where somebody stands, and the transitions between."""

from datetime import UTC, datetime

from sqlalchemy import text

from pcap_analyzer.store import tasks, users
from pcap_analyzer.store.models import Role, User
from pcap_analyzer.store.session import AsyncSession, Database
from pcap_analyzer.store.tasks import NewTask
from pcap_analyzer.store.users import NewUser, Usage, UserStatus, status_of
from tests.known_ids import id_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)


async def add(session: AsyncSession, name: str, role: Role = Role.USER) -> User:
    return await users.add(session, NewUser(name, f"{name.lower()}@example.org", "hash", role, NOW))


async def test_an_admin_is_approved_when_created_and_a_user_waits(database: Database) -> None:
    async with database.transaction() as session:
        root, ann = await add(session, "root", Role.ADMIN), await add(session, "ann")

        assert (status_of(root), status_of(ann)) == (UserStatus.ACTIVE, UserStatus.PENDING)
        assert root.approved_at == NOW
        assert await users.count_pending(session) == 1


async def test_of_two_who_decide_only_the_first_is_heard(database: Database) -> None:
    async with database.transaction() as session:
        root, ann = await add(session, "root", Role.ADMIN), await add(session, "ann")

        assert await users.approve(session, ann.id, by=root.id, at=NOW)
        assert not await users.reject(session, ann.id, by=root.id, at=NOW, reason="Late.")

    async with database.reading() as session:
        found = await users.by_id(session, ann.id)
    assert found is not None
    assert (status_of(found), found.approved_by, found.approved_at) == (UserStatus.ACTIVE, root.id, NOW)


async def test_a_login_is_found_by_name_or_address_however_it_is_written(database: Database) -> None:
    async with database.transaction() as session:
        ann = await add(session, "Ann")

        found = [await users.by_login(session, login) for login in ("ann", "ANN", "Ann@Example.org", "bob")]

    assert found == [ann, ann, ann, None]


async def test_names_are_alike_however_their_letters_beyond_ascii_are_written(database: Database) -> None:
    async with database.transaction() as session:
        anna = await add(session, "Änne")

        found = [await users.by_login(session, login) for login in ("änne", "ÄNNE", "ÄNNE@Example.org", "anne")]

        assert found == [anna, anna, anna, None]
        assert await users.is_taken(session, "ÄNNE", "new@example.org")
        assert not await users.is_taken(session, "anne", "new@example.org")


async def test_a_name_that_is_another_s_address_is_taken(database: Database) -> None:
    async with database.transaction() as session:
        await add(session, "ann")

        assert await users.is_taken(session, "ANN", "new@example.org")
        assert await users.is_taken(session, "new", "ANN@example.org")
        assert not await users.is_taken(session, "new", "new@example.org")


async def test_an_administrator_who_was_suspended_does_not_count(database: Database) -> None:
    async with database.transaction() as session:
        assert not await users.has_admin(session)
        root = await add(session, "root", Role.ADMIN)
        assert await users.has_admin(session)
        root.is_active = False
        await session.flush()
        assert not await users.has_admin(session)


async def test_what_is_no_longer_kept_takes_no_storage(database: Database) -> None:
    async with database.transaction() as session:
        ann = await add(session, "ann")
        for name in ("kept", "expired", "adopted without its capture"):
            new = NewTask(id_of(name), "a.pcap", 100, f"captures/{name}", ann.id, NOW)
            await tasks.add(session, new)
        gone = {id_of("expired"): "status = 'expired'", id_of("adopted without its capture"): "capture_key = NULL"}
        for task_id, change in gone.items():
            await session.execute(text(f"UPDATE tasks SET {change} WHERE task_id = '{task_id}'"))

        assert await users.usage(session) == {ann.id: Usage(3, 100)}
