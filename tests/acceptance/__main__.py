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
    part = "" if len(outcomes) == len(CLAIMS) else f" {len(outcomes)} of {len(CLAIMS)} claims."
    lines = [
        f"## {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC",
        "",
        f"{machine()}; load average {load[0]:.2f} before, {load[1]:.2f} after.{part}",
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


def main(words: list[str]) -> int:
    """Measure the claims that hold one of the words, or all of them."""
    before = os.getloadavg()[0]
    outcomes = []
    for claim in CLAIMS:
        if words and not any(word in f"{claim.what} {claim.how}" for word in words):
            continue
        began = time.monotonic()
        print(f"{claim.what} ...", flush=True)
        outcome = claim.measure()
        took_s = time.monotonic() - began
        print(f"    {outcome.figure}: {'kept' if outcome.kept else 'NOT KEPT'} ({took_s:.0f} s)", flush=True)
        outcomes.append((claim, outcome))
    write(LOG, entry(outcomes, (before, os.getloadavg()[0])))
    return 0 if all(outcome.kept for _, outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
