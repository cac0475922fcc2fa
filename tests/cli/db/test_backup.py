"""`pcap-analyzer db backup` and `db restore`, from a shell: what comes back is what was there."""

import hashlib
import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from pcap_analyzer.errors import Conflict
from pcap_analyzer.store import restoring
from pcap_analyzer.store.dumps import environment as libpq
from pcap_analyzer.store.urls import PostgresUrl, parse_url
from tests.cli.command import pcap_analyzer
from tests.databases import postgres_at_head
from tests.head_database import at_head
from tests.needs import need
from tests.postgres import OWNER, Server

PEOPLE = (
    "INSERT INTO users (id, username, email, hashed_password, role, is_active, is_approved, created_at, "
    "password_must_change, is_2fa_enabled) VALUES "
    "('7c5c1e2e-3ddc-4d4c-9ed6-4d5a7dd2a001', 'ann', 'ann@example.org', '!', 'user', true, true, "
    "'2026-01-02 00:00:00.000000+00:00', false, false)"
)
ENTRY = "INSERT INTO audit_log (at, action, actor_name) VALUES ('2026-01-02 00:00:00.000000+00:00', 'a', 'Ann ☃')"


def run(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def dump_of(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return hashlib.sha256("\n".join(connection.iterdump()).encode()).hexdigest()


def dump_of_server(url: str) -> str:
    """What pg_dump writes, but for the lines that are new in each dump, and for casts of lists of words.

    PostgreSQL keeps `word IN ('a', 'b')` as it parsed it, and parses what it prints of that to other casts.
    """
    parsed = parse_url(url, data_dir=Path())
    assert isinstance(parsed, PostgresUrl)
    done = subprocess.run(
        ["pg_dump", "--no-owner", "--no-privileges", "--no-comments"],
        env=libpq(parsed),
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )
    kept = [
        re.sub(r"::character varying|::text|\[\]|[()]", "", line) if "ARRAY[" in line else line
        for line in done.stdout.splitlines()
        if not line.startswith(("\\", "--"))
    ]
    return hashlib.sha256("\n".join(kept).encode()).hexdigest()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = at_head(tmp_path / "data" / "pcap_analyzer.db").path
    run(path, PEOPLE, ENTRY)
    return path


def test_a_file_comes_back_as_it_was_and_what_it_replaced_is_kept(database: Path, tmp_path: Path) -> None:
    environment = {"DATA_DIR": str(database.parent)}
    target = tmp_path / "kept.db"
    before = dump_of(database)

    saved = pcap_analyzer("db", "backup", "--to", target, **environment)
    run(database, "DELETE FROM users")
    changed = dump_of(database)
    restored = pcap_analyzer("db", "restore", target, "--yes", **environment)

    assert (saved.returncode, restored.returncode) == (0, 0), saved.stderr + restored.stderr
    assert (dump_of(target), dump_of(database)) == (before, before)
    assert target.stat().st_mode & 0o777 == 0o600
    assert dump_of(database.with_name("pcap_analyzer.db.before-restore")) == changed
    for named in ("captures", "results", "secret.key"):
        assert str(database.parent / named) in saved.stdout


def test_a_backup_is_never_written_over_a_file(database: Path, tmp_path: Path) -> None:
    target = tmp_path / "there"
    target.write_text("mine")

    done = pcap_analyzer("db", "backup", "--to", target, DATA_DIR=str(database.parent))

    assert (done.returncode, target.read_text()) == (2, "mine")


def test_a_damaged_backup_or_a_strange_file_changes_nothing(database: Path, tmp_path: Path) -> None:
    damaged, strange = tmp_path / "damaged.db", tmp_path / "strange.db"
    whole = database.read_bytes()
    damaged.write_bytes(whole[:8192] + b"\xff" * (len(whole) - 8192))
    run(strange, "CREATE TABLE notes (id int)")

    codes = [
        pcap_analyzer("db", "restore", file, "--yes", DATA_DIR=str(database.parent)).returncode
        for file in (damaged, strange, tmp_path / "gone.db")
    ]

    assert codes == [5, 3, 2]
    assert database.read_bytes() == whole
    assert sorted(path.name for path in database.parent.iterdir()) == [
        "pcap_analyzer.db",
        "pcap_analyzer.db.upgrade-lock",
        "serve.lock",
    ]


def test_a_backup_of_a_newer_release_is_refused(database: Path, tmp_path: Path) -> None:
    newer = tmp_path / "newer.db"
    shutil.copy(database, newer)
    run(newer, "UPDATE alembic_version SET version_num = 'ffffffffffff'")

    done = pcap_analyzer("db", "restore", newer, "--yes", DATA_DIR=str(database.parent))

    assert (done.returncode, "ffffffffffff" in done.stderr) == (5, True)


def test_nothing_is_restored_while_the_service_runs_or_without_a_yes(database: Path) -> None:
    environment = {"DATA_DIR": str(database.parent)}
    backup = database.with_name("kept.db")
    shutil.copy(database, backup)
    before = database.read_bytes()

    unasked = pcap_analyzer("db", "restore", backup, **environment)
    with subprocess.Popen(
        ["flock", "--shared", database.with_name("serve.lock"), "sh", "-c", "echo held; exec cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as service:
        assert service.stdout is not None
        service.stdout.readline()
        held = pcap_analyzer("db", "restore", backup, "--yes", **environment)

    assert (unasked.returncode, "--yes" in unasked.stderr) == (2, True)
    assert (held.returncode, "stop it" in held.stderr) == (2, True)
    assert database.read_bytes() == before


def test_what_a_killed_writer_left_is_not_applied_to_the_restored_file(database: Path, tmp_path: Path) -> None:
    backup = tmp_path / "kept.db"
    shutil.copy(database, backup)
    hot = database.with_name("pcap_analyzer.db-journal")
    hot.write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + b"\xff" * 1016)

    done = pcap_analyzer("db", "restore", backup, "--yes", DATA_DIR=str(database.parent))

    assert done.returncode == 0, done.stderr
    assert not hot.exists() or hot.stat().st_size == 0
    assert dump_of(database) == dump_of(backup)


def test_where_no_file_has_a_second_name_it_is_copied(database: Path, tmp_path: Path) -> None:
    target = tmp_path / "kept.db"
    before = dump_of(database)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("os.link", no_second_name)
        restoring.save(database, target)
        run(database, "DELETE FROM users")
        changed = dump_of(database)
        done = restoring.restore(target, database, database.with_name("serve.lock"))
        with pytest.raises(Conflict):
            restoring.save(database, target)

    assert (dump_of(target), dump_of(database)) == (before, before)
    assert done.replaced is not None
    assert (dump_of(done.replaced), done.replaced.stat().st_mode & 0o777) == (changed, 0o600)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def no_second_name(*_: Path) -> None:
    raise PermissionError(1, "Operation not permitted")


def test_a_file_of_the_wrong_kind_is_refused_alike_on_both(cluster: Server, database: Path, tmp_path: Path) -> None:
    made = cluster.create_database()
    text = tmp_path / "text"
    text.write_text("Nothing of a database, and long enough to be taken for one. " * 99)

    codes = [
        pcap_analyzer("db", "restore", text, "--yes", **urls, DATA_DIR=str(database.parent)).returncode
        for urls in ({}, {"DATABASE_URL": made.owner_url})
    ]

    cluster.drop_database(made.name)
    assert codes == [3, 3]


@pytest.mark.parametrize("way", ["elsewhere", "clean"])
def test_a_server_comes_back_as_it_was(cluster: Server, tmp_path: Path, way: str) -> None:
    need("postgresql")
    made = postgres_at_head(cluster)
    empty = cluster.create_database()
    cluster.psql(f"{PEOPLE}; {ENTRY}", made.name, OWNER)
    before = dump_of_server(made.owner_url)
    target = tmp_path / "kept.dump"
    from_app = {"DATABASE_URL": made.app_url, "DATABASE_DIRECT_URL": made.owner_url, "DATA_DIR": str(tmp_path)}

    saved = pcap_analyzer("db", "backup", "--to", target, **from_app)
    cluster.psql("DELETE FROM users; CREATE TABLE later (id int REFERENCES outbox)", made.name, OWNER)
    refused = pcap_analyzer("db", "restore", target, "--yes", **from_app)
    if way == "clean":
        restored = pcap_analyzer("db", "restore", target, "--yes", "--clean", **from_app)
        after = dump_of_server(made.owner_url)
    else:
        restored = pcap_analyzer("db", "restore", target, "--yes", DATABASE_URL=empty.owner_url)
        after = dump_of_server(empty.owner_url)

    for name in (made.name, empty.name):
        cluster.drop_database(name)
    assert saved.returncode == 0, saved.stderr
    assert target.stat().st_mode & 0o777 == 0o600
    assert (refused.returncode, "is not empty" in refused.stderr) == (2, True)
    assert restored.returncode == 0, restored.stderr
    assert after == before
    for done in (saved, refused, restored):
        assert OWNER.password not in done.stdout + done.stderr


def test_a_damaged_dump_changes_nothing_on_a_server(cluster: Server, tmp_path: Path) -> None:
    made = postgres_at_head(cluster)
    cluster.psql(ENTRY, made.name, OWNER)
    target, cut, strange = tmp_path / "kept.dump", tmp_path / "cut.dump", tmp_path / "strange.dump"
    environment = {"DATABASE_URL": made.owner_url, "DATA_DIR": str(tmp_path)}
    assert pcap_analyzer("db", "backup", "--to", target, **environment).returncode == 0
    before = dump_of_server(made.owner_url)
    whole = target.read_bytes()
    cut.write_bytes(whole[: len(whole) - 40])
    strange.write_text("-- a script")

    short = tmp_path / "short.dump"
    short.write_bytes(whole[:100])

    done = [pcap_analyzer("db", "restore", file, "--yes", "--clean", **environment) for file in (cut, short, strange)]

    assert [each.returncode for each in done] == [5, 5, 3]
    assert all("Nothing was changed." in each.stderr for each in done)
    assert dump_of_server(made.owner_url) == before
    cluster.drop_database(made.name)


def test_without_pg_dump_a_sentence_says_what_to_install(cluster: Server, tmp_path: Path) -> None:
    made = cluster.create_database()
    old = tmp_path / "pg_dump"
    old.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.1'\n")
    old.chmod(0o755)
    environment = {"DATABASE_URL": made.owner_url, "DATA_DIR": str(tmp_path)}

    missing = pcap_analyzer("db", "backup", "--to", tmp_path / "x", **environment, PATH="/nonexistent")
    older = pcap_analyzer("db", "backup", "--to", tmp_path / "x", **environment, PATH=f"{tmp_path}:/usr/bin:/bin")

    cluster.drop_database(made.name)
    assert (missing.returncode, "pg_dump is not installed" in missing.stderr) == (2, True)
    assert (older.returncode, "pg_dump is of version 9" in older.stderr) == (2, True)
    assert not (tmp_path / "x").exists()
