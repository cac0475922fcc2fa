"""The service waits for its PostgreSQL, says so meanwhile, and gives up with a sentence."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from pcap_analyzer.errors import DatabaseUnavailable
from pcap_analyzer.settings import Settings
from pcap_analyzer.store import session, upgrade
from pcap_analyzer.store.chain import head, previous
from pcap_analyzer.web.opening import Opening
from pcap_analyzer.web.runtime import open_runtime
from tests.daemons import free_port
from tests.databases import postgres_at_head
from tests.needs import need
from tests.postgres import APP, Cluster, Server
from tests.web.service_process import COMMAND, environment, wait_until

SERVE = COMMAND[:-2]
UVICORN = (sys.executable, "-m", "uvicorn", "app.main:app")
PAGE = {"Accept": "text/html"}


@contextmanager
def started(folder: Path, command: tuple[str, ...], port: int, **more: str) -> Iterator[subprocess.Popen[bytes]]:
    """A service that need not be ready; killed at the end if it still runs."""
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            cwd=Path(__file__).parents[2],
            env=environment(DATA_DIR=str(folder / "data"), **more),
            stdout=said,
            stderr=said,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def status(client: httpx.Client, path: str) -> int:
    try:
        return client.get(path).status_code
    except httpx.TransportError:
        return 0


@pytest.mark.parametrize("command", [SERVE, UVICORN], ids=["serve", "uvicorn"])
def test_while_the_database_is_down_the_service_lives_and_says_so(tmp_path: Path, command: tuple[str, ...]) -> None:
    need("postgresql")
    port = free_port()
    with Cluster() as cluster:
        made = postgres_at_head(cluster)
        cluster.stop()
        urls = {"DATABASE_URL": made.app_url, "DATABASE_DIRECT_URL": made.owner_url}
        with started(tmp_path, command, port, **urls), httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            wait_until(lambda: status(client, "/health/live") == 200)
            ready = client.get("/health/ready")
            page, problem = client.get("/", headers=PAGE), client.get("/api/v1/tasks")
            style = client.get("/static/nothing")
            cluster.start()
            wait_until(lambda: status(client, "/health/ready") == 200)
            login = client.get("/login", headers=PAGE)
        said = (tmp_path / "said").read_text()

    assert ready.status_code == 503
    assert ready.json()["database"] == "The database cannot be reached: try again in a moment."
    assert (page.status_code, problem.status_code, style.status_code) == (503, 503, 404)
    assert page.headers["retry-after"] == problem.headers["retry-after"] == "5"
    assert "not ready" in page.text
    assert problem.headers["content-type"] == "application/problem+json"
    assert login.status_code == 200
    assert "/setup/" in said
    assert f"127.0.0.1:{cluster.port}" in said
    assert APP.password not in said


@pytest.mark.parametrize("command", [SERVE, UVICORN], ids=["serve", "uvicorn"])
def test_who_is_told_to_stop_while_it_waits_stops(tmp_path: Path, command: tuple[str, ...]) -> None:
    port = free_port()
    with (
        started(tmp_path, command, port, DATABASE_URL="postgresql://u:hidden@127.0.0.1:1/x") as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        wait_until(lambda: status(client, "/health/live") == 200)
        process.send_signal(signal.SIGTERM)
        code = process.wait(30)

    assert code in {0, -signal.SIGTERM}
    assert "hidden" not in (tmp_path / "said").read_text()
    assert "Traceback" not in (tmp_path / "said").read_text()


async def test_after_its_patience_the_start_fails_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session.wait_for_database, "__kwdefaults__", {"patience_s": 0.5})
    settings = Settings(data_dir=tmp_path, database_url="postgresql://u:hidden@127.0.0.1:1/x")

    async with Opening(settings) as opening:
        with pytest.raises(DatabaseUnavailable, match=r"could not be reached for 0\.5 s") as failed:
            await opening.opened()

    assert "hidden" not in str(failed.value)


async def test_a_database_behind_is_refused_with_both_revisions_and_the_command(
    cluster: Server, tmp_path: Path
) -> None:
    made = postgres_at_head(cluster)
    behind = str(previous(head()))
    cluster.psql(f"UPDATE alembic_version SET version_num = '{behind}'", database=made.name)

    with pytest.raises(DatabaseUnavailable) as refused:
        async with open_runtime(Settings(data_dir=tmp_path, database_url=made.app_url)):
            pass
    cluster.drop_database(made.name)

    for named in (behind, upgrade.head(), "pcap-analyzer db upgrade"):
        assert named in str(refused.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "database.invalid"])
def test_neither_the_service_nor_alembic_tells_a_password(cluster: Server, tmp_path: Path, host: str) -> None:
    """It is wrong at 127.0.0.1, and nobody is at the other."""
    url = f"postgresql://{APP.name}:sec%25ret%40%3A@{host}:{cluster.port}/postgres"
    said = ""
    for command in (("-m", "pcap_analyzer", "db", "upgrade"), ("-m", "alembic", "upgrade", "head")):
        done = subprocess.run(
            [sys.executable, *command],
            cwd=Path(__file__).parents[2],
            env=environment(DATABASE_URL=url),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        said += done.stdout + done.stderr
        assert done.returncode != 0
    with started(tmp_path, SERVE, free_port(), DATABASE_URL=url) as process:
        wait_until(lambda: (tmp_path / "said").read_text() or process.poll() is not None)
    said += (tmp_path / "said").read_text()

    assert said
    assert "sec%ret" not in said
    assert "sec%25ret" not in said


def test_umask_and_folder_are_shared_by_two_services_of_one_postgresql(cluster: Server, tmp_path: Path) -> None:
    made = postgres_at_head(cluster)
    urls = {"DATABASE_URL": made.app_url, "DATABASE_DIRECT_URL": made.owner_url}
    (tmp_path / "second").mkdir()
    ports = free_port(), free_port()
    with (
        started(tmp_path, SERVE, ports[0], **urls),
        httpx.Client(base_url=f"http://127.0.0.1:{ports[0]}") as first,
    ):
        wait_until(lambda: status(first, "/health/ready") == 200)
        (tmp_path / "second" / "data").symlink_to(tmp_path / "data")
        with (
            started(tmp_path / "second", SERVE, ports[1], **urls),
            httpx.Client(base_url=f"http://127.0.0.1:{ports[1]}") as second,
        ):
            wait_until(lambda: status(second, "/health/ready") == 200)
            queues = first.get("/health/ready").json()["queue"], second.get("/health/ready").json()["queue"]
    cluster.drop_database(made.name)

    assert [queue["runs"] for queue in queues] == ["here", "elsewhere"]
