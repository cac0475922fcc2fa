"""The way to head and back: backups, locks, refusals."""

import asyncio
import hashlib
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from pcap_analyzer.errors import AppError, Conflict, DatabaseUnavailable, StorageFull, UnknownSchema, UsageError
from pcap_analyzer.store import backups, chain, listing, locks, upgrade
from pcap_analyzer.store.connections import on_connection, tool_connection
from pcap_analyzer.store.engines import EngineOptions
from pcap_analyzer.store.listing import Search
from pcap_analyzer.store.migrations.drift import differences
from pcap_analyzer.store.models import TRIGRAM_INDEX
from pcap_analyzer.store.session import open_database
from pcap_analyzer.store.tasks import Viewer
from pcap_analyzer.store.urls import DatabaseUrl, DatabaseUrls, PostgresUrl, SqliteUrl
from pcap_analyzer.store.verify.check import Status
from pcap_analyzer.store.verify.database import verify_database
from tests.migrations import old, seeds
from tests.postgres import OWNER, Server
from tests.store.test_plans import plans


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


async def test_a_new_database_needs_no_backup(tmp_path: Path) -> None:
    url = SqliteUrl(tmp_path / "deep" / "new.db")

    assert (await upgrade.upgrade(url)).before is None

    assert list(url.path.parent.glob("*.backup-*")) == []


async def test_an_old_database_is_backed_up_before_it_is_changed(tmp_path: Path) -> None:
    url = await old.build(tmp_path / "old.db", old.CHAIN[1])
    before = old.dump(url.path)

    await upgrade.upgrade(url)

    (backup,) = tmp_path.glob("old.db.backup-*")
    assert old.dump(backup) == before
    assert backup.stat().st_mode & 0o077 == 0


async def test_the_last_three_backups_are_kept(tmp_path: Path) -> None:
    url = await old.build(tmp_path / "old.db", old.CHAIN[1])
    earlier = [tmp_path / f"old.db.backup-2020010{day}T000000000000Z" for day in range(1, 5)]
    for path in earlier:
        path.write_bytes(b"")

    await upgrade.upgrade(url)

    kept = sorted(tmp_path.glob("old.db.backup-*"))
    assert kept[:2] == earlier[2:]
    assert len(kept) == 3


def damage(path: Path) -> None:
    """Overwrite every page but the first two, whose tables are looked at before the backup is made."""
    with path.open("r+b") as file:
        file.seek(2 * 4096)
        file.write(b"\xff" * (path.stat().st_size - 2 * 4096))


async def test_a_damaged_database_is_said_to_be_and_pushes_no_backup_out(tmp_path: Path) -> None:
    url = await old.build(tmp_path / "old.db", old.CHAIN[1])
    damage(url.path)
    before = digest(url.path)
    earlier = [tmp_path / f"old.db.backup-2020010{day}T000000000000Z" for day in range(1, 4)]
    for path in earlier:
        path.write_bytes(b"")

    for _start in range(2):
        with pytest.raises(DatabaseUnavailable, match=r"old\.db is damaged .*put back a backup"):
            await upgrade.upgrade(url)

    assert digest(url.path) == before
    assert sorted(tmp_path.iterdir()) == [url.path, *earlier, tmp_path / "old.db.upgrade-lock"]


async def test_what_an_upgrade_that_was_killed_left_of_its_backup_is_written_over(tmp_path: Path) -> None:
    url = await old.build(tmp_path / "old.db", old.CHAIN[1])
    (tmp_path / "old.db.unfinished-backup").write_text("half a backup")

    await upgrade.upgrade(url)

    assert [path.name for path in tmp_path.glob("*unfinished*")] == []
    assert len(list(tmp_path.glob("old.db.backup-*"))) == 1


@pytest.mark.parametrize(
    ("code", "kind", "says"),
    [
        (sqlite3.SQLITE_FULL, StorageFull, "The disk is full"),
        (sqlite3.SQLITE_IOERR_WRITE, DatabaseUnavailable, "cannot be backed up"),
    ],
)
async def test_a_backup_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, kind: type[AppError], says: str
) -> None:
    def refuse(_path: Path, target: Path) -> None:
        target.write_text("half a backup")
        error = sqlite3.OperationalError("as SQLite says")
        error.sqlite_errorcode = code
        raise error

    url = await old.build(tmp_path / "old.db", old.CHAIN[1])
    monkeypatch.setattr(backups, "copy_database", refuse)

    with pytest.raises(kind, match=says):
        await upgrade.upgrade(url)

    assert [path.name for path in tmp_path.glob("*backup*")] == []


async def test_a_database_at_head_is_left_alone(tmp_path: Path) -> None:
    url = SqliteUrl(tmp_path / "new.db")
    await upgrade.upgrade(url)
    before = digest(url.path)

    assert (await upgrade.upgrade(url)).before == upgrade.head()

    assert digest(url.path) == before


async def test_an_unknown_schema_is_refused_and_stays_byte_for_byte_the_same(tmp_path: Path) -> None:
    url = SqliteUrl(tmp_path / "other.db")
    with closing(sqlite3.connect(url.path)) as database, database:
        database.execute("CREATE TABLE recipes (title TEXT)")
    before = digest(url.path)

    with pytest.raises(UnknownSchema, match="recipes"):
        await upgrade.upgrade(url)

    assert digest(url.path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["other.db"]


async def test_a_database_of_a_newer_release_is_refused_with_both_ways_out(tmp_path: Path) -> None:
    url = await old.build(tmp_path / "newer.db", old.CHAIN[0])
    backup = (await upgrade.upgrade(url)).backup
    assert backup is not None
    with closing(sqlite3.connect(url.path)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")

    with pytest.raises(DatabaseUnavailable, match=rf"ffffffffffff.*newer.*{backup.name}"):
        await upgrade.upgrade(url)
    backup.unlink()
    with pytest.raises(DatabaseUnavailable, match=r"put back a backup from before its upgrade"):
        await upgrade.upgrade(url)


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    url = SqliteUrl(tmp_path / "text.db")
    url.path.write_text("not a database, but long enough to be looked at as one" * 20)

    with pytest.raises(DatabaseUnavailable, match="cannot be read as a SQLite database"):
        await upgrade.upgrade(url)


KILLED_IN_A_TRANSACTION = """
import os, signal, sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA cache_size = 1")  # changed pages go to the file before the commit
database.execute("BEGIN IMMEDIATE")
database.executemany("INSERT INTO setup_links VALUES (?, ?, '', '', NULL)", [(i, f"{i:064}") for i in range(2000)])
os.kill(os.getpid(), signal.SIGKILL)
"""


async def test_a_database_whose_writer_was_killed_is_rolled_back_and_used(tmp_path: Path) -> None:
    url = SqliteUrl(tmp_path / "killed.db")
    await upgrade.upgrade(url)
    before = old.dump(url.path)
    subprocess.run([sys.executable, "-c", KILLED_IN_A_TRANSACTION, str(url.path)], check=False)
    assert (tmp_path / "killed.db-journal").stat().st_size > 0

    assert (await upgrade.upgrade(url)).before == upgrade.head()

    assert old.dump(url.path) == before


async def test_a_second_upgrade_waits_for_the_first(tmp_path: Path) -> None:
    url = await old.build(tmp_path / "old.db", old.CHAIN[-1])

    async with upgrade.locked(url):
        second = asyncio.create_task(upgrade.upgrade(url))
        waiting, _ = await asyncio.wait([second], timeout=0.5)
    done = await second

    assert not waiting
    assert done.after == chain.head()


async def test_an_upgrade_that_waits_in_vain_says_so(url: DatabaseUrl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "PATIENCE_S", 0.3)

    async with upgrade.locked(url):
        with pytest.raises(DatabaseUnavailable, match="Another process has been upgrading"):
            await upgrade.upgrade(url)


def test_an_upgrade_waits_for_as_long_as_an_adoption_or_an_index_may_take() -> None:
    assert locks.PATIENCE_S >= 15 * 60


async def test_an_upgrade_that_waits_says_so_every_few_seconds(
    url: DatabaseUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "TELL_EVERY_S", 0.15)
    said: list[str] = []

    async with upgrade.locked(url):
        second = asyncio.create_task(upgrade.upgrade(url, on_step=said.append))
        async with asyncio.timeout(20):
            while len(said) < 2:
                await asyncio.sleep(0.05)
    await second

    assert all("another process is upgrading this database" in line for line in said[:2])


async def test_a_schema_on_a_server_that_names_no_revision_is_refused(postgres_url: PostgresUrl) -> None:
    async with tool_connection(postgres_url, "test") as connection:
        await connection.execute(text("CREATE TABLE users (name text)"))
        await connection.commit()

    with pytest.raises(UnknownSchema, match="users"):
        await upgrade.upgrade(postgres_url)


async def test_tables_of_others_on_the_server_are_left_alone(postgres_url: PostgresUrl) -> None:
    async with tool_connection(postgres_url, "test") as connection:
        await connection.execute(text("CREATE TABLE spatial_ref_sys (srid integer)"))
        await connection.commit()

    assert (await upgrade.upgrade(postgres_url)).after == chain.head()


async def test_without_the_right_to_make_the_extension_the_upgrade_says_what_is_slower(
    cluster: Server, postgres_url: PostgresUrl, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.psql(f'ALTER DATABASE "{postgres_url.database}" OWNER TO {cluster.superuser.name}')
    cluster.psql("GRANT ALL ON SCHEMA public TO pcap_owner", postgres_url.database)

    await upgrade.upgrade(postgres_url)

    report = await verify_database(DatabaseUrls(postgres_url, postgres_url), EngineOptions(), deep=False, processes=1)
    (trigrams,) = (check for check in report.checks if check.name == "pg_trgm")
    assert "searching tasks for a text reads all of them" in caplog.text
    assert (trigrams.status, "CREATE EXTENSION pg_trgm" in trigrams.sentence) == (Status.WARNING, True)
    assert await on_connection(postgres_url, "test", differences) == []


async def test_a_search_for_a_text_follows_the_trigrams_that_the_upgrade_made(postgres_url: PostgresUrl) -> None:
    await upgrade.upgrade(postgres_url)
    database = open_database(DatabaseUrls(postgres_url, postgres_url))

    async with database.reading() as session:
        for kind in ("seqscan", "indexscan"):  # which are as good for a table without rows
            await session.execute(text(f"SET LOCAL enable_{kind} = off"))
        everything = Viewer(seeds.ADMIN, is_admin=True)
        plan = await plans(session, listing.finished(session, everything, Search(text="timeout")))
    await database.close()

    assert TRIGRAM_INDEX in plan


async def test_the_printed_sql_makes_the_same_schema(cluster: Server, postgres_url: PostgresUrl) -> None:
    sql = await upgrade.upgrade_sql(postgres_url)

    cluster.psql(sql, postgres_url.database, OWNER)

    assert await upgrade.upgrade_sql(postgres_url) == ""
    assert (await upgrade.probe(postgres_url)).revision == chain.head()
    assert await on_connection(postgres_url, "test", differences) == []


async def test_going_back_over_rows_is_refused_with_what_would_be_lost(url: DatabaseUrl) -> None:
    await upgrade.upgrade(url)
    await seeds.sow(url, chain.head())

    with pytest.raises(Conflict) as refused:
        await upgrade.downgrade(url, old.CHAIN[-1], allow_data_loss=False)

    assert all(
        what in str(refused.value)
        for what in ("audit_log (1 row)", "tasks.attempt (1 value)", "progress_snapshots.bytes_done (3 values)")
    )
    assert "interruptions" not in str(refused.value)
    assert (await upgrade.probe(url)).revision == chain.head()


async def test_going_back_without_rows_in_the_way_needs_no_leave(url: DatabaseUrl) -> None:
    await upgrade.upgrade(url)

    done = await upgrade.downgrade(url, "-3", allow_data_loss=False)

    assert done.after == (await upgrade.probe(url)).revision == chain.revisions()[-4]


async def test_going_back_to_what_is_newer_or_unknown_is_refused(url: DatabaseUrl) -> None:
    await upgrade.apply(url, old.CHAIN[1])

    with pytest.raises(UsageError, match="older than"):
        await upgrade.downgrade(url, chain.head(), allow_data_loss=True)
    with pytest.raises(UsageError, match="knows no revision ffff"):
        await upgrade.downgrade(url, "ffff", allow_data_loss=True)


async def test_going_back_by_more_revisions_than_there_are_is_refused(url: DatabaseUrl) -> None:
    await upgrade.apply(url, old.CHAIN[1])

    with pytest.raises(UsageError, match=r"There are 2 revisions to go back from .* not 3"):
        await upgrade.downgrade(url, "-3", allow_data_loss=True)
    done = await upgrade.downgrade(url, "-2", allow_data_loss=True)

    assert done.after is None


@pytest.mark.parametrize("revision", [chain.head(), old.CHAIN[-1]])
async def test_a_database_without_a_table_of_its_revision_needs_a_backup_and_no_upgrade(
    cluster: Server, postgres_url: PostgresUrl, revision: str
) -> None:
    await upgrade.apply(postgres_url, revision)
    cluster.psql(
        "DROP TABLE progress_snapshots; ALTER TABLE tasks DROP COLUMN current_phase", postgres_url.database, OWNER
    )

    with pytest.raises(DatabaseUnavailable) as refused:
        await upgrade.upgrade(postgres_url)

    assert all(word in str(refused.value) for word in (revision, "progress_snapshots, tasks.current_phase", "a backup"))
    assert cluster.psql("SELECT version_num FROM alembic_version", postgres_url.database) == revision
