"""What a test needs from the machine: a missing Debian package or kernel feature is a skip that names it.

`PCAP_ANALYZER_FORBID_SKIPS=tshark,chromium` turns the skips for those into failures: CI installs the packages.
"""

import os
import re
import shutil
from pathlib import Path

import pytest

#: Package → the places of its program, the better first. Debian keeps servers out of the users' PATH.
PROGRAMS = {
    "tshark": ("tshark",),
    "chromium": ("chromium",),
    "tcptrace": ("tcptrace",),
    "postgresql": ("/usr/lib/postgresql/*/bin/postgres", "postgres"),
    "curl": ("curl",),
    "pgbouncer": ("pgbouncer", "/usr/sbin/pgbouncer"),
}


def program(package: str) -> Path | None:
    """The program of a package, the newest where several versions are installed; None where it is missing."""
    for place in PROGRAMS[package]:
        if place.startswith("/"):
            installed = max(Path("/").glob(place[1:]), key=_numbers, default=None)
        else:
            which = shutil.which(place)
            installed = Path(which).resolve() if which else None
        if installed is not None:
            return installed
    return None


def _numbers(path: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", str(path))]


def need(package: str, *, found: bool | None = None) -> None:
    """Skip, or fail where that skip is forbidden, unless `package` is there."""
    if found is None:
        found = program(package) is not None
    if found:
        return
    sentence = f"needs {package}, which this machine does not have"
    if package in os.environ.get("PCAP_ANALYZER_FORBID_SKIPS", "").split(","):
        pytest.fail(sentence)
    pytest.skip(sentence)
