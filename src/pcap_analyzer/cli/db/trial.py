"""`pcap-analyzer db verify --migrations`: a release's chain tried in a temporary database, line by line."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from pcap_analyzer.cli import outputs
from pcap_analyzer.errors import UsageError
from pcap_analyzer.services.migration_trial import STEPS, Tried, try_chain
from pcap_analyzer.store.urls import PostgresUrl, parse_url

PASSED, FAILED = 0, 2


def run(scratch_database: str | None, ssl_mode: str) -> int:
    """The exit code; raises UsageError for a database that cannot be used for it."""
    given = None
    if scratch_database is not None:
        url = parse_url(scratch_database, data_dir=Path(), ssl_mode=ssl_mode, name="--scratch-database")
        if not isinstance(url, PostgresUrl):
            raise UsageError("--scratch-database names a database of PostgreSQL; without it, a file of SQLite is used.")
        given = url
    os.umask(0o077)
    return asyncio.run(_run(given))


async def _run(given: PostgresUrl | None) -> int:
    failed = 0
    last = None
    async for tried in try_chain(given):
        outputs.write_standard_output(_line(tried))
        failed += tried.failure is not None
        last = tried
    if failed or last is None or last.step != STEPS:
        outputs.write_standard_output("VERIFICATION FAILED\n")
        return FAILED
    left = "removed" if given is None else "empty again"
    outputs.write_standard_output(f"The temporary database is {left}.\nALL VERIFICATION CHECKS PASSED\n")
    return PASSED


def _line(tried: Tried) -> str:
    ending = "OK" if tried.failure is None else f"FAILED: {' '.join(tried.failure.split())}"
    return f"{tried.step}/{STEPS}  {tried.what}: {ending}\n"
