"""The way to head: backups, locks, refusals, and Alembic typed by hand."""

import hashlib
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from pcap_analyzer.errors import AppError, DatabaseUnavailable, StorageFull, UnknownSchema
from pcap_analyzer.store import backups, upgrade
from pcap_analyzer.store.urls import SqliteUrl
from tests.migrations import old

CHECKOUT = Path(__file__).parents[2]


def alembic(data_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "alembic", *arguments],
        cwd=CHECKOUT,
        env={**os.environ, "DATA_DIR": str(data_dir), "DATABASE_URL": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


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
    url = SqliteUrl(tmp_path / "newer.db")
    await upgrade.upgrade(url)
    with closing(sqlite3.connect(url.path)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")

    with pytest.raises(DatabaseUnavailable, match=r"ffffffffffff.*newer.*backup"):
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


async def test_alembic_typed_by_hand_upgrades_with_a_backup_and_finds_nothing_left_to_generate(tmp_path: Path) -> None:
    await old.build(tmp_path / "pcap_analyzer.db", old.CHAIN[0])

    upgraded = alembic(tmp_path, "upgrade", "head")
    checked = alembic(tmp_path, "check")

    assert upgraded.returncode == 0, upgraded.stderr
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "No new upgrade operations" in checked.stdout
    assert len(list(tmp_path.glob("*.backup-*"))) == 1


def test_alembic_typed_by_hand_says_what_is_wrong_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "pcap_analyzer.db").write_text("not a database, but long enough to be looked at as one" * 20)

    refused = alembic(tmp_path, "upgrade", "head")

    assert refused.returncode != 0
    assert "cannot be read as a SQLite database" in refused.stdout + refused.stderr
    assert "Traceback" not in refused.stderr


async def test_processes_that_upgrade_at_once_apply_each_revision_once(tmp_path: Path) -> None:
    url = await old.build(tmp_path / "old.db", old.CHAIN[0])
    program = (
        "import asyncio, sys; from pathlib import Path; from pcap_analyzer.store import upgrade; "
        "from pcap_analyzer.store.urls import SqliteUrl; asyncio.run(upgrade.upgrade(SqliteUrl(Path(sys.argv[1]))))"
    )

    racing = [subprocess.Popen([sys.executable, "-c", program, str(url.path)]) for _ in range(4)]

    assert [process.wait(60) for process in racing] == [0, 0, 0, 0]
    assert (await upgrade.probe(url)).revision == upgrade.head()
    assert len(list(tmp_path.glob("old.db.backup-*"))) == 1
