"""The analysis process: one capture in on a descriptor, messages and the report out on a pipe.

`python -m pcap_analyzer.jobs.child CAPTURE_FD MESSAGES_FD SUPERVISOR_PID`, the capture's name as JSON on standard
input. It knows no path, no database and no secret.
"""

from __future__ import annotations

import ctypes
import json
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


def main(arguments: list[str]) -> int:
    capture_fd, messages_fd, supervisor_pid = (int(argument) for argument in arguments)
    die_with(supervisor_pid)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would be a copy of the capture
    name = str(json.load(sys.stdin)["name"])
    with open(messages_fd, "wb", buffering=0) as pipe:  # noqa: PTH123 - a descriptor, not a path
        try:
            report = engine.analyze(
                Path(f"/dev/fd/{capture_fd}"),
                progress=lambda now: send(
                    pipe.fileno(), messages.Progress(now.stage, now.bytes_done, now.bytes_total, now.frames)
                ),
                name=name,
            )
        except AppError as error:
            send(pipe.fileno(), messages.Failure(str(error)))
            return 0
        text = report_json.dump(report).encode()
        send(pipe.fileno(), messages.ReportFollows(len(text)))
        _write(pipe.fileno(), text)
    return 0


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
