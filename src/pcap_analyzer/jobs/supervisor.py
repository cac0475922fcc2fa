"""Runs one analysis in a process of its own and believes nothing that it says before checking it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from pcap_analyzer.analysis.model import Report
from pcap_analyzer.jobs import messages
from pcap_analyzer.report import schema

PROGRAM = (sys.executable, "-m", "pcap_analyzer.jobs.child")
PASSED_ON = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH")
STDERR_KEPT_BYTES = 4096
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Finished:
    """A report that was validated, and the bytes that it came as."""

    report: Report
    text: bytes


@dataclass(frozen=True)
class Failed:
    """Why there is no report, in a sentence for people."""

    sentence: str


Outcome = Finished | Failed


@dataclass
class Run:
    """One analysis process. `kill` may be called at any time, from any task."""

    name: str  # of the capture, as its owner calls it
    time_limit_s: float
    program: tuple[str, ...] = PROGRAM
    _process: asyncio.subprocess.Process | None = field(default=None, init=False)
    _killed: bool = field(default=False, init=False)

    async def outcome(self, capture_fd: int, on_progress: Callable[[messages.Progress], None]) -> Outcome:
        """Start the process on a capture and wait for its end; the descriptor stays the caller's."""
        ours, theirs = os.pipe2(os.O_CLOEXEC)
        try:
            self._process = await self._start(capture_fd, theirs)
        except OSError:
            os.close(ours)
            log.exception("the analysis process cannot be started")
            return Failed("The analysis could not be started: the server has too few resources at the moment.")
        finally:
            os.close(theirs)
        if self._killed:
            self._end()
        errors = asyncio.ensure_future(_tail(self._process.stderr))
        try:
            async with asyncio.timeout(self.time_limit_s):
                said = await self._listen(ours, on_progress)
                await self._process.wait()
        except TimeoutError:
            said = Failed(f"The analysis took longer than the limit of {self.time_limit_s:,.0f} s and was ended.")
        finally:
            self._end()
            code = await self._process.wait()
            tail = await errors
        if isinstance(said, Outcome):
            return said
        if not self._killed:
            said_last = tail.decode(errors="replace").strip() or "no message"
            log.warning("analysis process ended with %d: %s", code, said_last)
        return Failed(_how_it_ended(code))

    async def _start(self, capture_fd: int, pipe: int) -> asyncio.subprocess.Process:
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        process = await asyncio.create_subprocess_exec(
            *self.program,
            str(capture_fd),
            str(pipe),
            str(os.getpid()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=(capture_fd, pipe),
            start_new_session=True,
            env={**environment, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )
        if process.stdin is not None:
            with suppress(ConnectionError):  # a process that died at once is told of by its end
                process.stdin.write(json.dumps({"name": self.name}).encode("ascii"))
                await process.stdin.drain()
            process.stdin.close()
        return process

    async def _listen(self, pipe: int, on_progress: Callable[[messages.Progress], None]) -> Outcome | None:
        """What the process says until its pipe closes; None when that is no complete answer."""
        reader = asyncio.StreamReader(limit=messages.MAX_LINE_BYTES)
        file = os.fdopen(pipe, "rb", buffering=0)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), file
        )
        try:
            return await _conversation(reader, on_progress)
        except (messages.MalformedError, asyncio.LimitOverrunError) as error:
            return Failed(f"The analysis process answered with something that is no report ({error}).")
        finally:
            transport.close()

    def kill(self) -> None:
        """End the process and everything that it started, at once; one that has not begun will not work."""
        self._killed = True
        self._end()

    def _end(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)


async def _conversation(
    reader: asyncio.StreamReader, on_progress: Callable[[messages.Progress], None]
) -> Outcome | None:
    while True:
        try:
            line = await reader.readuntil(b"\n")
        except asyncio.IncompleteReadError:
            return None
        match messages.decode(line):
            case messages.Progress() as progress:
                on_progress(progress)
            case messages.Failure(sentence):
                return Failed(sentence)
            case messages.ReportFollows(size):
                return await _report(reader, size)


async def _report(reader: asyncio.StreamReader, size: int) -> Outcome | None:
    try:
        text = await reader.readexactly(size)
    except asyncio.IncompleteReadError:
        return None
    try:
        return Finished(await asyncio.to_thread(schema.load, text), text)
    except ValueError as error:
        raise messages.MalformedError(str(error)) from error


async def _tail(stream: asyncio.StreamReader | None) -> bytes:
    """The last bytes of a stream, read to its end so that the writer never waits."""
    kept = b""
    while stream is not None and (chunk := await stream.read(65_536)):
        kept = (kept + chunk)[-STDERR_KEPT_BYTES:]
    return kept


def _how_it_ended(code: int) -> str:
    if code == -signal.SIGKILL:
        return "The analysis was ended from outside (signal 9); most often the machine had too little memory for it."
    if code < 0:
        return f"The analysis process crashed ({signal.Signals(-code).name})."
    return f"The analysis process ended without a report (exit code {code})."
