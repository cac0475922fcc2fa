"""`pcap-analyzer db copy`, from a shell."""

from __future__ import annotations

import fcntl
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest

from pcap_analyzer.cli.main import run
from pcap_analyzer.store.urls import SqliteUrl
from tests.cli.command import pcap_analyzer
from tests.databases import postgres_at_head
from tests.head_database import at_head
from tests.postgres import OWNER, Server
from tests.store.transfer.seed import GONE, TASKS, seeded

SECRET = "topsecret"  # what must not be shown
NOWHERE = f"postgresql://me:{SECRET}@127.0.0.1:1/name"


@pytest.fixture
def source(tmp_path: Path) -> SqliteUrl:
    return seeded(tmp_path / "source.db", progress_rows=20)


@pytest.fixture
def target(tmp_path: Path) -> SqliteUrl:
    return at_head(tmp_path / "target.db")


def test_a_copy_says_what_it_did_and_writes_a_report(source: SqliteUrl, target: SqliteUrl, tmp_path: Path) -> None:
    file = tmp_path / "report.json"

    done = pcap_analyzer("db", "copy", "--from", source.shown, "--to", target.shown, "--report", file)

    report = json.loads(file.read_text())
    assert (done.returncode, done.stderr) == (0, "")
    assert "progress_snapshots: 20 rows, 20 in the target: equal" in done.stdout
    assert "keep DATA_DIR where it is" in done.stdout
    assert (report["result"], report["mode"], report["preflight"]["files_named_by_tasks"]["report_key"]) == (
        "equal",
        "copy",
        30,
    )
    assert file.stat().st_mode & 0o077 == 0


def test_all_problems_are_in_the_report_and_the_first_are_shown(
    source: SqliteUrl, target: SqliteUrl, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(source.path)) as database, database:
        database.execute(f"UPDATE tasks SET owner_id = '{GONE}'")
        database.execute("UPDATE setup_links SET id = 'first'")
    file = tmp_path / "report.json"

    done = pcap_analyzer("db", "copy", "--from", source.shown, "--to", target.shown, "--report", file, "--quiet")

    assert (done.returncode, done.stdout) == (2, "")
    assert "setup_links first: id is no UUID: first (repair it in the source)" in done.stderr
    assert (
        f"tasks {TASKS[0]}: owner_id refers to a row of users that is not there: {GONE} (--fix orphans)" in done.stderr
    )
    assert "and 21 more: see" in done.stderr
    assert "41 problems in the source; nothing was copied" in done.stderr
    assert len(json.loads(file.read_text())["preflight"]["problems"]) == 41


def test_a_difference_is_named_with_table_and_key(source: SqliteUrl, target: SqliteUrl, tmp_path: Path) -> None:
    both = ("--from", source.shown, "--to", target.shown, "--report", tmp_path / "report.json")
    pcap_analyzer("db", "copy", *both)
    with closing(sqlite3.connect(target.path)) as database, database:
        database.execute("UPDATE progress_snapshots SET message = 'x' WHERE id = 4")

    done = pcap_analyzer("db", "copy", "--verify-only", *both)

    assert done.returncode == 2
    assert "The databases differ in 1 row" in done.stderr
    assert "progress_snapshots 4 differs in message" in done.stderr


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("--from", "{source}", "--to", NOWHERE), "cannot be reached"),
        (("--from", NOWHERE, "--to", "{source}"), "cannot be reached"),
        (("--from", "{source}", "--to", NOWHERE + "?sslcert=x"), "parameters besides host"),
        (("--from", "{source}", "--to", NOWHERE.replace(":1/", ":port/")), "no port"),
        (("--from", "{source}", "--to", f"me:{SECRET}@host/name"), "no database URL"),
        (("--from", "{source}", "--to", "{source}", NOWHERE), "after --from and --to"),
        (("--from", "{source}", "--to", "{source}", "--fix", NOWHERE), "--fix knows"),
        (("--from", "{source}", "--to", "{source}", "--report", NOWHERE), "names a file"),
        (("--from", "{source}", "--too", NOWHERE), "No such option"),
    ],
)
def test_no_error_shows_a_password(source: SqliteUrl, tmp_path: Path, typed: tuple[str, ...], said: str) -> None:
    arguments = [argument.format(source=source.shown) for argument in typed]

    done = pcap_analyzer("db", "copy", *arguments, PCAP_ANALYZER_DEBUG="1")

    assert done.returncode in (2, 5)
    assert said in done.stderr
    assert SECRET not in done.stderr + done.stdout


def test_without_a_target_the_settings_name_it_and_no_password_is_an_argument(
    cluster: Server, source: SqliteUrl, tmp_path: Path
) -> None:
    database = postgres_at_head(cluster)
    without = database.owner_url.replace(quote(OWNER.password, safe=""), "").replace(":@", "@")
    urls = {"DATABASE_URL": database.app_url, "DATABASE_DIRECT_URL": without, "PGPASSWORD": OWNER.password}
    file = tmp_path / "report.json"

    done = pcap_analyzer("db", "copy", "--from", source.shown, "--report", file, **urls)
    unset = pcap_analyzer("db", "copy", "--from", source.shown, DATABASE_URL=source.shown)

    cluster.drop_database(database.name)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(file.read_text())["target"] == without
    assert (unset.returncode, "Without --to the target is DATABASE_URL" in unset.stderr) == (2, True)


def test_the_service_of_the_settings_is_kept_out(source: SqliteUrl, target: SqliteUrl, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with (data / "serve.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        both = ("--from", source.shown, "--to", target.shown)
        done = pcap_analyzer("db", "copy", *both, DATABASE_URL=source.shown, DATA_DIR=str(data))

    assert (done.returncode, "A service runs on the folder of the source" in done.stderr) == (2, True)


def test_who_interrupts_a_copy_is_told_how_it_goes_on(
    source: SqliteUrl, target: SqliteUrl, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pcap_analyzer.cli.db.copy.carry_out", interrupted)

    code = run(["db", "copy", "--from", source.shown, "--to", target.shown])

    assert (code, "goes on with --resume" in capsys.readouterr().err) == (130, True)


def test_the_help_documents_every_repair() -> None:
    done = pcap_analyzer("db", "copy", "--help")

    for name in ("orphans", "nul", "overlong", "numbers", "booleans", "dates", "json", "uuids", "words", "case"):
        assert f"--fix {name} " in done.stdout
