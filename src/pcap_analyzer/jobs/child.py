"""The analysis process: one capture in on a descriptor, messages and the report out on a pipe.

`python -m pcap_analyzer.jobs.child CAPTURE_FD MESSAGES_FD SUPERVISOR_PID`, the capture's name and the time limit as
JSON on standard input. It knows no path, no database and no secret.
"""

from __future__ import annotations

import ctypes
import json
import math
import os
import resource
import signal
import sys
from pathlib import Path

from pcap_analyzer.analysis import engine
from pcap_analyzer.errors import AppError
from pcap_analyzer.jobs import messages
from pcap_analyzer.report import json as report_json

PR_SET_PDEATHSIG = 1
OPEN_FILES = 256
FILE_BYTES = 64 * 2**30  # of a table that does not fit into memory
LEAST_MEMORY_LIMIT_BYTES = 4 * 2**30


def main(arguments: list[str]) -> int:
    capture_fd, messages_fd, supervisor_pid = (int(argument) for argument in arguments)
    die_with(supervisor_pid)
    told = json.load(sys.stdin)
    memory_bytes = memory_limit_bytes()
    limit_resources(memory_bytes, float(told["time_limit_s"]))
    answer(capture_fd, messages_fd, str(told["name"]), memory_bytes)
    return 0


def answer(capture_fd: int, messages_fd: int, name: str, memory_bytes: int) -> None:
    """Analyse the capture and send the report, or the sentence that says why there is none."""
    try:
        report = engine.analyze(
            Path(f"/dev/fd/{capture_fd}"),
            progress=lambda now: send(
                messages_fd, messages.Progress(now.stage, now.bytes_done, now.bytes_total, now.frames)
            ),
            name=name,
        )
    except AppError as error:
        send(messages_fd, messages.Failure(str(error)))
    except MemoryError:
        most = f"{memory_bytes / 2**30:.0f} GiB"
        send(messages_fd, messages.Failure(f"The analysis needs more than the {most} of memory that it may take here."))
    except OSError as error:
        send(messages_fd, messages.Failure(f"The analysis could not go on: {error.strerror}."))
    else:
        text = report_json.dump(report).encode()
        send(messages_fd, messages.ReportFollows(len(text)))
        _write(messages_fd, text)


def memory_limit_bytes() -> int:
    """Half of the machine's memory, so that a hostile capture cannot take all of it, but never less than 4 GiB."""
    return max(LEAST_MEMORY_LIMIT_BYTES, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)


def limit_resources(memory_bytes: int, time_limit_s: float) -> None:
    """Bound what this process, and whatever breaks out of its supervision, can take of the machine."""
    for kind, most in (
        (resource.RLIMIT_CORE, 0),  # a core dump would be a copy of the capture
        # Not RLIMIT_AS: tables that were spilled are mapped from their files, and those may be larger than memory.
        (resource.RLIMIT_DATA, memory_bytes),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_FSIZE, FILE_BYTES),
    ):
        _set_limit(kind, most, most)
    # At the lower one comes SIGXCPU, which says what it was; at the higher one the kernel kills.
    _set_limit(resource.RLIMIT_CPU, math.ceil(time_limit_s), math.ceil(time_limit_s) + 1)


def _set_limit(kind: int, soft: int, hard: int) -> None:
    """Lower a limit; one that stands lower already stays."""
    _, highest = resource.getrlimit(kind)
    if highest != resource.RLIM_INFINITY:
        soft, hard = min(soft, highest), min(hard, highest)
    resource.setrlimit(kind, (soft, hard))


def die_with(supervisor_pid: int) -> None:
    """Be killed when the supervisor's process ends, even by -9; it may have ended before this took effect."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != supervisor_pid:
        raise SystemExit(1)


def send(descriptor: int, message: messages.Message) -> None:
    _write(descriptor, messages.encode(message))


def _write(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
