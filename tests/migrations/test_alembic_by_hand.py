"""Alembic, typed by hand in the checkout, on both databases."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from pcap_analyzer.store import chain, upgrade
from pcap_analyzer.store.urls import DatabaseUrl, SqliteUrl
from tests.migrations import legacy, old, programs, seeds


def alembic(url: DatabaseUrl, *arguments: str) -> str:
    """What it printed; raises CalledProcessError with what it complained of."""
    done = subprocess.run(
        [sys.executable, "-m", "alembic", *arguments],
        cwd=programs.CHECKOUT,
        env={**os.environ, "DATABASE_URL": programs.written(url)},
        capture_output=True,
        text=True,
        timeout=programs.WITHIN_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return done.stdout


async def test_it_upgrades_and_finds_nothing_left_to_generate(url: DatabaseUrl) -> None:
    await upgrade.apply(url, old.CHAIN[0])

    upgraded = alembic(url, "upgrade", "head")
    current = alembic(url, "current")

    assert f"up to {chain.head()}" in upgraded
    assert current == f"{chain.head()} (head)\n"
    assert "No new upgrade operations" in alembic(url, "check")


async def test_on_sqlite_it_makes_a_backup(tmp_path: Path) -> None:
    url = await old.build(tmp_path / "old.db", old.CHAIN[0])

    alembic(url, "upgrade", "head")

    assert len(list(tmp_path.glob("*.backup-*"))) == 1


async def test_it_goes_back_only_with_leave_to_lose_rows(url: DatabaseUrl) -> None:
    await upgrade.apply(url, "head")
    await seeds.sow(url, chain.head())

    with pytest.raises(RuntimeError, match="allow_data_loss=yes"):
        alembic(url, "downgrade", old.CHAIN[-1])
    alembic(url, "-x", "allow_data_loss=yes", "downgrade", old.CHAIN[-1])

    assert (await upgrade.probe(url)).revision == old.CHAIN[-1]


@pytest.mark.parametrize("answer", ["no", "perhaps"])
async def test_an_answer_other_than_yes_loses_no_rows(url: DatabaseUrl, answer: str) -> None:
    await upgrade.apply(url, "head")
    await seeds.sow(url, chain.head())

    with pytest.raises(RuntimeError, match=r"allow_data_loss=yes|it is yes or no"):
        alembic(url, "-x", f"allow_data_loss={answer}", "downgrade", old.CHAIN[-1])

    assert (await upgrade.probe(url)).revision == chain.head()


async def test_a_stamp_is_not_said_to_be_applied(tmp_path: Path) -> None:
    url = SqliteUrl(tmp_path / "test.db")
    await upgrade.apply(url, "head")

    said = alembic(url, "stamp", chain.revisions()[-2])

    assert f"only stamped {chain.revisions()[-2]}" in said
    assert " to " not in said


def test_a_database_that_is_none_yet_is_one_sentence(tmp_path: Path) -> None:
    url = SqliteUrl(tmp_path / "none.db")

    with pytest.raises(RuntimeError) as refused:
        alembic(url, "current")

    assert "There is no file" in str(refused.value)
    assert "Traceback" not in str(refused.value)
    assert not url.path.exists()


async def test_looking_at_a_file_of_an_earlier_release_changes_nothing(tmp_path: Path) -> None:
    url = legacy.build_own(tmp_path / "old.db", legacy.Age.LATER)
    with closing(sqlite3.connect(url.path)) as database:
        database.execute("PRAGMA journal_mode=WAL")
    before = url.path.read_bytes()

    with pytest.raises(RuntimeError, match="earlier release"):
        alembic(url, "current")

    assert url.path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["old.db"]


def test_its_history_reads_like_a_list(tmp_path: Path) -> None:
    lines = alembic(SqliteUrl(tmp_path / "none.db"), "history").splitlines()

    assert len(lines) == len(chain.revisions())
    assert lines[-1].startswith("<base> -> eba0e1bcc7ec, Initial schema with user approval")


@pytest.mark.parametrize("command", [("upgrade", "head"), ("current",)])
def test_it_says_what_is_wrong_in_a_sentence(tmp_path: Path, command: tuple[str, ...]) -> None:
    url = SqliteUrl(tmp_path / "text.db")
    url.path.write_text("not a database, but long enough to be looked at as one" * 20)

    with pytest.raises(RuntimeError) as refused:
        alembic(url, *command)

    assert "cannot be read as a SQLite database" in str(refused.value)
    assert "Traceback" not in str(refused.value)


def test_sql_for_sqlite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="SQL is written for PostgreSQL"):
        alembic(SqliteUrl(tmp_path / "none.db"), "upgrade", "head", "--sql")
