"""`pcap-analyzer users`, from a shell, on both databases."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pcap_analyzer.store.urls import DatabaseUrls, PostgresUrl
from tests.bouncer import PgBouncer
from tests.cli.command import COMMAND, environment, pcap_analyzer
from tests.databases import postgres_at_head
from tests.needs import need
from tests.postgres import Server

PASSWORD = "correct horse battery staple"


@pytest.fixture
def settings(database_urls: DatabaseUrls, tmp_path: Path) -> dict[str, str]:
    """The environment of a deployment whose database is at head."""
    return {"DATA_DIR": str(tmp_path), **_urls(database_urls)}


def _urls(urls: DatabaseUrls) -> dict[str, str]:
    if not isinstance(urls.main, PostgresUrl):
        return {"DATABASE_URL": f"sqlite:///{urls.main.path}"}
    url = urls.main.engine_url().set(drivername="postgresql").render_as_string(hide_password=False)
    return {"DATABASE_URL": url}


def create_admin(name: str, password: str = PASSWORD, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, "users", "create-admin", name, f"{name}@corp.example", "--password-stdin"],
        capture_output=True,
        encoding="utf-8",
        env=environment(**more),
        input=f"{password}\nnot this line",
        timeout=60,
        check=False,
    )


#: Command lines one after the other in one process, which spares each the start of Python.
ONE_PROCESS = """
import io, json, sys
from contextlib import redirect_stderr, redirect_stdout
from pcap_analyzer.cli.main import run
told, password = [], sys.argv[2].encode()
for line in json.loads(sys.argv[1]):
    sys.stdin = io.TextIOWrapper(io.BytesIO(password))
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2)]
    with redirect_stdout(streams[0]), redirect_stderr(streams[1]):
        code = run(line.split())
    told.append((code, *(stream.buffer.getvalue().decode() for stream in streams)))
json.dump(told, sys.stdout)
"""


def in_one_process(*lines: str, **more: str) -> list[tuple[int, str, str]]:
    """The exit code, stdout and stderr of each command line."""
    done = subprocess.run(
        [sys.executable, "-c", ONE_PROCESS, json.dumps(lines), PASSWORD],
        capture_output=True,
        encoding="utf-8",
        env=environment(**more),
        timeout=60,
        check=True,
    )
    return [(code, out, errors) for code, out, errors in json.loads(done.stdout)]


def test_an_administrator_is_made_listed_and_cannot_be_the_last_to_go(settings: dict[str, str]) -> None:
    made, again, listed, alone, _, suspended = in_one_process(
        "users create-admin root root@corp.example --password-stdin",
        "users create-admin ROOT ROOT@corp.example --password-stdin",
        "users list --json",
        "users suspend root",
        "users create-admin ada ada@corp.example --password-stdin",
        "users suspend ROOT@corp.example",
        **settings,
    )
    restored = pcap_analyzer("users", "approve", json.loads(listed[1])[0]["id"], **settings)

    assert (made[0], made[2]) == (0, "")
    assert "root <root@corp.example> is an administrator" in made[1]
    assert (again[0], "exists already" in again[2]) == (2, True)
    assert [(user["username"], user["status"], user["is_approved"]) for user in json.loads(listed[1])] == [
        ("root", "active", True)
    ]
    assert (alone[0], "last administrator" in alone[2]) == (2, True)
    assert (suspended[0], suspended[2]) == (0, "")
    assert (restored.returncode, restored.stderr) == (0, "")


def test_who_is_unknown_is_said_so(settings: dict[str, str]) -> None:
    for command in ("approve", "suspend"):
        done = pcap_analyzer("users", command, "nobody", **settings)
        assert (done.returncode, "There is no account 'nobody'" in done.stderr) == (2, True)


def test_an_administrator_can_be_made_before_the_service_has_ever_run(tmp_path: Path) -> None:
    made = create_admin("root", DATA_DIR=str(tmp_path / "data"))
    listed = pcap_analyzer("users", "list", DATA_DIR=str(tmp_path / "data"))
    pending = pcap_analyzer("users", "list", "--pending", DATA_DIR=str(tmp_path / "data"))

    assert (made.returncode, listed.returncode) == (0, 0)
    assert listed.stdout.splitlines()[1].split()[:4] == ["active", "root", "root@corp.example", "admin"]
    assert pending.stdout == "Nobody.\n"


def test_only_an_administrator_is_made_where_there_is_no_database(tmp_path: Path) -> None:
    for arguments in (["list"], ["approve", "ann"], ["suspend", "ann"]):
        done = pcap_analyzer("users", *arguments, DATA_DIR=str(tmp_path / "data"))
        assert (done.returncode, "There is no database" in done.stderr) == (5, True)

    assert list(tmp_path.iterdir()) == []


def test_people_are_looked_after_behind_pgbouncer(cluster: Server, tmp_path: Path) -> None:
    need("pgbouncer")
    database = postgres_at_head(cluster)
    with PgBouncer(cluster) as bouncer:
        pooled = {
            "DATABASE_URL": bouncer.database(database.name).app_url,
            "DATABASE_DIRECT_URL": database.owner_url,
            "DATABASE_PGBOUNCER": "true",
            "DATA_DIR": str(tmp_path),
        }
        made = create_admin("root", **pooled)
        listed = pcap_analyzer("users", "list", **pooled)

    cluster.drop_database(database.name)
    assert (made.returncode, made.stderr) == (0, "")
    assert (listed.returncode, "root@corp.example" in listed.stdout) == (0, True)


@pytest.mark.parametrize("password", ["", "short", "root@corp.example"])
def test_a_weak_password_is_refused_before_the_database_is_opened(tmp_path: Path, password: str) -> None:
    done = create_admin("root", password, DATA_DIR=str(tmp_path / "data"))

    assert done.returncode == 2
    assert "password" in done.stderr
    assert not (tmp_path / "data").exists()


def test_without_a_terminal_the_password_is_not_waited_for(tmp_path: Path) -> None:
    done = pcap_analyzer("users", "create-admin", "root", "root@corp.example", DATA_DIR=str(tmp_path))

    assert (done.returncode, "--password-stdin" in done.stderr) == (2, True)
