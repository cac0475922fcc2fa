"""The upgrade in processes of its own, as people start it."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pcap_analyzer.store.urls import DatabaseUrl, PostgresUrl

CHECKOUT = Path(__file__).parents[2]
WITHIN_S = 180.0
VERIFY = ("-m", "pcap_analyzer", "db", "verify")
UPGRADE = ("-m", "pcap_analyzer", "db", "upgrade")
ALEMBIC = ("-m", "alembic", "upgrade", "head")


def written(url: DatabaseUrl) -> str:
    """The URL as it stands in DATABASE_URL, password and all."""
    if isinstance(url, PostgresUrl):
        return url.engine_url().render_as_string(hide_password=False)
    return url.shown


def start(url: DatabaseUrl, arguments: Sequence[str], **variables: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=CHECKOUT,
        env={**os.environ, "DATABASE_URL": written(url), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(url: DatabaseUrl, arguments: Sequence[str]) -> tuple[int, str]:
    """The exit code, and everything that was said."""
    process = start(url, arguments)
    said, _ = process.communicate(timeout=WITHIN_S)
    return process.returncode, said


def verify(url: DatabaseUrl, folder: Path) -> tuple[bool, str]:
    """Whether `db verify` finds nothing to repair, with an empty data folder, and what it said."""
    process = start(url, VERIFY, DATA_DIR=str(folder))
    said, _ = process.communicate(timeout=WITHIN_S)
    return process.returncode in (0, 1) and "FAILED" not in said, said


def race(url: DatabaseUrl, count: int, programs: Sequence[Sequence[str]] = (UPGRADE, ALEMBIC)) -> tuple[list[int], str]:
    """Start so many upgrades at once, of each program in turn; their exit codes, and what all of them said."""
    racing = [start(url, programs[number % len(programs)]) for number in range(count)]
    said = [process.communicate(timeout=WITHIN_S)[0] for process in racing]
    return [process.returncode for process in racing], "".join(said)
