"""Every command of the guide to the database is run, block after block, as a reader would."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import pytest
import yaml

from pcap_analyzer.cli.main import cli
from pcap_analyzer.settings import Settings
from tests.daemons import free_port
from tests.needs import need, program
from tests.postgres import Server

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "docs" / "DATABASE_MIGRATION.md").read_text()
BLOCK = re.compile(r"(?:<!-- run: (?P<run>\w+) -->\n)?```sh\n(?P<script>.*?)```", re.DOTALL)
WITHIN_S = 240
#: What a reader does with `serve` in a second window: it runs on, and the next command comes when it answers.
BESIDE = r"""
set -euo pipefail
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
pcap-analyzer() {
  if [[ $1 != serve ]]; then command pcap-analyzer "$@"; return; fi
  command pcap-analyzer serve &
  for _ in $(seq 300); do
    if curl --fail --silent --output /dev/null "http://127.0.0.1:$LISTEN_PORT/health/ready"; then return; fi
    sleep 0.1
  done
  echo "serve did not become ready"; return 1
}
"""


def path() -> str:
    """Where the program and the tools of PostgreSQL are found."""
    server = program("postgresql")
    tools = [str(server.parent)] if server else []
    return os.pathsep.join([str(Path(sys.executable).parent), *tools, os.environ["PATH"]])


def blocks(name: str) -> list[str]:
    return [found["script"] for found in BLOCK.finditer(GUIDE) if found["run"] == name]


def follow(name: str, folder: Path, changes: dict[str, str], **environment: str) -> None:
    """Run the blocks of one story in one shell; a failure names its block and what was printed."""
    port = free_port()
    script = BESIDE
    for number, block in enumerate(blocks(name), start=1):
        script += f"\necho '### block {number}'\n{block}"
    for written, meant in {**changes, "127.0.0.1:8000": f"127.0.0.1:{port}"}.items():
        script = script.replace(written, meant)
    (folder / "verify_migration.py").symlink_to(ROOT / "verify_migration.py")
    (folder / "data").mkdir(exist_ok=True)
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env={
            "PATH": path(),
            "HOME": str(folder),
            "ALEMBIC_CONFIG": str(ROOT / "alembic.ini"),
            "LISTEN_PORT": str(port),
            "FREE_SPACE_RESERVE_BYTES": "0",
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]


@contextmanager
def on_the_cluster(cluster: Server) -> Iterator[dict[str, str]]:
    """The guide's server, roles and databases, as they are called on the server of tests; dropped in the end."""
    story = f"guide_{secrets.token_hex(4)}"
    yield {
        "db.example.org": cluster.host,
        "5432": str(cluster.port),
        "pcap_owner": f"{story}_owner",
        "pcap_app": f"{story}_app",
        "DATABASE pcap ": f"DATABASE {story} ",
        f"{cluster.port}/pcap'": f"{cluster.port}/{story}'",
        "DATABASE scratch ": f"DATABASE {story}_scratch ",
        "/scratch'": f"/{story}_scratch'",
        "DATABASE drill ": f"DATABASE {story}_drill ",
        "/drill'": f"/{story}_drill'",
        "dbname pcap ": f"dbname {story} ",
        "username postgres": f"username {cluster.superuser.name}",
    }
    for name in (story, f"{story}_scratch", f"{story}_drill"):
        cluster.drop_database(name)
    cluster.psql(f"DROP ROLE {story}_owner; DROP ROLE {story}_app;")


def test_what_the_guide_says_of_sqlite_works(tmp_path: Path) -> None:
    follow("sqlite", tmp_path, {})


def test_what_the_guide_says_of_postgresql_works(cluster: Server, tmp_path: Path) -> None:
    need("curl")
    with on_the_cluster(cluster) as changes:
        follow("postgresql", tmp_path, changes, PGPASSWORD=cluster.superuser.password)


def test_the_way_from_sqlite_to_postgresql_works(cluster: Server, tmp_path: Path) -> None:
    with on_the_cluster(cluster) as changes:
        roles = blocks("postgresql")[0]
        for written, meant in changes.items():
            roles = roles.replace(written, meant)
        environment = {"PGPASSWORD": cluster.superuser.password, "PATH": path()}
        subprocess.run(["bash", "-c", roles], env=environment, check=True, timeout=WITHIN_S, capture_output=True)

        follow("copy", tmp_path, changes)


def test_no_block_is_left_out() -> None:
    assert [found["script"] for found in BLOCK.finditer(GUIDE) if found["run"] is None] == []


@pytest.mark.parametrize("said", sorted(set(re.findall(r"pcap-analyzer ((?:db|users) [a-z-]+|serve)", GUIDE))))
def test_every_command_that_the_guide_names_exists(said: str) -> None:
    command: click.Command | None = cli
    for word in said.split():
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(cli), word)

    assert command is not None


def test_the_summary_names_files_that_are_there() -> None:
    named = re.findall(r"`([\w./-]+/[\w./-]+|[\w-]+\.(?:py|yaml))`", (ROOT / "MIGRATION_SUMMARY.md").read_text())

    places = (ROOT, ROOT / "src" / "pcap_analyzer")
    assert [path for path in named if not any((place / path).exists() for place in places)] == []


def test_the_example_for_kubernetes_upgrades_before_it_serves() -> None:
    (written,) = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)

    pod = yaml.safe_load(written)["spec"]["template"]["spec"]
    (first,), (app,) = pod["initContainers"], pod["containers"]
    assert (first["command"], app["command"]) == (["pcap-analyzer", "db", "upgrade"], ["pcap-analyzer", "serve"])
    names = {variable["name"].lower() for container in (first, app) for variable in container["env"]}
    assert names - Settings.model_fields.keys() == set()
    assert {app[probe]["httpGet"]["path"] for probe in ("livenessProbe", "readinessProbe")} == {
        "/health/live",
        "/health/ready",
    }
