"""An old environment alone (DATA_DIR, SECRET_KEY, REPORT_TTL_HOURS) starts, finds the old file and keeps its habits."""

import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import bcrypt
import httpx
import pytest

from pcap_analyzer.keys import is_sealed, open_keys
from tests.migrations import old
from tests.web.service_process import Service, service, wait_until

SECRET_KEY = "the key that this deployment has had since its first day"
PASSWORD = "an old password of more than seventy-two bytes, which bcrypt cut at its end"
RECENT, PAST = old.TASK, "10000000-0000-4000-8000-000000000003"


@pytest.fixture
async def deployment(tmp_path: Path) -> Path:
    """The data folder of an older deployment: what it ran was stopped an hour after an analysis."""
    folder = tmp_path / "data"
    (folder / "reports").mkdir(parents=True)
    for name in ("recent", "past"):
        (folder / "reports" / f"{name}.html").write_text(name)
    await old.build(folder / "pcap_analyzer.db", "dcd3f75e61c2")
    hashed = bcrypt.hashpw(PASSWORD.encode()[:72], bcrypt.gensalt(4)).decode()
    now = datetime.now(UTC).replace(tzinfo=None)
    with closing(sqlite3.connect(folder / "pcap_analyzer.db")) as database, database:
        database.execute(
            "UPDATE users SET hashed_password = ?, totp_secret = 'JBSWY3DPEHPK3PXP', backup_codes = '[\"abcd-1234\"]'"
            " WHERE username = 'ann'",
            (hashed,),
        )
        database.execute(
            "INSERT INTO tasks (task_id, filename, status, uploaded_at, owner_id)"
            " VALUES (?, 'past.pcap', 'completed', '2024-02-01T00:00:00', ?)",
            (PAST, old.USER),
        )
        for task_id, name, hours in ((RECENT, "recent", 1), (PAST, "past", 25)):
            analyzed_at = (now - timedelta(hours=hours)).isoformat()
            database.execute(
                "UPDATE tasks SET analyzed_at = ?, health_score = 91.5, report_html_path = ? WHERE task_id = ?",
                (analyzed_at, f"data/reports/{name}.html", task_id),
            )
    return folder


def log_in(running: Service) -> str:
    with running.client() as client:
        answer = client.post("/login", data={"login": "ann", "password": PASSWORD})
    found = re.search(r"__Host-session=([^;]+)", answer.headers["set-cookie"])
    assert found is not None
    return found[1]


def column(folder: Path, query: str) -> list[object]:
    with closing(sqlite3.connect(folder / "pcap_analyzer.db")) as database:
        return [value for (value,) in database.execute(query)]


def statuses(client: httpx.Client) -> dict[str, str]:
    listed = client.get("/api/v1/tasks").json()["tasks"]
    return {task["filename"]: task["status"] for task in listed}


def by_the_chain(database: sqlite3.Connection) -> None:
    """It was upgraded by revisions, and says by which."""


def by_the_application(database: sqlite3.Connection) -> None:
    """The application made its tables itself: nothing says of which revision they are."""
    database.executescript(
        "DROP TABLE alembic_version; DROP TABLE password_reset_tokens; DROP INDEX idx_users_created_at;"
        " CREATE INDEX idx_owner_id ON tasks (owner_id);"
    )


@pytest.mark.parametrize("made", [by_the_chain, by_the_application])
def test_the_old_environment_alone_is_enough(deployment: Path, made: Callable[[sqlite3.Connection], None]) -> None:
    with closing(sqlite3.connect(deployment / "pcap_analyzer.db")) as database, database:
        made(database)
    keys = open_keys(SECRET_KEY, deployment)
    with (
        service(deployment, SECRET_KEY=SECRET_KEY, REPORT_TTL_HOURS="24") as running,
        running.client(log_in(running)) as client,
    ):
        wait_until(lambda: not (deployment / "reports" / "past.html").exists())
        seen = statuses(client)
        report = client.get(f"/tasks/{RECENT}/old-report.html")
        log = running.log.read_text()

    (secret,) = column(deployment, "SELECT totp_secret FROM users WHERE username = 'ann'")
    (codes,) = column(deployment, "SELECT backup_codes FROM users WHERE username = 'ann'")
    (hashed,) = column(deployment, "SELECT hashed_password FROM users WHERE username = 'ann'")
    assert running.setup_path is None
    assert seen == {"a.pcap": "completed", "past.pcap": "expired"}
    assert report.text == "recent"
    assert is_sealed(str(secret))
    assert keys.open_sealed(str(secret)) == "JBSWY3DPEHPK3PXP"
    assert json.loads(str(codes)) == [keys.recovery_code_hash("ABCD1234")]
    assert str(hashed).startswith("$argon2id$")
    assert "REPORT_TTL_HOURS is set: analyses are deleted with their captures 24 hours after they were made" in log
    assert not (deployment / "secret.key").exists()


def test_without_the_settings_nothing_expires_and_a_key_is_made_once(deployment: Path) -> None:
    keys = []
    for _ in range(2):
        with service(deployment) as running, running.client(log_in(running)) as client:
            seen = statuses(client)
            keys.append((deployment / "secret.key").read_bytes())

    assert seen == {"a.pcap": "completed", "past.pcap": "completed"}
    assert (deployment / "reports" / "past.html").exists()
    assert keys[0] == keys[1]
    assert (deployment / "secret.key").stat().st_mode & 0o777 == 0o600


def test_a_start_with_another_key_says_that_secrets_cannot_be_opened(deployment: Path) -> None:
    for secret_key in (SECRET_KEY, "another key, long enough not to be warned about"):
        with service(deployment, SECRET_KEY=secret_key) as running:
            log = running.log.read_text()

    assert "secrets of second factors cannot be opened, stored with another SECRET_KEY or secret.key: 1" in log
