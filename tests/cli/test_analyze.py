"""`analyze` as people call it: outputs and exit codes, each by a real process on real files."""

from __future__ import annotations

import gzip
import json
import os
import pty
import shutil
import signal
import subprocess
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pcap_analyzer.report.schema import load
from tests.cli.command import COMMAND, HEALTHY, LIMIT_S, SLOW_SERVER, cut, environment, pcap_analyzer, shell


def test_the_reason_is_printed_and_nothing_else() -> None:
    run = pcap_analyzer("analyze", SLOW_SERVER)

    assert run.returncode == 0
    assert run.stderr == ""
    assert "slow" in run.stdout.splitlines()[1]
    assert "Findings" in run.stdout


def test_a_pipe_gets_neither_colour_nor_progress() -> None:
    run = pcap_analyzer("analyze", SLOW_SERVER, TERM="xterm-256color", COLORTERM="truecolor")

    assert "\x1b" not in run.stdout + run.stderr
    assert "\r" not in run.stdout + run.stderr


def test_stdout_is_pure_json() -> None:
    run = pcap_analyzer("analyze", SLOW_SERVER, "--json", "-")

    assert (run.returncode, run.stderr) == (0, "")
    assert load(run.stdout).capture.name == SLOW_SERVER.name


def test_several_captures_are_a_line_of_json_each(tmp_path: Path) -> None:
    broken = tmp_path / "broken.pcap"
    broken.write_text("no capture")

    run = pcap_analyzer("analyze", SLOW_SERVER, broken, HEALTHY, "--json", "-")

    assert run.returncode == 3
    assert [load(line).capture.name for line in run.stdout.splitlines()] == [SLOW_SERVER.name, HEALTHY.name]
    assert "broken.pcap" in run.stderr


def test_files_are_written_where_they_were_asked_for(tmp_path: Path) -> None:
    run = pcap_analyzer("analyze", HEALTHY, "--json", tmp_path / "a.json", "--html", tmp_path / "a.html", "--quiet")

    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    assert load((tmp_path / "a.json").read_text()).capture.name == HEALTHY.name
    assert (tmp_path / "a.html").read_text().lstrip().lower().startswith("<!doctype html")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "a.json"]


def test_what_was_written_is_told_after_the_text(tmp_path: Path) -> None:
    run = pcap_analyzer("analyze", HEALTHY, "--json", tmp_path / "a.json", "-o", tmp_path / "out")

    names = [tmp_path / "a.json", *(tmp_path / "out" / f"{HEALTHY.name}.{kind}" for kind in ("json", "html"))]
    assert run.stderr.splitlines() == [f"Wrote {name}" for name in names]
    assert "Wrote" not in run.stdout


def test_a_folder_gets_two_files_a_capture(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "reports"

    run = pcap_analyzer("analyze", SLOW_SERVER, HEALTHY, "-o", folder, "--quiet")

    assert run.returncode == 0
    expected = {f"{capture.name}.{kind}" for capture in (SLOW_SERVER, HEALTHY) for kind in ("json", "html")}
    assert {path.name for path in folder.iterdir()} == expected


def test_an_old_report_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    target.write_text("old")

    assert pcap_analyzer("analyze", HEALTHY, "-q", "--json", target).returncode == 0

    assert load(target.read_text()).capture.frames > 0


def test_standard_input_is_a_capture() -> None:
    run = shell(f'"$@" < "{HEALTHY}"', "analyze", "-", "--json", "-")

    assert run.returncode == 0
    assert (
        load(run.stdout).capture.frames == load(pcap_analyzer("analyze", HEALTHY, "--json", "-").stdout).capture.frames
    )


def test_each_of_several_captures_has_its_heading() -> None:
    run = pcap_analyzer("analyze", SLOW_SERVER, HEALTHY)

    assert f"━━ {SLOW_SERVER.name}" in run.stdout
    assert f"━━ {HEALTHY.name}" in run.stdout


@pytest.mark.parametrize(
    ("more", "styled"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
    ],
)
def test_a_terminal_gets_colour_unless_it_or_the_person_declines(more: dict[str, str], styled: bool) -> None:
    controller, terminal = pty.openpty()
    process = subprocess.Popen([*COMMAND, "analyze", str(HEALTHY)], stdout=terminal, env=environment(**more))
    os.close(terminal)
    shown = _drained(controller)

    assert process.wait(LIMIT_S) == 0
    assert (b"\x1b[" in shown) is styled


# --- what detectors run --------------------------------------------------------------------------------------------


def test_only_the_detectors_asked_for_run() -> None:
    report = load(pcap_analyzer("analyze", SLOW_SERVER, "--json", "-", "--only", "resets,slow_dns").stdout)

    assert "slow_server" not in {finding.kind for finding in report.findings}


def test_a_skipped_detector_does_not_run() -> None:
    every = load(pcap_analyzer("analyze", SLOW_SERVER, "--json", "-").stdout)
    fewer = load(pcap_analyzer("analyze", SLOW_SERVER, "--json", "-", "--skip", "slow_server").stdout)

    assert "slow_server" in {finding.kind for finding in every.findings}
    assert "slow_server" not in {finding.kind for finding in fewer.findings}


# --- exit codes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("capture", "code"), [(SLOW_SERVER, 1), (HEALTHY, 0)])
def test_findings_fail_only_where_asked(capture: Path, code: int) -> None:
    assert pcap_analyzer("analyze", capture, "--quiet", "--fail-on", "medium").returncode == code
    assert pcap_analyzer("analyze", capture, "--quiet").returncode == 0


def empty(path: Path) -> Path:
    path.write_bytes(b"")
    return path


def text(path: Path) -> Path:
    path.write_text("Dear support,\nit is slow.\n")
    return path


def archive(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as made:
        made.write(HEALTHY, "capture.pcapng")
    return path


def sparse_zeros(path: Path) -> Path:
    with path.open("wb") as made:
        made.truncate(2 << 30)
    return path


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def missing(path: Path) -> Path:
    return path


def failing_disk(path: Path) -> Path:
    path.symlink_to("/proc/self/mem")  # its first read fails, whoever reads
    return path


@pytest.mark.parametrize("make", [empty, text, archive, sparse_zeros, folder, missing, failing_disk])
def test_what_is_no_capture_is_told_in_one_sentence(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path / "input.pcap")

    run = pcap_analyzer("analyze", path)

    assert (run.returncode, run.stdout) == (3, "")
    assert run.stderr.startswith(f"pcap-analyzer: {path}: ")
    assert len(run.stderr.splitlines()) == 1


@pytest.mark.parametrize(("content", "said"), [(b"Dear support", "text"), (b"", "empty")])
def test_what_is_no_capture_inside_an_archive_is_said_to_be_inside(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "letter.gz"
    path.write_bytes(gzip.compress(content))

    run = pcap_analyzer("analyze", path)

    assert (run.returncode, run.stdout) == (3, "")
    assert run.stderr.startswith(f"pcap-analyzer: {path}: In this gzip file: ")
    assert said in run.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    path = Path(shutil.copy(HEALTHY, tmp_path / "secret.pcapng"))
    path.chmod(0)

    assert pcap_analyzer("analyze", path).returncode == 3


def test_a_cut_capture_is_analysed_and_said_loudly(tmp_path: Path) -> None:
    path = cut(SLOW_SERVER, tmp_path / "cut.pcapng")

    run = pcap_analyzer("analyze", path)

    assert (run.returncode, run.stderr) == (0, "")
    assert "DAMAGED FILE" in run.stdout
    assert pcap_analyzer("analyze", path, "--strict").returncode == 4


@pytest.mark.parametrize("option", [["--quiet"], ["--json", "-"]])
def test_damage_is_said_where_no_text_is_printed(tmp_path: Path, option: list[str]) -> None:
    run = pcap_analyzer("analyze", cut(HEALTHY, tmp_path / "cut.pcapng"), *option)

    assert run.returncode == 0
    assert "damaged" in run.stderr


def test_one_bad_file_does_not_stop_the_others_and_the_worst_code_wins(tmp_path: Path) -> None:
    damaged = cut(HEALTHY, tmp_path / "cut.pcapng")

    run = pcap_analyzer("analyze", text(tmp_path / "a.txt"), damaged, SLOW_SERVER, "--strict", "--fail-on", "low")

    assert run.returncode == 3
    assert "━━ cut.pcapng" in run.stdout
    assert f"━━ {SLOW_SERVER.name}" in run.stdout
    assert pcap_analyzer("analyze", damaged, SLOW_SERVER, "-q", "--strict", "--fail-on", "low").returncode == 4


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--wrong", HEALTHY],
        ["--fail-on", "info", HEALTHY],
        ["--only", "no_such_detector", HEALTHY],
        ["--only", "server_stall", HEALTHY],
        ["--only", "", HEALTHY],
        ["--only", "resets", "--skip", "resets", HEALTHY],
        ["--json", "both.json", HEALTHY, SLOW_SERVER],
        ["--html", "both.html", HEALTHY, SLOW_SERVER],
        ["--html", "-", HEALTHY],
        ["-o", "out", HEALTHY, HEALTHY],
        ["--json", "same", "--html", "same", HEALTHY],
        ["-", "-"],
    ],
)
def test_a_command_line_without_sense_is_a_usage_error(
    arguments: list[str | Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    run = pcap_analyzer("analyze", *arguments)

    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_report_never_replaces_its_capture(tmp_path: Path) -> None:
    path = Path(shutil.copy(HEALTHY, tmp_path / "capture.pcapng"))

    run = pcap_analyzer("analyze", path, "--json", path)

    assert run.returncode == 2
    assert path.read_bytes() == HEALTHY.read_bytes()


def test_nor_does_a_report_in_a_folder_replace_a_capture(tmp_path: Path) -> None:
    first = Path(shutil.copy(HEALTHY, tmp_path / "a.pcapng"))
    second = Path(shutil.copy(HEALTHY, tmp_path / "a.pcapng.json"))

    run = pcap_analyzer("analyze", first, second, "-o", tmp_path)

    assert run.returncode == 2
    assert second.read_bytes() == HEALTHY.read_bytes()


def test_a_file_name_that_is_no_text_is_shown_and_written(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\x1b[31m\xff.pcapng")
    shutil.copy(HEALTHY, path)

    shown = pcap_analyzer("analyze", path)
    named = load(pcap_analyzer("analyze", path, "--json", "-").stdout).capture.name
    missed = pcap_analyzer("analyze", path.with_name("no" + path.name))
    written = pcap_analyzer("analyze", path, "--quiet", "-o", tmp_path / "out")

    assert r"\x1b[31m\udcff.pcapng" in shown.stdout
    assert named == "\x1b[31m\\udcff.pcapng"
    assert r"no\x1b[31m\udcff.pcapng" in missed.stderr
    assert written.returncode == 0
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_an_interrupt_ends_quietly_with_130(tmp_path: Path) -> None:
    fifo = tmp_path / "endless.pcap"
    os.mkfifo(fifo)
    process = subprocess.Popen(
        [*COMMAND, "analyze", str(fifo)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    )
    with fifo.open("wb") as pipe:  # returns when the command has opened it
        pipe.write(HEALTHY.read_bytes())
        pipe.flush()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=LIMIT_S)

    assert (process.returncode, out, err) == (130, b"", b"")


# --- progress ------------------------------------------------------------------------------------------------------


def test_a_person_at_a_terminal_sees_progress_on_a_long_file(tmp_path: Path) -> None:
    fifo = tmp_path / "slow-to-arrive.pcapng"
    os.mkfifo(fifo)
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "analyze", str(fifo), "--json", "-"],
        stdout=subprocess.PIPE,
        stderr=terminal,
        env=environment(TERM="xterm-256color", COLUMNS="120"),
    )
    os.close(terminal)
    section = HEALTHY.read_bytes()
    seen = threading.Event()

    def feed() -> None:
        with fifo.open("wb") as pipe:
            while not seen.wait(0.02):
                pipe.write(section)  # a pcapng file may hold any number of sections

    feeder = threading.Thread(target=feed)
    feeder.start()
    shown = b""
    while b"frames" not in shown:
        shown += os.read(controller, 4096)
    seen.set()
    drain = threading.Thread(target=_drained, args=(controller,))
    drain.start()
    out, _ = process.communicate(timeout=LIMIT_S)
    feeder.join()
    drain.join()
    os.close(controller)

    assert process.returncode == 0
    assert json.loads(out)["capture"]["name"] == fifo.name
    assert b"slow-to-arrive.pcapng" in shown


def _drained(controller: int) -> bytes:
    """What the terminal shows until nobody writes to it any more."""
    shown = b""
    try:
        while part := os.read(controller, 4096):
            shown += part
    except OSError:  # Linux says so when the last writer closes
        return shown
    return shown
