"""A real `pcap-analyzer serve` on a free port with a data folder of its own."""

from __future__ import annotations

import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_WITHIN_S = 40.0
STOP_WITHIN_S = 20.0


@dataclass(frozen=True)
class Service:
    """Where it listens and the one-time link that makes the first administrator."""

    url: str
    setup_link: str


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_service(data_dir: Path) -> Iterator[Service]:
    """Start the service, wait for its setup link, and end it with SIGTERM; it must end by itself."""
    port = free_port()
    command = [sys.executable, "-m", "pcap_analyzer", "serve", "--port", str(port), "--data-dir", str(data_dir)]
    log = (data_dir.parent / "service.log").open("wb")
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with log, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environment) as process:
        try:
            yield Service(f"http://127.0.0.1:{port}", _setup_link(process))
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def _setup_link(process: subprocess.Popen[bytes]) -> str:
    """Read what the service prints until the link is there."""
    assert process.stdout is not None
    said = b""
    deadline = time.monotonic() + START_WITHIN_S
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while time.monotonic() < deadline and selector.select(deadline - time.monotonic()):
            chunk = os.read(process.stdout.fileno(), 4096)
            said += chunk
            if found := re.search(rb"http://\S+/setup/[^\s\x1b]+(?=\s)", said):
                return found[0].decode()
            if not chunk:
                break
    raise AssertionError(
        f"no setup link within {START_WITHIN_S:.0f} s; the service said: {said.decode(errors='replace')}"
    )
