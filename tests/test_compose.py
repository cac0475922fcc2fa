"""What `docker compose up -d` does, taken apart and done by hand: roles, upgrade, rights, app."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from pcap_analyzer.settings import Settings
from tests.daemons import free_port
from tests.needs import program
from tests.postgres import Server

ROOT = Path(__file__).parents[1]
WITHIN_S = 60
SECRETS = {name: f"{name.lower()}0f" for name in ("POSTGRES_PASSWORD", "OWNER_PASSWORD", "APP_PASSWORD", "SECRET_KEY")}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:  # Any: YAML
    """The services of compose.yaml with their variables filled in, as compose does it."""
    written = (ROOT / "compose.yaml").read_text()
    filled = re.sub(
        r"(?<!\$)\$\{(\w+)(?::([-?])([^}]*))?\}",
        lambda found: SECRETS.get(found[1]) or (found[3] if found[2] == "-" else ""),
        written,
    )
    read: dict[str, Any] = yaml.safe_load(filled.replace("$$", "$"))["services"]
    return read


def test_the_app_starts_after_the_upgrade_and_the_upgrade_after_the_server(services: dict[str, Any]) -> None:
    assert services["app"]["depends_on"] == {"upgrade": {"condition": "service_completed_successfully"}}
    assert services["upgrade"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert services["upgrade"]["restart"] == "no"


def test_every_variable_of_app_and_upgrade_is_a_setting(services: dict[str, Any]) -> None:
    names = {name.lower() for service in ("app", "upgrade") for name in services[service]["environment"]}

    assert names - Settings.model_fields.keys() == {"pgpassword"}  # of psql, which gives the rights


def test_what_the_image_copies_is_in_the_checkout() -> None:
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text()
    copied = [
        source for line in re.findall(r"^COPY (?!--from)(.*) \S+$", dockerfile, re.MULTILINE) for source in line.split()
    ]

    assert [source for source in copied if not (ROOT / source).exists()] == []
    assert re.findall(r"^USER (\w+)$", dockerfile, re.MULTILINE) == ["pcap"]


def by_hand(command: list[str], folder: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    server = program("postgresql")
    assert server is not None
    path = os.pathsep.join([str(Path(sys.executable).parent), str(server.parent), os.environ["PATH"]])
    return subprocess.Popen(
        command,
        cwd=folder,
        env={"PATH": path, "HOME": str(folder), "DATA_DIR": str(folder), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def done(step: subprocess.Popen[str]) -> None:
    output, _ = step.communicate(timeout=WITHIN_S)
    assert step.returncode == 0, output


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready").status_code == 200
    except httpx.TransportError:
        return False


def test_each_step_works_by_hand(services: dict[str, Any], cluster: Server, tmp_path: Path) -> None:
    story = f"composed_{secrets.token_hex(4)}"  # on a given server an earlier run's is still there
    names = {"pcap_owner": f"{story}_owner", "pcap_app": f"{story}_app", "DATABASE pcap": f"DATABASE {story}"}
    names |= {"--username pcap_owner pcap": f"--port {cluster.port} --username {story}_owner {story}"}
    names |= {"--host postgres": f"--host {cluster.host}"}
    names |= {"postgres:5432/pcap": f"{cluster.host}:{cluster.port}/{story}"}

    def here(text: str) -> str:
        for written, meant in sorted(names.items(), key=lambda pair: -len(pair[0])):
            text = text.replace(written, meant)
        return text

    roles = tmp_path / "roles.sh"
    roles.write_text(here((ROOT / "deploy" / "postgres" / "roles.sh").read_text()))
    superuser = {"PGHOST": cluster.host, "PGPORT": str(cluster.port), "PGPASSWORD": cluster.superuser.password}
    done(by_hand(["sh", str(roles)], tmp_path, {**SECRETS, **superuser, "POSTGRES_USER": cluster.superuser.name}))
    upgrade, app = services["upgrade"], services["app"]
    owner = {name: here(value) for name, value in upgrade["environment"].items()}
    command = [here(word).replace("/tmp/", f"{tmp_path}/") for word in upgrade["command"]]
    done(by_hand(command, tmp_path, owner))
    done(by_hand(command, tmp_path, owner))

    port = free_port()
    settings = {name: here(value) for name, value in app["environment"].items()}
    serving = by_hand(
        ["pcap-analyzer", "serve"], tmp_path, {**settings, "LISTEN_HOST": "0.0.0.0", "LISTEN_PORT": str(port)}
    )
    try:
        deadline = time.monotonic() + WITHIN_S
        while not answers(f"http://127.0.0.1:{port}"):
            assert time.monotonic() < deadline
            assert serving.poll() is None, serving.communicate()[0]
            time.sleep(0.1)
        page = httpx.get(f"http://127.0.0.1:{port}/login")
    finally:
        serving.terminate()
        serving.communicate(timeout=WITHIN_S)

        cluster.drop_database(story)

    assert page.status_code == 200
