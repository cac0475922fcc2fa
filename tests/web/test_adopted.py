"""`serve` on a file that an earlier release made by itself: it says what it took over, and lets people in."""

from http import HTTPStatus
from pathlib import Path

import pytest
from sqlalchemy import text

from pcap_analyzer.web.runtime import open_runtime
from tests.migrations import legacy
from tests.web.house import open_house
from tests.web.service_process import service


def test_serve_adopts_an_old_file_says_so_in_a_line_and_lets_its_users_in(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    legacy.build_own(folder / "pcap_analyzer.db", legacy.Age.LATER)

    with service(folder) as running, running.client() as client:
        answers = {
            name: client.post("/login", data={"login": name, "password": password}).status_code
            for name, password in legacy.PASSWORDS.items()
        }
        log = running.log.read_text()

    assert answers == dict.fromkeys(legacy.PASSWORDS, HTTPStatus.SEE_OTHER)
    (line,) = [line for line in log.splitlines() if "Adopted the database of an earlier release: 15 rows" in line]
    assert "pcap_analyzer.db.before-adoption" in line


async def test_a_start_says_of_how_many_less_is_asked_than_before(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_house(tmp_path) as house:
        admin = await house.admin()
        for name in ("ann", "bob"):
            await house.person(name, by=admin)
        await house.person("waits", by=None)
        quiet = caplog.text
        async with house.runtime.database.transaction() as session:
            await session.execute(text("UPDATE users SET is_2fa_enabled = true WHERE username != 'root'"))
            await session.execute(text("UPDATE users SET password_must_change = true WHERE username = 'ann'"))
    async with open_runtime(house.runtime.settings):
        told = caplog.text

    assert "password alone" not in quiet
    assert "second factor is not asked for 2, who were to change their password and need not 1" in told
