"""Clear text in the users table is sealed or hashed, once, and what cannot be understood is left as it is."""

import asyncio
import json
from datetime import UTC, datetime

from sqlalchemy import select, update

from pcap_analyzer.keys import Keys, is_sealed
from pcap_analyzer.store import sealing, users
from pcap_analyzer.store.models import Role, User
from pcap_analyzer.store.sealing import Sealed
from pcap_analyzer.store.session import AsyncSession, Database
from pcap_analyzer.store.users import NewUser

KEYS = Keys(b"a master secret")
NOTHING = Sealed()


async def add(session: AsyncSession, name: str, secret: str | None, codes: str | None) -> None:
    now = datetime.now(UTC)
    user = await users.add(session, NewUser(name, f"{name}@corp.example", "$2b$12$x", Role.USER, now))
    user.totp_secret, user.backup_codes = secret, codes
    await session.flush()


async def stored(session: AsyncSession, name: str) -> tuple[str | None, str | None]:
    row = (await session.execute(select(User.totp_secret, User.backup_codes).where(User.username == name))).one()
    return row.totp_secret, row.backup_codes


async def test_secrets_are_sealed_and_codes_hashed_and_again_changes_nothing(database: Database) -> None:
    async with database.transaction() as session:
        await add(session, "ann", "JBSWY3DPEHPK3PXP", '["ABCD-1234", "efgh 5678"]')
        await add(session, "bob", None, None)
    async with database.transaction() as session:
        first = await sealing.seal_stored(session, KEYS)
    async with database.transaction() as session:
        secret, codes = await stored(session, "ann")
        second = await sealing.seal_stored(session, KEYS)
        after = await stored(session, "ann")

    assert (first, second) == (Sealed(secrets=1, code_lists=1), NOTHING)
    assert secret is not None
    assert codes is not None
    assert is_sealed(secret)
    assert KEYS.open_sealed(secret) == "JBSWY3DPEHPK3PXP"
    assert json.loads(codes) == [KEYS.recovery_code_hash("abcd1234"), KEYS.recovery_code_hash("EFGH5678")]
    assert after == (secret, codes)


async def test_lists_that_nobody_understands_are_left_and_counted(database: Database) -> None:
    odd = {"ann": "not json", "bob": '{"a": 1}', "cay": "[1, 2]", "dan": "null"}
    async with database.transaction() as session:
        for name, codes in odd.items():
            await add(session, name, None, codes)
        found = await sealing.seal_stored(session, KEYS)
        kept = {name: (await stored(session, name))[1] for name in odd}

    assert found == Sealed(malformed=4)
    assert kept == odd


async def test_empty_columns_are_no_secrets(database: Database) -> None:
    async with database.transaction() as session:
        await add(session, "ann", "", "[]")

        assert await sealing.seal_stored(session, KEYS) == NOTHING


async def test_a_list_that_was_hashed_in_part_is_hashed_whole(database: Database) -> None:
    done = KEYS.recovery_code_hash("abcd1234")
    async with database.transaction() as session:
        await add(session, "ann", None, json.dumps([done, "efgh5678"]))
        found = await sealing.seal_stored(session, KEYS)
        _, codes = await stored(session, "ann")

    assert found == Sealed(code_lists=1)
    assert codes == json.dumps([done, KEYS.recovery_code_hash("efgh5678")])


async def test_what_another_key_sealed_is_left_and_counted(database: Database) -> None:
    foreign = Keys(b"another").seal("JBSWY3DPEHPK3PXP")
    async with database.transaction() as session:
        await add(session, "ann", foreign, None)
        found = await sealing.seal_stored(session, KEYS)

        assert (found, await stored(session, "ann")) == (Sealed(unreadable=1), (foreign, None))


async def test_a_secret_that_changes_in_between_stays_as_it_was_written(database: Database) -> None:
    class Slow(Keys):
        def seal(self, text: str) -> str:
            session.sync_session.execute(update(User).values(totp_secret="NEWER"))
            return super().seal(text)

    async with database.transaction() as session:
        await add(session, "ann", "OLDER", None)
        found = await sealing.seal_stored(session, Slow(b"x"))

        assert (found, await stored(session, "ann")) == (NOTHING, ("NEWER", None))


async def test_services_that_start_at_once_seal_everything_once(database: Database) -> None:
    async with database.transaction() as session:
        for number in range(20):
            await add(session, f"user{number}", "JBSWY3DPEHPK3PXP", '["abcd-1234"]')

    found = await asyncio.gather(
        *(database.write(lambda session: sealing.seal_stored(session, KEYS)) for _ in range(4))
    )
    async with database.reading() as session:
        secrets = [await stored(session, f"user{number}") for number in range(20)]

    assert sum(one.secrets for one in found) == sum(one.code_lists for one in found) == 20
    assert {KEYS.open_sealed(str(secret)) for secret, _ in secrets} == {"JBSWY3DPEHPK3PXP"}
    assert {codes for _, codes in secrets} == {json.dumps([KEYS.recovery_code_hash("abcd-1234")])}
