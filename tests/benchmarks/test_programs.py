"""A run's cost is that of the program, or says why there is none."""

from pathlib import Path

import pytest

from benchmarks.__main__ import size
from benchmarks.programs import CAT, Cost, Program, run, typical

BUSY = Program("busy", ("sh", "-c", "while :; do :; done"), ("sh", "--version"))
FAILING = Program("failing", ("sh", "-c", "exit 7"), ("sh", "--version"))


def test_a_run_states_time_and_memory(tmp_path: Path) -> None:
    capture = tmp_path / "a.pcap"
    capture.write_bytes(bytes(1_000_000))
    cost = run(CAT, capture, 60)
    assert isinstance(cost, Cost)
    assert cost.cpu_s > 0
    assert 100_000 < cost.peak_bytes < 100_000_000


def test_a_failing_program_is_named_so(tmp_path: Path) -> None:
    assert run(FAILING, tmp_path, 60) == "failed with exit code 7"


def test_a_program_without_end_is_stopped(tmp_path: Path) -> None:
    assert run(BUSY, tmp_path, 0.2) == "stopped after 0.2 s"


def test_the_typical_cost_is_the_median_of_each_figure() -> None:
    assert typical([Cost(1, 9, 5), Cost(2, 8, 4), Cost(30, 70, 60)]) == Cost(2, 9, 5)


@pytest.mark.parametrize(("text", "expected"), [("400MB", 400_000_000), ("1GB", 1_000_000_000)])
def test_sizes_are_read(text: str, expected: int) -> None:
    assert size(text) == expected
