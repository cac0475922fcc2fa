"""What `db info`, `db verify`, `db backup`, `db restore` and the trial of the chain promise, figure by figure."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.acceptance.claim import ROOT, Claim, Outcome, tests_in
from tests.cli.command import environment, pcap_analyzer
from tests.postgres import Cluster

LEAST_BUSY_TIMEOUT_MS = 5000


def nothing_set() -> Outcome:
    """`db info --json` where no DATABASE_URL is set."""
    with tempfile.TemporaryDirectory() as folder:
        told = json.loads(pcap_analyzer("db", "info", "--json", DATA_DIR=folder).stdout)
    sqlite = told["sqlite"]
    kept = told["kind"] == "sqlite" and sqlite["foreign_keys"] and sqlite["journal_reason"]
    figure = (
        f"{told['kind']}, journal {sqlite['journal_mode']} because {sqlite['journal_reason']}, foreign_keys "
        f"{sqlite['foreign_keys']}, busy_timeout {sqlite['busy_timeout_ms']} ms"
    )
    return Outcome(figure, bool(kept) and sqlite["busy_timeout_ms"] >= LEAST_BUSY_TIMEOUT_MS)


def trials() -> Outcome:
    """`python verify_migration.py` on SQLite and, with --scratch-database, on PostgreSQL."""
    endings = []
    with tempfile.TemporaryDirectory() as folder, Cluster() as cluster:
        scratch = cluster.create_database().owner_url
        for more in ([], ["--scratch-database", scratch]):
            done = subprocess.run(
                [sys.executable, ROOT / "verify_migration.py", *more],
                cwd=folder,
                env=environment(TMPDIR=folder),
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            endings.append((done.returncode, done.stdout.splitlines()[-1:]))
        left = [path.name for path in Path(folder).iterdir()]
    kept = endings == [(0, ["ALL VERIFICATION CHECKS PASSED"])] * 2 and not left
    return Outcome(f"{endings}, files left: {left}", kept)


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "No DATABASE_URL: SQLite, its journal with the reason, foreign keys on, busy_timeout of 5000 ms or more",
        "`pcap-analyzer db info --json`",
        nothing_set,
    ),
    Claim(
        "Every way to write a URL of PostgreSQL connects, by the program and by Alembic, and no password is shown",
        "`python -m pytest tests/cli/db/test_urls.py tests/cli/db/test_info.py tests/store/test_urls.py`",
        tests_in("tests/cli/db/test_urls.py", "tests/cli/db/test_info.py", "tests/store/test_urls.py"),
    ),
    Claim(
        "`db verify` exits 2 for a dropped index, an invalid index, a NOT VALID constraint, a lagging sequence, a "
        "missing file and a file without a row",
        "`python -m pytest tests/services/test_verification.py tests/cli/db/test_verify.py`",
        tests_in("tests/services/test_verification.py", "tests/cli/db/test_verify.py"),
    ),
    Claim(
        "Backup and restore give the same dump hash on both databases, and a damaged backup changes nothing",
        "`python -m pytest tests/cli/db/test_backup.py`",
        tests_in("tests/cli/db/test_backup.py"),
    ),
    Claim(
        "The service's role has no DDL, and no UPDATE or DELETE on the audit log",
        "`python -m pytest tests/store/test_grants.py`",
        tests_in("tests/store/test_grants.py"),
    ),
    Claim(
        "The chain's trial passes in a database that it makes, and leaves nothing, on both databases",
        "`python verify_migration.py`, with `--scratch-database` too",
        trials,
    ),
)
