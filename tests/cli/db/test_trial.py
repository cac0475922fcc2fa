"""`pcap-analyzer db verify --migrations` and `python verify_migration.py`, from a shell."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import environment, pcap_analyzer
from tests.postgres import OWNER, Server

ROOT = Path(__file__).parents[3]
THINGS = 10  # in six steps


def test_the_script_of_the_checkout_tries_every_step_and_leaves_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "verify_migration.py"],
        cwd=tmp_path,
        env=environment(TMPDIR=str(tmp_path), PYTHONPATH=""),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout + done.stderr
    assert lines[-1] == "ALL VERIFICATION CHECKS PASSED"
    tried = [line for line in lines if line[1:3] == "/6"]
    assert [line[0] for line in tried] == list("1233344456")
    assert all(line.endswith(": OK") for line in tried)
    assert list(tmp_path.iterdir()) == []


def test_without_the_package_the_script_says_how_to_install_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-I", ROOT / "verify_migration.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, "make setup" in done.stderr) == (2, True)


def test_postgresql_is_tried_in_an_empty_database_which_is_empty_again(cluster: Server) -> None:
    database = cluster.create_database()

    done = pcap_analyzer("db", "verify", "--migrations", "--scratch-database", database.owner_url)

    left = cluster.psql(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace UNION ALL "
        "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace UNION ALL "
        "SELECT extname FROM pg_extension WHERE extname <> 'plpgsql'",
        database.name,
    )
    cluster.drop_database(database.name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(": OK\n") == THINGS
    assert OWNER.password not in done.stdout
    assert left == ""


@pytest.mark.parametrize("made", ["CREATE TABLE kept (id int)", "CREATE SEQUENCE kept", "CREATE VIEW kept AS SELECT 1"])
def test_a_database_that_is_not_empty_is_refused_and_left_alone(cluster: Server, made: str) -> None:
    database = cluster.create_database()
    cluster.psql(made, database.name, OWNER)

    done = pcap_analyzer("db", "verify", "--migrations", "--scratch-database", database.owner_url)

    assert (done.returncode, "is not empty (kept)" in done.stderr) == (2, True)
    assert cluster.psql("SELECT to_regclass('kept')", database.name) == "kept"
    cluster.drop_database(database.name)


def test_a_failing_step_ends_with_2_and_names_what_failed(cluster: Server) -> None:
    database = cluster.create_database()
    cluster.psql("REVOKE CREATE ON SCHEMA public FROM PUBLIC; ALTER SCHEMA public OWNER TO CURRENT_USER", database.name)

    done = pcap_analyzer("db", "verify", "--migrations", "--scratch-database", database.owner_url)

    cluster.drop_database(database.name)
    assert done.returncode == 2
    assert "2/6  the chain of revisions" in done.stdout
    assert "FAILED" in done.stdout
    assert "PASSED" not in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [["--scratch-database", "postgresql://a@b/c"], ["--migrations", "--scratch-database", "sqlite:///x.db"]],
)
def test_a_scratch_database_belongs_to_a_trial_on_postgresql(arguments: list[str]) -> None:
    assert pcap_analyzer("db", "verify", *arguments).returncode == 2
