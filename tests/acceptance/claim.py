"""A promise, its measurement, and what was seen."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Outcome:
    """The figure that was seen, and whether it keeps the promise."""

    figure: str
    kept: bool


@dataclass(frozen=True)
class Claim:
    """A promise and its measurement."""

    what: str
    how: str
    measure: Callable[[], Outcome]


def tests_in(*places: str) -> Callable[[], Outcome]:
    """The closing line of pytest over some folders."""

    def measure() -> Outcome:
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *places]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        closing = re.findall(r"^.*\b(?:passed|failed|error|skipped)\b.*$", done.stdout, re.MULTILINE)
        return Outcome(closing[-1].strip("= ") if closing else "no test ran", done.returncode == 0 and bool(closing))

    return measure
