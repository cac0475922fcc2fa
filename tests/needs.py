"""What a test needs from the machine: a missing Debian package or kernel feature is a skip that names it.

`PCAP_ANALYZER_FORBID_SKIPS=tshark,chromium` turns the skips for those into failures: CI installs the packages.
"""

import os
import shutil

import pytest

PROGRAMS = {"tshark": "tshark", "chromium": "chromium", "tcptrace": "tcptrace"}


def need(package: str, *, found: bool | None = None) -> None:
    """Skip, or fail where that skip is forbidden, unless `package` is there."""
    if found is None:
        found = shutil.which(PROGRAMS[package]) is not None
    if found:
        return
    sentence = f"needs {package}, which this machine does not have"
    if package in os.environ.get("PCAP_ANALYZER_FORBID_SKIPS", "").split(","):
        pytest.fail(sentence)
    pytest.skip(sentence)
