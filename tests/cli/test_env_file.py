"""DATABASE_URL in a file `.env` is enough for the service, for the commands, and for Alembic typed by hand."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import Server
from tests.web.service_process import COMMAND, environment, service

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0


@pytest.fixture(params=["sqlite", "postgresql"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A working directory whose .env names a new database."""
    if request.param == "sqlite":
        (tmp_path / ".env").write_text(f"DATABASE_URL=sqlite:///{tmp_path}/elsewhere.db\n")
        yield tmp_path
        return
    cluster: Server = request.getfixturevalue("cluster")
    database = cluster.create_database()
    (tmp_path / ".env").write_text(f"DATABASE_URL={database.owner_url}\nDATABASE_SSL_MODE=disable\n")
    yield tmp_path
    cluster.drop_database(database.name)


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_file_names_the_database_for_everybody(folder: Path, request: pytest.FixtureRequest) -> None:
    alembic = (str(Path(sys.executable).with_name("alembic")), "-c", str(ROOT / "alembic.ini"))

    run(folder, *alembic, "upgrade", "head")
    current = run(folder, *alembic, "current")
    info = json.loads(run(folder, sys.executable, "-m", "pcap_analyzer", "db", "info", "--json"))
    with service(folder / "data", command=("env", f"--chdir={folder}", *COMMAND)) as running:
        running.set_up()
        with running.client() as client:
            ready = client.get("/health/ready").status_code

    assert "(head)" in current
    assert f"[{info['kind']}]" in request.node.name
    assert info["at_head"]
    assert ready == 200
    assert not (folder / "data" / "pcap_analyzer.db").exists()
