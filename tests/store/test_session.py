"""One place begins, repeats and commits transactions."""

import asyncio
import sqlite3
import uuid
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest
from sqlalchemy import String, bindparam, text
from sqlalchemy.exc import IntegrityError

from pcap_analyzer.errors import DatabaseUnavailable
from pcap_analyzer.store import engines, users
from pcap_analyzer.store.engines import EngineOptions, wal_is_sound
from pcap_analyzer.store.models import ProgressSnapshot, Role
from pcap_analyzer.store.session import AsyncSession, Database, open_database
from pcap_analyzer.store.types import UtcDateTime, UuidText
from pcap_analyzer.store.urls import DatabaseUrls, SqliteUrl
from pcap_analyzer.store.users import NewUser
from tests.known_ids import id_of

WALS: tuple[Literal["auto", "force"], ...] = ("auto", "force")
NEW = NewUser("ann", "ann@example.org", "hash", Role.USER, datetime(2026, 1, 1, tzinfo=UTC))


async def test_the_journal_follows_the_version_and_can_be_forced(url: SqliteUrl) -> None:
    chosen, forced = (open_database(DatabaseUrls(url, url), EngineOptions(wal=wal)) for wal in WALS)
    async with chosen.reading() as reading:
        by_itself = await reading.scalar(text("PRAGMA journal_mode"))
        enforced = await reading.scalar(text("PRAGMA foreign_keys"))
    await chosen.close()
    async with forced.reading() as reading:
        by_force = await reading.scalar(text("PRAGMA journal_mode"))
    await forced.close()

    assert by_itself == ("wal" if wal_is_sound(sqlite3.sqlite_version_info) else "truncate")
    assert (enforced, by_force) == (1, "wal")


async def test_a_transaction_that_raises_leaves_nothing(database: Database) -> None:
    async def raising() -> None:
        async with database.transaction() as writing:
            await users.add(writing, NEW)
            raise KeyError

    with pytest.raises(KeyError):
        await raising()

    async with database.reading() as reading:
        assert await users.by_login(reading, "ann") is None


async def test_a_second_session_in_one_task_is_a_mistake_because_it_could_wait_for_ever(database: Database) -> None:
    async with database.reading() as reading:
        await users.count_pending(reading)
        with pytest.raises(RuntimeError, match="a session already"):
            await database.transaction().__aenter__()

    async with database.transaction() as writing:
        await users.add(writing, NEW)


async def test_a_look_whose_caller_is_cancelled_comes_to_its_end(url: SqliteUrl) -> None:
    database, begun, go_on = open_database(DatabaseUrls(url, url)), asyncio.Event(), asyncio.Event()
    counted: list[int] = []

    async def work(reading: AsyncSession) -> None:
        begun.set()
        await go_on.wait()
        counted.append(await users.count_pending(reading))

    caller = asyncio.create_task(database.look(work))
    await begun.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    go_on.set()
    await database.close()

    assert counted == [0]


async def test_a_session_that_reads_refuses_to_write(database: Database) -> None:
    async def writing(reading: AsyncSession) -> None:
        await users.add(reading, NEW)

    with pytest.raises(RuntimeError, match="only reads"):
        await database.read(writing)

    assert await database.read(lambda reading: users.by_login(reading, "ann")) is None


async def test_a_row_without_its_parent_is_refused(database: Database) -> None:
    with pytest.raises(IntegrityError):
        async with database.transaction() as writing:
            writing.add(ProgressSnapshot(task_id=id_of("nobody"), timestamp=NEW.created_at))


async def test_an_error_names_no_values_because_it_reaches_logs(database: Database) -> None:
    orphan = text(
        "INSERT INTO password_history (id, user_id, hashed_password, created_at) VALUES (:id, :id, :hash, :at)"
    )
    values = {"id": str(uuid.uuid4()), "hash": "$argon2id$salt", "at": datetime(2026, 1, 1, tzinfo=UTC)}
    typed = orphan.bindparams(
        bindparam("id", type_=UuidText()), bindparam("hash", type_=String()), bindparam("at", type_=UtcDateTime())
    )

    with pytest.raises(IntegrityError) as refused:
        async with database.transaction() as writing:
            await writing.execute(typed, values)

    assert "argon2id" not in str(refused.value)


async def test_a_database_that_another_process_keeps_busy_is_said_in_a_sentence(
    url: SqliteUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "BUSY_TIMEOUT_MS", 10)
    database = open_database(DatabaseUrls(url, url))
    with closing(sqlite3.connect(url.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DatabaseUnavailable, match="busy"):
            async with database.transaction() as writing:
                await users.add(writing, NEW)
    await database.close()


async def test_a_damaged_file_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "bad.db").write_bytes(b"no database at all" * 100)
    database = open_database(DatabaseUrls(SqliteUrl(tmp_path / "bad.db"), SqliteUrl(tmp_path / "bad.db")))

    with pytest.raises(DatabaseUnavailable, match="damaged"):
        async with database.reading() as reading:
            await users.count_pending(reading)
    await database.close()
