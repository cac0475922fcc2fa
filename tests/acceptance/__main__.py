"""Measures every claim and keeps the dated log in docs/acceptance.md: `make acceptance`."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from benchmarks.results import machine
from tests.acceptance.claim import ROOT, Claim, Outcome
from tests.acceptance.claims import CLAIMS

LOG = ROOT / "docs" / "acceptance.md"
HEAD = """# Acceptance

What is promised, as it was measured by `make acceptance`, newest first.
"""


def entry(outcomes: list[tuple[Claim, Outcome]], load: tuple[float, float]) -> str:
    lines = [
        f"## {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC",
        "",
        f"{machine()}; load average {load[0]:.2f} before, {load[1]:.2f} after.",
        "",
        "| claim | measured by | seen | kept |",
        "|---|---|---|---|",
        *(
            f"| {claim.what} | {claim.how} | {outcome.figure} | {'yes' if outcome.kept else '**no**'} |"
            for claim, outcome in outcomes
        ),
    ]
    return "\n".join(lines) + "\n"


def write(log: Path, text: str) -> None:
    """Put a new entry in front of the old ones."""
    old = log.read_text().removeprefix(HEAD) if log.exists() else ""
    log.write_text(f"{HEAD}\n{text}{old}")


def main() -> int:
    before = os.getloadavg()[0]
    outcomes = []
    for claim in CLAIMS:
        print(f"{claim.what} ...", flush=True)
        outcome = claim.measure()
        print(f"    {outcome.figure}: {'kept' if outcome.kept else 'NOT KEPT'}", flush=True)
        outcomes.append((claim, outcome))
    write(LOG, entry(outcomes, (before, os.getloadavg()[0])))
    return 0 if all(outcome.kept for _, outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
