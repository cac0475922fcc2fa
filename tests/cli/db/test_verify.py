"""`pcap-analyzer db verify`, from a shell."""

import json
from pathlib import Path

import pytest

from tests.cli.command import pcap_analyzer
from tests.databases import postgres_at_head
from tests.head_database import at_head
from tests.postgres import OWNER, Server

TASK = "7c5c1e2e-3ddc-4d4c-9ed6-4d5a7dd2a001"


def test_exit_codes_tell_well_from_warning_and_failure(tmp_path: Path) -> None:
    at_head(tmp_path / "pcap_analyzer.db")
    well = pcap_analyzer("db", "verify", DATA_DIR=str(tmp_path))
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "captures~x.unconfirmed").touch()
    warned = pcap_analyzer("db", "verify", "--json", DATA_DIR=str(tmp_path))
    (tmp_path / "captures").mkdir()
    (tmp_path / "captures" / "y").touch()
    failed = pcap_analyzer("db", "verify", "--deep", DATA_DIR=str(tmp_path))

    assert (well.returncode, warned.returncode, failed.returncode) == (0, 1, 2)
    assert "All is well." in well.stdout
    told = json.loads(warned.stdout)
    assert told["status"] == "warning"
    assert {check["name"] for check in told["checks"] if check["status"] == "warning"} == {"uploads"}
    assert "FAILED    files without a row: No analysis names captures/y" in failed.stdout


@pytest.mark.parametrize(
    ("sql", "file", "name"),
    [
        ("DROP INDEX idx_uploaded_at", "", "missing indexes"),
        ("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_uploaded_at'::regclass", "", "invalid"),
        ("ALTER TABLE tasks ADD CONSTRAINT later CHECK (attempt < 9) NOT VALID", "", "constraints"),
        ("INSERT INTO audit_log (id, at, action, actor_name) VALUES (7, now(), 'a', 'b')", "", "sequences"),
        (
            "INSERT INTO tasks (task_id, filename, status, uploaded_at, capture_key) "
            f"VALUES ('{TASK}', 'a', 'completed', now(), 'captures/{TASK}')",
            "",
            "missing files",
        ),
        ("SELECT 1", "captures/stray", "files without a row"),
    ],
)
def test_each_damage_of_a_deployment_ends_with_2(
    cluster: Server, tmp_path: Path, sql: str, file: str, name: str
) -> None:
    database = postgres_at_head(cluster)
    cluster.psql(sql, database.name)
    (tmp_path / "captures").mkdir()
    (tmp_path / file).touch()  # the folder itself where no file is named
    urls = {"DATABASE_URL": database.app_url, "DATABASE_DIRECT_URL": database.owner_url}

    done = pcap_analyzer("db", "verify", DATA_DIR=str(tmp_path), **urls)

    cluster.drop_database(database.name)
    assert (done.returncode, f"FAILED    {name}" in done.stdout) == (2, True), done.stdout + done.stderr
    assert OWNER.password not in done.stdout + done.stderr
