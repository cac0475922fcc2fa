"""Stands in for the analysis process: behaves as the first argument says. Run by tests as a program of its own."""

import os
import signal
import subprocess
import sys
import time

from pcap_analyzer.jobs import child, messages
from pcap_analyzer.jobs.messages import Failure, Progress, ReportFollows
from pcap_analyzer.report import json as report_json
from tests.report import sample

RUBBISH = {
    "babble": b"hello, supervisor\n",
    "a-flood": b"x" * 4 * messages.MAX_LINE_BYTES,
    "a-boast": b'{"report_bytes": 999999999999}\n',
    "a-lie": b'{"report_bytes": 30}\n{"schema_version": 1, "x": 1}\n',
}


def main(mode: str, capture_fd: int, pipe: int, supervisor_pid: int) -> None:
    child.die_with(supervisor_pid)
    text = report_json.dump(sample.report()).encode()
    act, _, what = mode.partition(" ")
    match act:
        case "works":
            child.send(pipe, Progress("read", os.fstat(capture_fd).st_size, os.fstat(capture_fd).st_size, 3))
            child.send(pipe, ReportFollows(len(text)))
            os.write(pipe, text)
        case "slow":
            for step in range(600):
                child.send(pipe, Progress("read", step, 600, step))
                time.sleep(0.1)
        case "with-a-child":
            subprocess.Popen(["sleep", "600"])
            child.send(pipe, Progress("read", 0, None, 0))
            time.sleep(600)
        case "leaves-a-child":  # `at home`, or in a session of its own
            left = subprocess.Popen(["sleep", "600"], pass_fds=(pipe,), start_new_session=what != "at home")
            child.send(pipe, Progress("read", 0, None, left.pid))
        case "refuses":
            child.send(pipe, Failure("This looks like text, not like a capture."))
        case "crashes":
            os.kill(os.getpid(), signal.Signals[what or "SIGABRT"])
        case "exits":
            print("\x1b[1mwhat\nwent\twrong", file=sys.stderr)
            raise SystemExit(7)
        case "writes":
            os.write(pipe, RUBBISH[what])
        case "stops-short":
            child.send(pipe, ReportFollows(len(text)))
            os.write(pipe, text[: len(text) // 2])


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
