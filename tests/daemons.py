"""Servers of other projects that tests start: never as root, and never alive for longer than the tests."""

import os
import pwd
import random
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

START_WITHIN_S = 60.0
STOP_WITHIN_S = 30.0


def free_port() -> int:
    """A free loopback port below those that the kernel gives to clients.

    A client that asks again and again for a server that is down may otherwise be given the server's own port, be
    connected with itself and keep the server from coming back.
    """
    while True:
        port = random.randrange(15_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Folder:
    """A throwaway folder under /tmp that the servers' user can enter; pytest's own are closed to others than root."""

    def __init__(self, prefix: str) -> None:
        self._made = tempfile.TemporaryDirectory(prefix=prefix, dir="/tmp", ignore_cleanup_errors=True)
        self.path = Path(self._made.name)
        self.give(self.path)

    def write(self, name: str, content: str) -> Path:
        """A file that the servers' user alone may read."""
        path = self.path / name
        path.touch(mode=0o600)
        path.write_text(content)
        self.give(path)
        return path

    def give(self, path: Path) -> None:
        if user := _user():
            os.chown(path, user.pw_uid, user.pw_gid)

    def remove(self) -> None:
        self._made.cleanup()


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
    """Run a command to its end as the servers' user; raises RuntimeError with what it said."""
    done = subprocess.run(
        [*_privileges(signal.SIGKILL), *command],
        check=False,
        cwd=folder,
        env=_environment(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=START_WITHIN_S,
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stdout.decode(errors='replace')}")


class Daemon:
    """A server in the foreground, with its log in a file; it may be started again after it was stopped."""

    def __init__(self, command: Sequence[str], folder: Path, at_our_end: signal.Signals) -> None:
        """`at_our_end` is what the kernel sends to the server when this process ends, however it ends."""
        self.log = folder / "server.log"
        self._command = [*_privileges(at_our_end), *command]
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        # The kernel sends that signal when the thread ends that started the server. Tests start servers from
        # threads of an event loop too, which end with the test: so there is a thread for it that ends with us.
        self._starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="starter")

    @property
    def pid(self) -> int:
        """Of the server itself: what gives up root's rights becomes the server."""
        assert self._process is not None, "the server was not started"
        return self._process.pid

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, ready: Callable[[], bool]) -> None:
        """Returns once it is ready; raises RuntimeError with the log where it ends or takes over a minute."""
        assert not self.running(), "the server is running already"
        self._process = self._starter.submit(self._spawn).result()
        deadline = time.monotonic() + START_WITHIN_S
        while self.running() and time.monotonic() < deadline:
            if ready():
                return
            time.sleep(0.02)
        self.stop(signal.SIGKILL)
        raise RuntimeError(f"{self._command} did not start: {self.log_text()[-4000:]}")

    def stop(self, how: signal.Signals) -> None:
        """Returns once it has ended, by SIGKILL where it takes half a minute; stopped twice is stopped."""
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_WITHIN_S)

    def close(self, how: signal.Signals) -> None:
        """Stop it for good."""
        self.stop(how)
        self._starter.shutdown()

    def log_text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self._command,
                cwd=self._folder,
                env=_environment({}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Control-C is for pytest, which then stops the servers in order
            )


def _user() -> pwd.struct_passwd | None:
    """Whom servers run as that refuse root; None where we are somebody else ourselves."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    return known.get("postgres") or known["nobody"]


def _privileges(at_our_end: signal.Signals) -> list[str]:
    command = ["setpriv", "--pdeathsig", at_our_end.name.removeprefix("SIG")]
    if user := _user():
        command += [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    return [*command, "--"]


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    """Nothing of ours but PATH: a developer's PGHOST would lead elsewhere."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", **more}
