"""Runs one analysis in a process of its own and believes nothing that it says before checking it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO, TypeVar

from pcap_analyzer.analysis.model import Report
from pcap_analyzer.jobs import messages
from pcap_analyzer.report import schema

PROGRAM = (sys.executable, "-m", "pcap_analyzer.jobs.child")
PASSED_ON = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH")
STDERR_KEPT_BYTES = 4096
LAST_WORDS_S = 5.0  # from the end of an answer to the end of its process, and from that to the end of its pipes
log = logging.getLogger(__name__)
T = TypeVar("T")


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
Answer = bytes | Failed  # the text of a report, before it is checked


@dataclass
class Run:
    """One analysis process. `kill` may be called at any time, from any task."""

    name: str  # of the capture, as its owner calls it
    time_limit_s: float
    program: tuple[str, ...] = PROGRAM
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _killed: bool = field(default=False, init=False)

    async def outcome(self, capture_fd: int, on_progress: Callable[[messages.Progress], None]) -> Outcome:
        """Start the process on a capture and wait for its end; the descriptor stays the caller's."""
        ours, theirs = os.pipe2(os.O_CLOEXEC)
        try:
            process = self._process = self._start(capture_fd, theirs)
        except OSError:
            os.close(ours)
            log.exception("the analysis process cannot be started")
            return Failed("The analysis could not be started: the server has too few resources at the moment.")
        finally:
            os.close(theirs)
        if self._killed:
            self._end()
        gone = asyncio.create_task(self._see_out(process))
        try:
            answer, complaints = await self._attend(process, gone, ours, on_progress)
        finally:
            self._end()
            await gone
        if answer is None and not self._killed:
            said_last = messages.last_words(complaints) or "no message"
            log.warning("analysis process ended with %d: %s", process.returncode, said_last)
        if answer is None:
            return Failed(_how_it_ended(process.returncode, self.time_limit_s))
        return answer if isinstance(answer, Failed) else await _checked(answer)

    def _start(self, capture_fd: int, pipe: int) -> subprocess.Popen[bytes]:
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        process = subprocess.Popen(
            [*self.program, str(capture_fd), str(pipe), str(os.getpid())],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=(capture_fd, pipe),
            start_new_session=True,
            env={**environment, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )
        if process.stdin is not None:
            with suppress(BrokenPipeError):  # a process that died at once is told of by its end
                told = {"name": self.name, "time_limit_s": self.time_limit_s}
                process.stdin.write(json.dumps(told).encode("ascii"))
            process.stdin.close()
        return process

    async def _see_out(self, process: subprocess.Popen[bytes]) -> None:
        """Wait for the end of the process, end what it started, and only then reap it.

        Until it is reaped nobody else can get its number, so the signal reaches no group but its own.
        """
        ended = asyncio.Event()
        loop, descriptor = asyncio.get_running_loop(), os.pidfd_open(process.pid)
        loop.add_reader(descriptor, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
        self._end()
        process.wait()

    async def _attend(
        self,
        process: subprocess.Popen[bytes],
        gone: asyncio.Task[None],
        pipe: int,
        on_progress: Callable[[messages.Progress], None],
    ) -> tuple[Answer | None, bytes]:
        """What the process answers within its time, None when that is nothing whole, and the end of its complaints.

        What left the group of the process is out of reach and may hold its pipes open: nobody waits for that.
        """
        complaints = bytearray()
        async with _reading(process.stderr) as errors:
            with _beside(_keep_tail(errors, complaints)) as tail:
                answer = await self._answer(gone, pipe, on_progress)
                await asyncio.wait([gone], timeout=0.0 if isinstance(answer, Failed) else LAST_WORDS_S)
                self._end()
                await asyncio.wait([gone, tail], timeout=LAST_WORDS_S)
        return answer, bytes(complaints)

    async def _answer(
        self, gone: asyncio.Task[None], pipe: int, on_progress: Callable[[messages.Progress], None]
    ) -> Answer | None:
        """What comes through the pipe until it closes, the process ends, or its time is over."""
        async with _reading(os.fdopen(pipe, "rb", buffering=0)) as words:
            with _beside(_listen(words, on_progress)) as listening:
                await asyncio.wait([listening, gone], timeout=self.time_limit_s, return_when=asyncio.FIRST_COMPLETED)
                if gone.done():
                    await asyncio.wait([listening], timeout=LAST_WORDS_S)
                elif not listening.done():
                    return Failed(_too_long(self.time_limit_s))
                return listening.result() if listening.done() else None

    def kill(self) -> None:
        """End the process and everything that it started, at once; one that has not begun will not work."""
        self._killed = True
        self._end()

    def _end(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)


@asynccontextmanager
async def _reading(file: IO[bytes] | None) -> AsyncIterator[asyncio.StreamReader]:
    """Our end of a pipe, closed at the end even where others still hold theirs."""
    reader = asyncio.StreamReader(limit=messages.MAX_LINE_BYTES)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), file
    )
    try:
        yield reader
    finally:
        transport.close()


@contextmanager
def _beside(work: Coroutine[None, None, T]) -> Iterator[asyncio.Task[T]]:
    """Work that goes on beside the block and no longer."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()


async def _listen(reader: asyncio.StreamReader, on_progress: Callable[[messages.Progress], None]) -> Answer | None:
    """The answer; None when the pipe closes before it is whole."""
    try:
        while True:
            match messages.decode(await reader.readuntil(b"\n")):
                case messages.Progress() as progress:
                    on_progress(progress)
                case messages.Failure(sentence):
                    return Failed(sentence)
                case messages.ReportFollows(size):
                    return await reader.readexactly(size)
    except asyncio.IncompleteReadError:
        return None
    except (messages.MalformedError, asyncio.LimitOverrunError) as error:
        return _no_report(error)


async def _checked(text: bytes) -> Outcome:
    try:
        return Finished(await asyncio.to_thread(schema.load, text), text)
    except ValueError as error:
        return _no_report(error)


def _no_report(error: Exception) -> Failed:
    reason = messages.one_line(str(error))
    return Failed(f"The analysis process answered with something that is no report ({reason}).")


async def _keep_tail(stream: asyncio.StreamReader, kept: bytearray) -> None:
    """Keep the last bytes of a stream, read to its end so that the writer never waits."""
    while chunk := await stream.read(65_536):
        kept += chunk
        del kept[:-STDERR_KEPT_BYTES]


def _too_long(limit_s: float) -> str:
    return f"The analysis took longer than the limit of {limit_s:,.0f} s and was ended."


def _how_it_ended(code: int, limit_s: float) -> str:
    if code == -signal.SIGXCPU:
        return _too_long(limit_s)
    if code == -signal.SIGKILL:
        return "The analysis was ended from outside (signal 9); most often the machine had too little memory for it."
    if code < 0:
        return f"The analysis process crashed ({signal.Signals(-code).name})."
    return f"The analysis process ended without a report (exit code {code})."
