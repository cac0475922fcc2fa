"""Results that cannot be written: each is told in one line, with exit code 5, whatever stands in the way."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pcap_analyzer.report.schema import load
from tests.cli.command import COMMAND, HEALTHY, LIMIT_S, environment, pcap_analyzer, shell


def text(path: Path) -> Path:
    path.write_text("Dear support,\nit is slow.\n")
    return path


@pytest.mark.parametrize("option", ["--json", "--html"])
def test_a_missing_folder_is_told_before_the_analysis(tmp_path: Path, option: str) -> None:
    run = pcap_analyzer("analyze", HEALTHY, option, tmp_path / "nowhere" / "report")

    assert (run.returncode, run.stdout) == (5, "")
    assert "nowhere" in run.stderr
    assert len(run.stderr.splitlines()) == 1


@pytest.mark.parametrize("option", ["--json", "--html"])
def test_a_folder_in_the_place_of_a_report_is_told_first(tmp_path: Path, option: str) -> None:
    run = pcap_analyzer("analyze", HEALTHY, option, tmp_path)

    assert (run.returncode, run.stdout) == (5, "")
    assert run.stderr == f"pcap-analyzer: {tmp_path} cannot be written: it is a folder. -o {tmp_path} writes into it.\n"


def test_what_cannot_be_written_is_named_before_the_capture(tmp_path: Path) -> None:
    target = tmp_path / f"{HEALTHY.name}.json"
    target.mkdir()

    run = pcap_analyzer("analyze", HEALTHY, "-o", tmp_path)

    assert (run.returncode, run.stdout) == (5, "")
    assert run.stderr.startswith(f"pcap-analyzer: {target} cannot be written: ")
    assert run.stderr.endswith(f"This concerns the report of {HEALTHY}.\n")


def test_an_output_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    run = pcap_analyzer("analyze", HEALTHY, "-o", text(tmp_path / "file"))

    assert run.returncode == 5
    assert len(run.stderr.splitlines()) == 1


@pytest.mark.parametrize("arguments", [["analyze", HEALTHY], ["analyze", HEALTHY, "--json", "-"], ["explain"]])
def test_a_full_disk_behind_stdout_is_told(arguments: list[str | Path]) -> None:
    run = shell('"$@" > /dev/full', *arguments)

    assert run.returncode == 5
    assert "full" in run.stderr
    assert len(run.stderr.splitlines()) == 1


def test_a_full_disk_behind_a_file_is_told_and_the_device_stays() -> None:
    run = pcap_analyzer("analyze", HEALTHY, "--quiet", "--json", "/dev/full")

    assert run.returncode == 5
    assert Path("/dev/full").is_char_device()


def test_a_closed_stdout_is_told() -> None:
    run = shell('"$@" >&-', "analyze", HEALTHY)

    assert run.returncode == 5
    assert len(run.stderr.splitlines()) == 1


def test_a_closed_stdout_does_not_matter_to_who_wants_files_only(tmp_path: Path) -> None:
    run = shell('"$@" >&-', "analyze", HEALTHY, "--quiet", "--json", tmp_path / "a.json")

    assert run.returncode == 0
    assert load((tmp_path / "a.json").read_text()).capture.frames > 0


def test_a_closed_stderr_changes_no_exit_code(tmp_path: Path) -> None:
    assert shell('"$@" 2>&-', "analyze", text(tmp_path / "a.txt")).returncode == 3


@pytest.mark.parametrize("arguments", [[], ["--json", "-"]])
def test_a_pipe_whose_reader_is_gone_ends_quietly(arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        run = subprocess.run(
            [*COMMAND, "analyze", str(HEALTHY), *arguments],
            stdout=pipe,
            stderr=subprocess.PIPE,
            env=environment(),
            timeout=LIMIT_S,
            check=False,
        )

    assert (run.returncode, run.stderr) == (141, b"")
