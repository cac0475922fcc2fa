"""The service as a process: starts, refusals, and what -9 leaves behind."""

import gzip
import os
import signal
import socket
import sqlite3
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.web.service_process import Service, is_gone, mounted, serve_once, service, wait_until

URL = "/api/v1/tasks?filename=one.pcap"


def upload(running: Service, token: str, capture: bytes) -> str:
    with running.client(token) as client:
        answer = client.post(URL, content=capture)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def completed(running: Service, token: str, task_id: str) -> dict[str, object]:
    """The task once it is completed."""
    seen: list[dict[str, object]] = []

    def over() -> bool:
        with running.client(token) as client:
            seen.append(client.get(f"/api/v1/tasks/{task_id}").json())
        return seen[-1]["status"] in ("completed", "failed")

    wait_until(over)
    assert seen[-1]["status"] == "completed", seen[-1]
    return seen[-1]


def thaw(pid: int) -> None:
    """Let a frozen process go on, if the end of its supervisor has not ended it already."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_first_start_prints_a_setup_link_and_later_ones_until_it_is_used(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with service(data) as first:
        first_link = first.setup_path
        assert first.end() == 0
    with service(data) as second:
        second_link = second.setup_path
        second.set_up()
        assert second.end() == 0
    with service(data) as third:
        assert third.setup_path is None
        assert third.log_in()

    assert first_link is not None
    assert second_link not in (None, first_link)


def test_no_other_account_may_read_what_the_service_keeps(tmp_path: Path, capture: bytes) -> None:
    data = tmp_path / "data"
    with service(data) as running:
        token = running.set_up()
        completed(running, token, upload(running, token, capture))

    readable = [path.name for path in (data, *data.rglob("*")) if path.stat().st_mode & 0o077]
    assert readable == []


def test_a_second_service_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with service(data):
        second = serve_once("--data-dir", str(data), folder=tmp_path)

    assert second.returncode == 2
    assert "Another service already runs on the data folder" in second.stderr
    assert "Traceback" not in second.stderr


def test_a_port_that_is_taken_is_refused(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        refused = serve_once("--port", port, "--data-dir", str(tmp_path / "data"), folder=tmp_path)

    assert refused.returncode == 2
    assert f"127.0.0.1:{port} cannot be listened on" in refused.stderr


def test_other_hosts_are_not_served_in_clear_text_and_the_ways_out_are_named(tmp_path: Path) -> None:
    refused = serve_once("--host", "0.0.0.0", folder=tmp_path)

    assert refused.returncode == 2
    for way_out in ("reverse proxy", "PUBLIC_URL=https://", "ssh -L", "--insecure-http"):
        assert way_out in refused.stderr
    assert not (tmp_path / "data").exists()


def test_a_database_url_of_another_kind_is_refused_without_its_password(tmp_path: Path) -> None:
    refused = serve_once(folder=tmp_path, DATABASE_URL="mysql://u:secret@db/x")

    assert refused.returncode == 2
    assert "neither sqlite:// nor postgresql://" in refused.stderr
    assert "secret" not in refused.stderr


def test_a_setting_that_makes_no_sense_is_named(tmp_path: Path) -> None:
    refused = serve_once(folder=tmp_path, MAX_UPLOAD_BYTES="plenty")

    assert refused.returncode == 2
    assert "MAX_UPLOAD_BYTES is set to 'plenty'" in refused.stderr


def test_a_read_only_data_folder_is_said_with_a_way_out(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with mounted(data, "ro"):
        refused = serve_once("--data-dir", str(data), folder=tmp_path)

    assert refused.returncode == 5
    assert "cannot be written: Read-only file system" in refused.stderr
    assert "--data-dir" in refused.stderr


def test_a_folder_that_becomes_read_only_refuses_uploads_and_goes_on(tmp_path: Path, capture: bytes) -> None:
    data = tmp_path / "data"
    with service(data) as running:
        token = running.set_up()
        with mounted(data / "parts", "ro"), running.client(token) as client:
            refused, ready = client.post(URL, content=capture), client.get("/health/ready")
        task = completed(running, token, upload(running, token, capture))

    assert (refused.status_code, ready.status_code) == (503, 503)
    assert "Read-only file system" in refused.json()["detail"]
    assert task["frames"] == 20


@pytest.mark.parametrize("announced", [True, False])
def test_a_disk_that_is_full_refuses_and_keeps_what_was_there(tmp_path: Path, capture: bytes, announced: bool) -> None:
    data = tmp_path / "data"
    large = capture + capture[24:] * 20_000
    with mounted(data, "size=8m"), service(data) as running:
        token = running.set_up()
        kept = upload(running, token, capture)
        with running.client(token) as client:
            refused = client.post(URL, content=large if announced else iter([large[:9_000_000], large[9_000_000:]]))
        task = completed(running, token, kept)
        left = files(data / "parts"), files(data / "captures")

    assert refused.status_code == 507, refused.text
    assert task["frames"] == 20
    assert left == ([], [kept])


def test_a_sender_that_is_cut_off_leaves_nothing(tmp_path: Path, capture: bytes) -> None:
    data = tmp_path / "data"
    with service(data) as running:
        token = running.set_up()
        with sending_half(running, token, capture):
            wait_until(lambda: files(data / "parts"))
        wait_until(lambda: not files(data / "parts"))

        assert files(data / "captures") == []
        assert running.log.read_text() == ""


def sending_half(running: Service, token: str, capture: bytes) -> socket.socket:
    """A connection that has announced twice the capture and sent it once."""
    host, port = running.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)))
    head = (
        f"POST {URL} HTTP/1.1\r\nHost: {host}:{port}\r\nOrigin: {running.url}\r\n"
        f"Cookie: __Host-session={token}\r\nContent-Length: {2 * len(capture)}\r\n\r\n"
    )
    connection.sendall(head.encode() + capture)
    return connection


def test_a_service_killed_during_an_upload_sweeps_it_and_loses_nothing_else(tmp_path: Path, capture: bytes) -> None:
    data = tmp_path / "data"
    with service(data) as running:
        token = running.set_up()
        kept = upload(running, token, capture)
        completed(running, token, kept)
        with sending_half(running, token, capture):
            wait_until(lambda: files(data / "parts"))
            running.end(signal.SIGKILL)
    left_behind = files(data / "parts")

    with service(data) as again:
        with again.client(token) as client:  # the session outlives the process
            listed = client.get("/api/v1/tasks").json()

        assert len(left_behind) == 1
        assert files(data / "parts") == []
        assert [task["id"] for task in listed["tasks"]] == [kept]


def test_a_service_killed_during_an_analysis_takes_it_up_again(tmp_path: Path, capture: bytes) -> None:
    data = tmp_path / "data"
    with service(data) as running:
        token = running.set_up()
        task_id = upload(running, token, capture)
        analysis = running.freeze_analysis()
        running.end(signal.SIGKILL)
        thaw(analysis)
        wait_until(lambda: is_gone(analysis))

    with service(data) as again:
        task = completed(again, token, task_id)

    assert (task["frames"], task["attempt"]) == (20, 2)


def test_a_service_that_is_told_to_stop_puts_its_analyses_back(tmp_path: Path, capture: bytes) -> None:
    data = tmp_path / "data"
    with service(data) as running:
        token = running.set_up()
        task_id = upload(running, token, capture)
        analysis = running.freeze_analysis()
        code = running.end(signal.SIGTERM)
        gone = is_gone(analysis)
    with closing(sqlite3.connect(data / "pcap_analyzer.db")) as database:
        row = database.execute("SELECT status, interruptions FROM tasks").fetchone()
    with service(data) as again:
        task = completed(again, token, task_id)

    assert (code, gone, row) == (0, True, ("pending", 0))
    assert task["frames"] == 20


def test_an_upload_in_progress_is_answered_at_the_end_and_leaves_nothing(tmp_path: Path, capture: bytes) -> None:
    data = tmp_path / "data"
    with service(data) as running:
        token = running.set_up()
        with sending_half(running, token, capture) as connection:
            wait_until(lambda: files(data / "parts"))
            assert running.end(signal.SIGTERM) == 0
            answer = connection.recv(65_536)

        assert answer.startswith(b"HTTP/1.1 503 ")
        assert files(data / "parts") == []
        assert running.log.read_text() == ""


def test_an_open_event_stream_does_not_hold_up_the_end(tmp_path: Path, capture: bytes) -> None:
    with service(tmp_path / "data") as running:
        token = running.set_up()
        task_id = upload(running, token, capture)
        running.freeze_analysis()
        with running.client(token) as client, client.stream("GET", f"/api/v1/tasks/{task_id}/events") as events:
            next(events.iter_lines())
            assert running.end(signal.SIGTERM) == 0

        assert running.log.read_text() == ""


def test_an_analysis_killed_from_outside_fails_with_a_sentence_and_can_be_tried_again(
    tmp_path: Path, capture: bytes
) -> None:
    with service(tmp_path / "data") as running:
        token = running.set_up()
        task_id = upload(running, token, capture)
        os.kill(running.freeze_analysis(), signal.SIGKILL)
        with running.client(token) as client:
            wait_until(lambda: client.get(f"/api/v1/tasks/{task_id}").json()["status"] == "failed")
            failed = client.get(f"/api/v1/tasks/{task_id}").json()
            again = client.post(f"/tasks/{task_id}/retry")
        task = completed(running, token, task_id)

    assert "signal 9" in failed["error_message"]
    assert again.status_code == 303
    assert task["frames"] == 20


def test_a_running_analysis_that_is_deleted_is_gone_with_its_files(tmp_path: Path, capture: bytes) -> None:
    data = tmp_path / "data"
    with service(data) as running:
        token = running.set_up()
        task_id = upload(running, token, capture)
        analysis = running.freeze_analysis()
        with running.client(token) as client:
            answer = client.delete(f"/api/v1/tasks/{task_id}")

        assert answer.status_code == 204
        assert is_gone(analysis)
        assert [files(data / name) for name in ("captures", "parts", "results")] == [[], [], []]


def test_a_cut_and_compressed_capture_is_analysed_as_far_as_it_goes(tmp_path: Path, capture: bytes) -> None:
    with service(tmp_path / "data") as running:
        token = running.set_up()
        task = completed(running, token, upload(running, token, gzip.compress(capture[:-30])))

    assert task["frames"] == 19


def test_uvicorn_typed_by_hand_serves_the_same(tmp_path: Path, capture: bytes) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = (sys.executable, "-m", "uvicorn", "app.main:app", "--port", port)
    with service(tmp_path / "data", command=command, url=f"http://127.0.0.1:{port}") as running:
        said = (tmp_path / "service.out").read_text()
        token = running.set_up()
        task = completed(running, token, upload(running, token, capture))
        frozen = upload(running, token, capture)
        analysis = running.freeze_analysis()
        with running.client(token) as client, client.stream("GET", f"/api/v1/tasks/{frozen}/events") as events:
            next(events.iter_lines())
            running.end()

        assert "at the address that uvicorn names" in said
        assert "8000" not in said.replace(str(running.setup_path), "")
        assert task["frames"] == 20
        assert is_gone(analysis)
