"""The programs that are compared, and how one run of them is measured."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median

RUNNER = Path(__file__).with_name("measure.py")


@dataclass(frozen=True)
class Program:
    """A command; the capture's path is its last argument."""

    name: str
    command: tuple[str, ...]
    version_command: tuple[str, ...]

    def version(self) -> str:
        """The first version number that it says of itself."""
        done = subprocess.run(self.version_command, capture_output=True, text=True, check=False, timeout=60)
        found = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
        return found[0] if found else "of unknown version"


@dataclass(frozen=True)
class Cost:
    """One run, or the median of several in each figure."""

    wall_s: float
    cpu_s: float
    peak_bytes: float


CAT = Program("cat", ("cat",), ("cat", "--version"))
TSHARK = Program("tshark", ("tshark", "-q", "-z", "expert", "-r"), ("tshark", "--version"))
OURS = Program(
    "pcap-analyzer",
    (str(Path(sys.executable).with_name("pcap-analyzer")), "analyze", "--quiet"),
    (str(Path(sys.executable).with_name("pcap-analyzer")), "--version"),
)
PROGRAMS = (CAT, Program("tcptrace", ("tcptrace", "-n"), ("tcptrace", "-v")), TSHARK, OURS)


def installed() -> tuple[Program, ...]:
    """The programs that this machine has."""
    return tuple(program for program in PROGRAMS if shutil.which(program.command[0]))


def run(program: Program, capture: Path, limit_s: float) -> Cost | str:
    """What one run costs, or a few words on why it did not come to its end."""
    command = [sys.executable, "-I", "-S", str(RUNNER), str(limit_s), *program.command, str(capture)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=limit_s + 60)
    stated = json.loads(done.stdout)
    if stated["wall_s"] >= limit_s:
        return f"stopped after {limit_s:g} s"
    if stated["exit_code"] != 0:
        return f"failed with exit code {stated['exit_code']}"
    return Cost(stated["wall_s"], stated["cpu_s"], stated["peak_bytes"])


def typical(costs: list[Cost]) -> Cost:
    """The median of each figure."""
    return Cost(
        median(cost.wall_s for cost in costs),
        median(cost.cpu_s for cost in costs),
        median(cost.peak_bytes for cost in costs),
    )
