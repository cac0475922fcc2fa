"""Runs the real command in a process of its own, as a shell would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

GOLDEN = Path(__file__).parents[1] / "golden"
SLOW_SERVER = sorted((GOLDEN / "slow_server").glob("fires-*.pcapng"))[0]
HEALTHY = GOLDEN / "capture_quality" / "silent-clean.pcapng"

COMMAND = (sys.executable, "-m", "pcap_analyzer")
LIMIT_S = 60  # no run takes that long; it ends a hang


def environment(**more: str) -> dict[str, str]:
    """Nothing of the person's terminal, so that a run is the same everywhere."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH", "LANG") if name in os.environ}
    return {**inherited, "PYTHONUTF8": "1", **more}


def pcap_analyzer(*arguments: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    """`pcap-analyzer ARGUMENTS` with both outputs on pipes; `more` is environment."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        env=environment(**more),
        timeout=LIMIT_S,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def shell(line: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """A line of sh in which "$@" is `pcap-analyzer ARGUMENTS`: for redirections that only a shell makes."""
    return subprocess.run(
        ["sh", "-c", line, "sh", *COMMAND, *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        env=environment(),
        timeout=LIMIT_S,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def cut(capture: Path, target: Path, missing_bytes: int = 10) -> Path:
    """A copy that ends in the middle of its last record."""
    target.write_bytes(capture.read_bytes()[:-missing_bytes])
    return target
