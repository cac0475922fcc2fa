"""Databases that the application made, or that were stamped by half: all is there afterwards, or nothing is done."""

import hashlib
import json
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pcap_analyzer.errors import UnknownSchema
from pcap_analyzer.services import accounts
from pcap_analyzer.services.passwords import Passwords
from pcap_analyzer.store import upgrade
from pcap_analyzer.store.adoption import adopting
from pcap_analyzer.store.connections import on_connection
from pcap_analyzer.store.migrations.drift import differences
from pcap_analyzer.store.session import open_database
from pcap_analyzer.store.urls import DatabaseUrls, SqliteUrl
from tests.migrations import legacy
from tests.migrations.legacy import Age, build_chain, build_own

ALL = [
    pytest.param(lambda path: build_own(path, Age.OLDEST), id="oldest"),
    pytest.param(lambda path: build_own(path, Age.MIDDLE), id="middle"),
    pytest.param(lambda path: build_own(path, Age.LATER), id="later"),
    pytest.param(
        lambda path: build_own(path, Age.LATER, "CREATE TABLE alembic_version (version_num TEXT)"), id="empty stamp"
    ),
    pytest.param(lambda path: build_chain(path, 5, "UPDATE alembic_version SET version_num = 'c0989c735473'"),
                 id="columns of later revisions"),
    pytest.param(lambda path: build_chain(path, 4, "UPDATE alembic_version SET version_num = 'dcd3f75e61c2'"),
                 id="a table is missing"),
    pytest.param(lambda path: build_chain(path, 5, "DELETE FROM alembic_version"), id="stamp was deleted"),
]  # fmt: skip


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def asked(path: Path, statement: str) -> list[tuple[Any, ...]]:  # Any: values of whatever type
    with closing(sqlite3.connect(path)) as database:
        return database.execute(statement).fetchall()


@pytest.mark.parametrize("build", ALL)
async def test_every_row_is_accounted_for(tmp_path: Path, build: object) -> None:
    assert callable(build)
    url: SqliteUrl = build(tmp_path / "old.db")
    before, old = legacy.counts(url.path), digest(url.path)

    done = await upgrade.upgrade(url)

    after = legacy.counts(url.path)
    orphans = dict(asked(url.path, "SELECT table_name, count(*) FROM adopted_orphans GROUP BY 1"))
    assert {name: after[name] + orphans.get(name, 0) for name in before} == before
    assert orphans == {name: count for name, count in legacy.ORPHANS.items() if name in before}
    assert done.adopted is not None
    assert (done.adopted.rows, done.adopted.orphans) == (before, orphans)
    assert digest(done.adopted.kept) == old
    assert asked(url.path, "PRAGMA foreign_key_check") == []
    assert await on_connection(url, "test", differences) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "old.db",
        "old.db.before-adoption",
        "old.db.upgrade-lock",
    ]
    assert stat.S_IMODE(url.path.stat().st_mode) == stat.S_IMODE(done.adopted.kept.stat().st_mode) == 0o600


@pytest.mark.parametrize("build", ALL)
async def test_people_log_in_with_their_old_passwords(tmp_path: Path, build: object) -> None:
    assert callable(build)
    url: SqliteUrl = build(tmp_path / "old.db")
    await upgrade.upgrade(url)

    assert await let_in(DatabaseUrls(url, url)) == list(legacy.PASSWORDS)


async def let_in(urls: DatabaseUrls) -> list[str]:
    """The names of those whom the service lets in with their password."""
    database = open_database(urls)
    passwords, inside = Passwords(), []
    for name, password in legacy.PASSWORDS.items():
        found = await database.read(partial(accounts.credentials, login=name))
        checked = await passwords.check(found.hashed_password, password)
        wrong = await passwords.check(found.hashed_password, f"x{password}")
        if checked.right and not wrong.right:
            inside.append(name)
    await database.close()
    return inside


async def test_those_from_before_the_approval_count_as_approved_since_they_came(tmp_path: Path) -> None:
    url = build_own(tmp_path / "old.db", Age.OLDEST)

    await upgrade.upgrade(url)

    assert asked(url.path, "SELECT DISTINCT is_approved, approved_at = created_at, approved_by FROM users") == [
        (1, 1, None)
    ]


async def test_tasks_keep_what_was_found_and_end_where_nobody_can_go_on(tmp_path: Path) -> None:
    unknown = legacy.insert(
        "tasks", {"task_id": "A" * 32, "filename": "x", "status": "paused", "uploaded_at": "2024-01-01"}
    )
    url = build_own(tmp_path / "old.db", Age.LATER, unknown)

    await upgrade.upgrade(url)

    found = asked(
        url.path,
        "SELECT filename, status, owner_id, total_packets, health_score, report_html_path, report_json_path, "
        "analyzed_at, error_message FROM tasks ORDER BY filename",
    )
    unfinished = "This analysis was not finished when the database was taken over from an earlier release"
    assert found[0] == (
        "done.pcap", "completed", legacy.ANN, 2**31 - 1, 71.5, "data/results/x.html", "data/results/x.json",
        "2024-01-31T23:01:00.000000+00:00", None,
    )  # fmt: skip
    assert found[1][:3] == ("ownerless.pcap", "failed", None)
    assert found[2][:3] == ("running.pcap", "failed", legacy.ANN)
    assert str(found[2][8]).startswith(unfinished)
    assert str(found[3][8]).startswith(unfinished)
    assert str(found[3][8]).endswith("once before: no room")
    assert found[4][:2] == ("x", "failed")
    assert found[4][8] == 'An earlier release called its state "paused".'


async def test_what_has_no_form_of_today_is_in_the_audit_log(tmp_path: Path) -> None:
    url = build_own(
        tmp_path / "old.db",
        Age.LATER,
        f"UPDATE users SET created_at = 'yesterday', is_active = 'true' WHERE id = '{legacy.UMLAUT}'",
        f"UPDATE tasks SET analyzed_at = '31.02.2024', total_packets = 'many' WHERE task_id = '{legacy.DONE}'",
        f"UPDATE tasks SET filename = CAST(X'61ff0062' AS TEXT), uploaded_at = '' WHERE task_id = '{legacy.RUNNING}'",
        "UPDATE progress_snapshots SET packets_processed = 8589934592, total_packets = '12' WHERE id = 1",
    )

    await upgrade.upgrade(url)

    (summary, *details) = [
        json.loads(str(row[0])) for row in asked(url.path, "SELECT details FROM audit_log ORDER BY id")
    ]
    assert summary["old_file"] == "old.db.before-adoption"
    noted = {(entry["table"], note["key"]): note["stored"] for entry in details for note in entry["values_before"]}
    assert noted == {
        ("users", legacy.UMLAUT): {"created_at": "yesterday"},
        ("tasks", legacy.DONE): {"analyzed_at": "31.02.2024", "total_packets": "many"},
        ("tasks", legacy.OWNERLESS): {"owner_id": legacy.GONE},
    }
    task = f"FROM tasks WHERE task_id = '{legacy.RUNNING}'"
    assert asked(url.path, f"SELECT filename, uploaded_at {task}") == [
        ("a\\xff\\x00b", "2024-02-01T00:00:00.000000+00:00")
    ]
    assert asked(url.path, "SELECT packets_processed, total_packets FROM progress_snapshots WHERE id = 1") == [
        (2**33, 12)
    ]


async def test_keys_get_their_form_together_with_what_refers_to_them(tmp_path: Path) -> None:
    url = build_own(
        tmp_path / "old.db",
        Age.LATER,
        f"UPDATE users SET id = upper(id) WHERE id = '{legacy.ANN}'",
        f"UPDATE tasks SET task_id = replace(task_id, '-', '') WHERE task_id = '{legacy.DONE}'",
        f"UPDATE tasks SET task_id = 'number 7' WHERE task_id = '{legacy.RUNNING}'",
        f"UPDATE progress_snapshots SET task_id = 'number 7' WHERE task_id = '{legacy.RUNNING}'",
    )

    await upgrade.upgrade(url)

    assert asked(url.path, f"SELECT count(*) FROM users JOIN tasks ON owner_id = id WHERE id = '{legacy.ANN}'") == [
        (3,)
    ]
    snapshots = "SELECT filename, count(*) FROM progress_snapshots JOIN tasks USING (task_id) GROUP BY 1 ORDER BY 1"
    assert asked(url.path, snapshots) == [("done.pcap", 3), ("running.pcap", 1)]


async def test_rows_of_one_key_and_people_of_one_name_all_stay(tmp_path: Path) -> None:
    url = build_own(
        tmp_path / "old.db",
        Age.LATER,
        "DROP INDEX idx_users_username",
        f"UPDATE users SET username = 'ann' || CAST(X'00' AS TEXT) WHERE id = '{legacy.ANN}'",
        f"UPDATE users SET username = 'ann\\x00' WHERE id = '{legacy.OTHER_ANN}'",
        legacy.insert(
            "tasks", {"task_id": legacy.DONE.upper(), "filename": "twin", "status": "failed", "uploaded_at": 0}
        ),
        "INSERT INTO tasks (filename, status, uploaded_at) VALUES ('keyless', 'failed', '2024-01-01')",
    )

    await upgrade.upgrade(url)

    assert len(asked(url.path, "SELECT DISTINCT username FROM users")) == 4
    twins = asked(url.path, "SELECT filename, task_id FROM tasks WHERE filename IN ('twin', 'keyless', 'done.pcap')")
    assert len({key for _name, key in twins}) == 3
    assert ("done.pcap", legacy.DONE) in twins


UNKNOWN = {
    "another table": ["CREATE TABLE recipes (title TEXT)"],
    "another column": ["ALTER TABLE users ADD COLUMN shoe_size INTEGER"],
    "a column is missing": ["ALTER TABLE tasks DROP COLUMN filename"],
    "a table is missing": ["DROP TABLE users"],
    "write-ahead log": ["CREATE TABLE recipes (title TEXT)"],
}
SAYS = {
    "another table": "strange table recipes",
    "another column": "strange in users: shoe_size",
    "a column is missing": "missing in tasks: filename",
    "a table is missing": "missing table users",
    "write-ahead log": "strange table recipes",
}


@pytest.mark.parametrize("how", UNKNOWN)
async def test_what_is_unknown_is_refused_with_the_difference_and_not_touched(tmp_path: Path, how: str) -> None:
    url = build_own(tmp_path / "old.db", Age.LATER, *UNKNOWN[how])
    if how == "write-ahead log":
        asked(url.path, "PRAGMA journal_mode=WAL")
    before = digest(url.path)

    with pytest.raises(UnknownSchema, match=SAYS[how]):
        await upgrade.upgrade(url)

    assert digest(url.path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["old.db"]


def upgrading(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pcap_analyzer", "db", "upgrade"],
        env={**os.environ, "DATA_DIR": str(folder), "DATABASE_URL": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_command_says_what_was_adopted_and_an_unknown_file_ends_it_with_3(tmp_path: Path) -> None:
    for name in ("known", "unknown"):
        (tmp_path / name).mkdir()
    build_own(tmp_path / "known" / "pcap_analyzer.db", Age.LATER)
    build_own(tmp_path / "unknown" / "pcap_analyzer.db", Age.LATER, "CREATE TABLE recipes (title TEXT)")

    known, unknown = upgrading(tmp_path / "known"), upgrading(tmp_path / "unknown")
    said, complaint = known.communicate(timeout=60)[0], unknown.communicate(timeout=60)[1]

    assert (known.returncode, unknown.returncode) == (0, 3)
    assert "Adopted the database of an earlier release: 15 rows" in said
    assert "pcap_analyzer.db.before-adoption" in said
    assert "strange table recipes" in complaint


async def test_what_takes_long_says_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = build_own(tmp_path / "old.db", Age.LATER)
    monkeypatch.setattr(adopting, "TELL_EVERY_S", 0.0)
    steps: list[str] = []

    await upgrade.upgrade(url, on_step=steps.append)

    assert steps[0] == "old.db is of an earlier release: its rows are copied into a new file."
    assert "Copying progress_snapshots: 5 of 5 rows" in steps
    assert "Comparing users: 4 of 4 rows" in steps


@pytest.mark.parametrize(("age", "says"), [(Age.LATER, True), (Age.MIDDLE, False)])
async def test_secrets_in_clear_text_that_the_old_file_keeps_are_told(tmp_path: Path, age: Age, says: bool) -> None:
    url = build_own(tmp_path / "old.db", age)

    done = await upgrade.upgrade(url)

    assert done.adopted is not None
    assert ("holds two-factor secrets in clear text (1)" in done.adopted.sentence()) is says
