"""`pcap-analyzer serve` as a process that can be killed, with what is known of its children."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

PATIENCE_S = 60.0
PASSWORD = "correct horse battery staple"
COMMAND = (sys.executable, "-m", "pcap_analyzer", "serve", "--port", "0")


def wait_until(holds: Callable[[], object]) -> None:
    """Look again every few milliseconds; raises TimeoutError after a minute."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.005)


def environment(**more: str) -> dict[str, str]:
    """Without the settings of this machine."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH", "LANG") if name in os.environ}
    return {**kept, "FREE_SPACE_RESERVE_BYTES": "0", **more}


def serve_once(*arguments: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """A service that is expected to refuse its start."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


@dataclass
class Service:
    """A running service and a browser of its first administrator."""

    process: subprocess.Popen[bytes]
    log: Path
    url: str
    setup_path: str | None = None
    frozen: list[int] = field(default_factory=list)

    def client(self, token: str | None = None) -> httpx.Client:
        headers = {"Origin": self.url}
        if token is not None:
            headers["Cookie"] = f"__Host-session={token}"
        return httpx.Client(base_url=self.url, headers=headers, timeout=PATIENCE_S)

    def set_up(self) -> str:
        """Use the setup link; returns the administrator's token."""
        assert self.setup_path is not None
        with self.client() as client:
            form = {"username": "root", "email": "root@corp.example", "password": PASSWORD}
            answer = client.post(self.setup_path, data=form)
        assert answer.status_code == 303, answer.text
        return _token(answer)

    def log_in(self) -> str:
        with self.client() as client:
            answer = client.post("/login", data={"login": "root", "password": PASSWORD})
        return _token(answer)

    def children(self) -> list[int]:
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in listed.read_text().split()]

    def freeze_analysis(self) -> int:
        """Stop the analysis process as soon as it runs its program, so that it stays in the middle of its work.

        Before that it shares the service's memory (vfork), and the service would stand still with it.
        """
        wait_until(lambda: any(map(is_analysis, self.children())))
        (pid,) = self.children()
        os.kill(pid, signal.SIGSTOP)
        self.frozen.append(pid)
        return pid

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)


@contextmanager
def service(
    data_dir: Path,
    *arguments: str,
    command: Sequence[str] = COMMAND,
    url: str | None = None,
    name: str = "service",
    **more: str,
) -> Iterator[Service]:
    """Start a service and wait until it answers; it is killed at the end if it still runs.

    `url` is where it is, for a command that does not say it; `name` tells the logs of several apart.
    """
    log, said = data_dir.parent / f"{name}.log", data_dir.parent / f"{name}.out"
    with log.open("ab") as errors, said.open("wb") as output:
        process = subprocess.Popen(
            [*command, *arguments],
            cwd=Path(__file__).parents[2],
            env=environment(DATA_DIR=str(data_dir), **more),
            stdout=output,
            stderr=errors,
        )
    frozen: list[int] = []
    try:
        started = _ready(process, log, said, url)
        frozen = started.frozen
        yield started
    finally:
        for pid in filter(is_analysis, frozen):
            os.kill(pid, signal.SIGKILL)
        if process.poll() is None:
            process.kill()
        process.wait()


def _ready(process: subprocess.Popen[bytes], log: Path, said: Path, url: str | None) -> Service:
    """The service once it answers: it has said its address, and the setup link if nobody can log in."""
    wait_until(lambda: "is ready" in said.read_text() or process.poll() is not None)
    found = re.search(r"is ready(?:: (http\S+)| at the address)", said.read_text())
    if found is None:
        pytest.fail(f"the service ended: {log.read_text()}")
    started = Service(process, log, url or found[1])
    with started.client() as client:
        wait_until(lambda: _answers(client))
    link = re.search(r"(/setup/\S+)", said.read_text())
    started.setup_path = None if link is None else link[1]
    return started


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/health/live").status_code == 200
    except httpx.TransportError:
        return False


def _token(answer: httpx.Response) -> str:
    found = re.search(r"__Host-session=([^;]+)", answer.headers["set-cookie"])
    assert found is not None
    return found[1]


def is_analysis(pid: int) -> bool:
    with suppress(FileNotFoundError):
        return b"pcap_analyzer.jobs.child" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def is_gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """A tmpfs at `folder`; skipped, with a sentence, where this machine does not let us mount."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"needs to mount a tmpfs, which this machine does not allow: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
