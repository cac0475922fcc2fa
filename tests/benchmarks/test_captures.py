"""The captures of the benchmark are sound: TShark reads them whole and finds every checksum right."""

import subprocess
from pathlib import Path

import pytest

from benchmarks.captures import Plan, made, plans
from tests.needs import need

CHECKED = ("-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE")
SMALL = plans(1_000_000)


@pytest.mark.parametrize("plan", SMALL, ids=lambda plan: plan.name)
def test_no_checksum_is_wrong_and_time_never_runs_backwards(tmp_path: Path, plan: Plan) -> None:
    need("tshark")
    bad = "frame.time_delta < 0 || ip.checksum.status == 0 || tcp.checksum.status == 0 || frame.cap_len < frame.len"
    command = ["tshark", "-r", str(made(plan, tmp_path)), *CHECKED, "-Y", bad]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == ""


@pytest.mark.parametrize("plan", SMALL, ids=lambda plan: plan.name)
def test_a_capture_is_as_large_as_asked_and_the_same_each_time(tmp_path: Path, plan: Plan) -> None:
    data = made(plan, tmp_path).read_bytes()
    assert plan.bytes * 0.9 < len(data) < plan.bytes + 300_000
    assert data == made(plan, tmp_path / "again").read_bytes()
