"""`serve` on a file that an earlier release made by itself: it says what it took over, and lets people in."""

from http import HTTPStatus
from pathlib import Path

from tests.migrations import legacy
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
