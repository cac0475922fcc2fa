"""Databases of earlier releases: every row accounted for, every user let in, and nothing lost however it ends."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.acceptance.claim import Claim, Outcome, tests_in
from tests.migrations import legacy
from tests.migrations.test_adoption_held_up import more_snapshots, survive_kills

ROWS = 1_000_000
KILLS = 20
MEMORY_MB = 150
LONGEST_S = 600
MEASURED = (
    "import asyncio, resource, sys; from pathlib import Path; from pcap_analyzer.store import upgrade; "
    "from pcap_analyzer.store.urls import SqliteUrl; asyncio.run(upgrade.upgrade(SqliteUrl(Path(sys.argv[1])))); "
    "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
)


def a_million_rows() -> Outcome:
    """Time and peak of memory of an adoption of so many progress rows; none may be missing."""
    with tempfile.TemporaryDirectory() as folder:
        path = legacy.build_own(Path(folder) / "old.db", legacy.Age.LATER).path
        more_snapshots(path, ROWS)
        before = legacy.counts(path)
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, str(path)], capture_output=True, text=True, check=True, timeout=LONGEST_S
        )
        took, peak_mb = time.monotonic() - began, int(done.stdout) * 1024 / 1e6
        after = legacy.counts(path)
        complete = all(after[name] + legacy.ORPHANS.get(name, 0) == count for name, count in before.items())
    there = "all there" if complete else "NOT all there"
    figure = f"{sum(before.values()):,} rows in {took:.0f} s, peak {peak_mb:.0f} MB, {there}"
    return Outcome(figure, complete and peak_mb < MEMORY_MB)


def kills() -> Outcome:
    """Adoptions that are killed at moments spread over the time that one takes; each is run again."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            killed = survive_kills(Path(folder), KILLS, 100_000)
        except AssertionError as broken:
            return Outcome(str(broken).partition("\n")[0], kept=False)
    return Outcome(
        f"{killed} of {KILLS} were killed before their end; every row and the old file are there", killed >= KILLS / 4
    )


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "SQLite files that the application made (three ages), with an empty or half-applied alembic_version: every row "
        "is accounted for, people log in with their old passwords; an unknown schema exits 3, its SHA-256 the same",
        "`python -m pytest tests/migrations/test_adoption.py`",
        tests_in("tests/migrations/test_adoption.py"),
    ),
    Claim(
        "SQLite and PostgreSQL at each of the five deployed revisions: upgraded in place with every row, people log in",
        "`python -m pytest tests/migrations/test_legacy_chain.py`",
        tests_in("tests/migrations/test_legacy_chain.py"),
    ),
    Claim(f"Adoption of {ROWS:,} progress rows: every row accounted for, under {MEMORY_MB} MB", "once", a_million_rows),
    Claim(f"kill -9 of an adoption at {KILLS} moments: a second start completes it", "`db upgrade`", kills),
)
