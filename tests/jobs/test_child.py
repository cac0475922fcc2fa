"""The analysis process bounds itself, and says which bound it reached."""

import os
import subprocess
import sys

import pytest

from pcap_analyzer.analysis import engine
from pcap_analyzer.jobs import child, messages
from pcap_analyzer.jobs.messages import Failure

LIMITED = """
import resource, sys
from pcap_analyzer.jobs import child
child.limit_resources(2**30, 90.5)
"""


def in_a_process(code: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", LIMITED + code], capture_output=True, text=True, timeout=60, check=True
    )
    return ended.stdout.strip()


def test_the_limits_hold_and_leave_no_core_dump() -> None:
    code = "print([resource.getrlimit(kind) for kind in (resource.RLIMIT_CORE, resource.RLIMIT_CPU)])"

    assert in_a_process(code) == "[(0, 0), (91, 92)]"


def test_more_memory_than_the_limit_is_refused() -> None:
    code = "try:\n    bytearray(2 * 2**30)\nexcept MemoryError:\n    print('refused')"

    assert in_a_process(code) == "refused"


def test_a_limit_that_stands_lower_already_stays() -> None:
    code = (
        "resource.setrlimit(resource.RLIMIT_NOFILE, (50, 50))\n"
        "child.limit_resources(2**30, 90.5)\n"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE))"
    )

    assert in_a_process(code) == "(50, 50)"


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (MemoryError(), "needs more than the 3 GiB of memory"),
        (OSError(24, os.strerror(24)), "could not go on: Too many open files."),
    ],
)
def test_a_limit_that_is_reached_is_a_sentence(monkeypatch: pytest.MonkeyPatch, error: Exception, says: str) -> None:
    def full(*_given: object, **_named: object) -> None:
        raise error

    monkeypatch.setattr(engine, "analyze", full)
    ours, theirs = os.pipe()
    child.answer(0, theirs, "one.pcap", memory_bytes=3 * 2**30)
    os.close(theirs)
    with open(ours, "rb") as pipe:  # noqa: PTH123 - a descriptor, not a path
        said = messages.decode(pipe.read())

    assert isinstance(said, Failure)
    assert says in said.failure
