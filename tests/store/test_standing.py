"""A file that is not this release's is looked at by every command, and stays byte for byte the same."""

import asyncio
import hashlib
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from pcap_analyzer.errors import AppError
from pcap_analyzer.store.chain import head
from pcap_analyzer.store.engines import EngineOptions
from pcap_analyzer.store.facts import facts
from pcap_analyzer.store.standing import standing
from pcap_analyzer.store.urls import DatabaseUrls, SqliteUrl
from tests.cli.command import pcap_analyzer
from tests.head_database import at_head


def of_another_program(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE notes (text)")


def of_a_newer_release(path: Path) -> None:
    at_head(path)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")


def a_text(path: Path) -> None:
    path.write_text("Nothing of a database, and long enough to be taken for one. " * 99)


def state(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("made", "said", "not_said"),
    [
        (of_another_program, "strange table notes", "db upgrade"),
        (of_a_newer_release, "of a newer release", "run `pcap-analyzer db upgrade`"),
        (a_text, "cannot be read as a SQLite database", "damaged"),
    ],
)
def test_no_command_changes_what_it_does_not_know(
    tmp_path: Path, made: Callable[[Path], None], said: str, not_said: str
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    made(folder / "pcap_analyzer.db")
    before = state(folder)
    environment = {"DATA_DIR": str(folder)}

    info = pcap_analyzer("db", "info", **environment)
    verify = pcap_analyzer("db", "verify", **environment)
    backup = pcap_analyzer("db", "backup", "--to", tmp_path / "kept.db", **environment)
    users = pcap_analyzer("users", "list", **environment)

    assert state(folder) == before
    for done in (info, verify):
        shown = " ".join((done.stdout + done.stderr).split())
        assert (said in shown, not_said in shown) == (True, False), shown
    assert verify.returncode == 2
    assert users.returncode in (3, 5)
    assert backup.returncode == (5 if made is a_text else 0)


def test_places_that_hold_no_database_are_told_apart(tmp_path: Path) -> None:
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.touch()
    folder.mkdir()

    with pytest.raises(AppError, match="is no folder: set DATA_DIR"):
        standing(file / "pcap_analyzer.db")
    with pytest.raises(AppError, match="is a folder and no database file"):
        standing(folder)
    assert (standing(folder / "x.db").exists, standing(folder / "x.db").revision) == (False, None)


def test_a_file_at_head_needs_nothing(tmp_path: Path) -> None:
    found = standing(at_head(tmp_path / "x.db").path)

    assert (found.revision, found.advice) == (head(), None)


def test_what_cannot_be_written_is_told_of_and_not_opened(tmp_path: Path) -> None:
    path = at_head(tmp_path / "x.db").path
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("os.access", lambda place, mode, **_: mode != os.W_OK or Path(place) != tmp_path)
        found = asyncio.run(facts(DatabaseUrls(SqliteUrl(path), SqliteUrl(path)), EngineOptions()))

    assert found.at_head
    assert [f"{tmp_path} cannot be written" in warning for warning in found.warnings] == [True]
