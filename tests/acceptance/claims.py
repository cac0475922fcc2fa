"""What is promised, and how each promise is measured."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from benchmarks.captures import made, plans
from benchmarks.programs import CAT, OURS, TSHARK, Cost, Program, run, typical
from tests.acceptance import (
    database_adoption,
    database_checks,
    database_copy,
    database_habits,
    database_migrations,
    database_people,
    database_service,
)
from tests.acceptance.claim import ROOT, Claim, Outcome, tests_in

CACHE = ROOT / ".cache" / "benchmarks"
FULL_SIZE_BYTES = 400_000_000
ROUNDS = 5
LIMIT_S = 120.0
FORBIDDEN_AT_START = ("sqlalchemy", "fastapi", "pydantic", "polars", "asyncio")


def _capture(name: str) -> Path:
    return made(next(plan for plan in plans(FULL_SIZE_BYTES) if plan.name == name), CACHE)


def _interleaved(programs: Iterable[Program], capture: Path) -> dict[str, Cost]:
    """Medians of `ROUNDS` rounds in which the programs take turns."""
    costs: dict[str, list[Cost]] = {}
    for _ in range(ROUNDS):
        for program in programs:
            outcome = run(program, capture, LIMIT_S)
            if isinstance(outcome, str):
                raise RuntimeError(f"{program.name} {outcome}")
            costs.setdefault(program.name, []).append(outcome)
    return {name: typical(seen) for name, seen in costs.items()}


def small_capture_against_tshark() -> Outcome:
    """CPU of `analyze` and of `tshark -q -z expert` on about 1 MB."""
    costs = _interleaved((TSHARK, OURS), _capture("mixed"))
    ours, theirs = costs[OURS.name].cpu_s, costs[TSHARK.name].cpu_s
    return Outcome(f"{ours:.3f} s against {theirs:.3f} s of CPU", ours <= theirs)


def full_size_against_cat() -> Outcome:
    """CPU beyond start-up in units of cat's, and the peak of memory, on 400 MB."""
    start_up = _interleaved((CAT, OURS), _capture("start-up"))
    costs = _interleaved((CAT, OURS), _capture("full-size"))
    beyond = {name: cost.cpu_s - start_up[name].cpu_s for name, cost in costs.items()}
    ratio = beyond[OURS.name] / beyond[CAT.name]
    peak_mb = costs[OURS.name].peak_bytes / 1e6
    figure = f"{beyond[OURS.name]:.3f} s against {beyond[CAT.name]:.3f} s: {ratio:.1f} x; peak {peak_mb:.0f} MB"
    return Outcome(figure, ratio <= 4 and peak_mb < 120)


def imports_at_start() -> Outcome:
    """Modules that `analyze` must not load, by `python -X importtime`."""
    command = [sys.executable, "-X", "importtime", "-m", "pcap_analyzer", "analyze", str(_capture("mixed"))]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    found = sorted(loaded & set(FORBIDDEN_AT_START))
    return Outcome(", ".join(found) or "none of them", not found)


CLAIMS = (
    Claim(
        "Every shared capture: no traceback, at most 10 s, TShark's frame count",
        "`python -m pytest tests/conformance`",
        tests_in("tests/conformance"),
    ),
    Claim(
        "A capture of about 1 MB costs no more CPU than `tshark -q -z expert`",
        "median of 5, in turn, on the bench's `mixed` capture",
        small_capture_against_tshark,
    ),
    Claim(
        f"`analyze` loads none of {', '.join(FORBIDDEN_AT_START)}",
        "`python -X importtime -m pcap_analyzer analyze`",
        imports_at_start,
    ),
    Claim(
        "400 MB of full-size packets: at most 4 x the CPU of `cat` beyond start-up, under 120 MB",
        "median of 5, in turn, on the bench's `full-size` capture",
        full_size_against_cat,
    ),
    Claim(
        "From setup link to report in the browser, without console error or CSP violation",
        "`python -m pytest tests/browser`",
        tests_in("tests/browser"),
    ),
    Claim(
        "Bad input: its sentence, and nothing lost",
        "`python -m pytest tests/cli tests/jobs tests/web tests/capture`",
        tests_in("tests/cli", "tests/jobs", "tests/web", "tests/capture"),
    ),
    Claim(
        "A detector without docstring, unit, firing or silent capture fails",
        "`python -m pytest tests/analysis/test_detectors.py`",
        tests_in("tests/analysis/test_detectors.py"),
    ),
    Claim(
        "A forbidden import fails `make lint`",
        "`python -m pytest tests/conventions/test_layers.py`",
        tests_in("tests/conventions/test_layers.py"),
    ),
    *database_adoption.CLAIMS,
    *database_checks.CLAIMS,
    *database_copy.CLAIMS,
    *database_habits.CLAIMS,
    *database_migrations.CLAIMS,
    *database_people.CLAIMS,
    *database_service.CLAIMS,
)
