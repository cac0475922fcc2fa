"""A copy of a large deployment, undisturbed and killed again and again."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pcap_analyzer.store.urls import SqliteUrl
from tests.acceptance.claim import Claim, Outcome, tests_in
from tests.databases import postgres_at_head
from tests.postgres import Cluster, PgDatabase
from tests.store.transfer.seed import seeded

ROWS = 1_000_000
KILLS = 10
WITHIN_S = 900.0
POLL_S = 0.1
PEAK_LIMIT_MB = 250


@dataclass(frozen=True)
class Place:
    """A source with a million rows, and an empty target."""

    cluster: Cluster
    source: SqliteUrl
    target: PgDatabase
    folder: Path

    def start(self, *options: str) -> subprocess.Popen[str]:
        both = (
            "--from",
            self.source.shown,
            "--to",
            self.target.owner_url,
            "--report",
            str(self.folder / "report.json"),
        )
        command = [sys.executable, "-m", "pcap_analyzer", "db", "copy", *both, *options]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def count(self, query: str) -> int:
        return int(self.cluster.psql(query, self.target.name) or 0)

    @property
    def rows_copied(self) -> int:
        return self.count("SELECT max(rows_copied) FROM copy_checkpoints WHERE table_name = 'progress_snapshots'")

    @property
    def rows_there(self) -> tuple[int, int]:
        """Rows and different keys."""
        return (
            self.count("SELECT count(*) FROM progress_snapshots"),
            self.count("SELECT count(DISTINCT id) FROM progress_snapshots"),
        )


@contextmanager
def a_place() -> Iterator[Place]:
    with tempfile.TemporaryDirectory() as folder, Cluster() as cluster:
        source = seeded(Path(folder) / "source.db", ROWS)
        yield Place(cluster, source, postgres_at_head(cluster), Path(folder))


def copied() -> Outcome:
    """Time and memory of the whole command, its checks before and after included."""
    with a_place() as place:
        began = time.monotonic()
        process = place.start()
        output = process.stdout.read() if process.stdout else ""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        took_s = time.monotonic() - began
        peak_mb = usage.ru_maxrss / 1024
        equal = output.count(": equal") == output.count(" in the target") > 0
        figure = f"{took_s:.0f} s, {ROWS / took_s:,.0f} rows/s, peak {peak_mb:.0f} MB"
        right = process.returncode == 0 and equal and place.rows_there == (ROWS, ROWS)
    return Outcome(
        figure if right else f"exit code {process.returncode}: {output[-300:]}", right and peak_mb < PEAK_LIMIT_MB
    )


def killed_and_resumed() -> Outcome:
    """Kills spread over the rows, each a random moment after its share was there."""
    chance = random.Random()
    with a_place() as place:
        kills = []
        for share in range(KILLS):
            process = place.start(*(("--resume",) if share else ()))
            wanted = ROWS * share // KILLS
            _wait(process, place, wanted)
            time.sleep(chance.uniform(0, 0.5))
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=WITHIN_S)
            kills.append(process.returncode)
        process = place.start("--resume")
        output, _ = process.communicate(timeout=WITHIN_S)
        equal = output.count(": equal") == output.count(" in the target") > 0
        right = process.returncode == 0 and equal and place.rows_there == (ROWS, ROWS)
    died = kills.count(-signal.SIGKILL)
    return Outcome(f"{died} kills, then {'equal' if right else output[-300:]}", right and died == KILLS)


def _wait(process: subprocess.Popen[str], place: Place, rows: int) -> None:
    deadline = time.monotonic() + WITHIN_S
    while process.poll() is None and time.monotonic() < deadline and place.rows_copied <= rows:
        time.sleep(POLL_S)


CLAIMS: tuple[Claim, ...] = (
    Claim(
        f"`db copy` of {ROWS:,} progress rows: counts and hashes equal, under {PEAK_LIMIT_MB} MB",
        "`pcap-analyzer db copy` from SQLite to PostgreSQL, checks and comparison included",
        copied,
    ),
    Claim(
        f"`db copy` killed at {KILLS} random points and resumed: equal, no duplicates",
        "kill -9 once each tenth of the rows is there, a random moment later; then `--resume`",
        killed_and_resumed,
    ),
    Claim(
        "A poisoned source is listed whole, one changed byte is found, inserts after a copy work",
        "`python -m pytest tests/store/transfer tests/cli/db/test_copy.py`",
        tests_in("tests/store/transfer", "tests/cli/db/test_copy.py"),
    ),
)
