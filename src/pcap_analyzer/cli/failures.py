"""From an exception to a sentence on stderr and an exit code: the one way out of every command.

| code | meaning                                                        |
|------|----------------------------------------------------------------|
| 0    | done                                                           |
| 1    | findings at or above --fail-on                                 |
| 2    | the command line makes no sense                                |
| 3    | not a capture, or not readable                                 |
| 4    | a cut or damaged capture, with --strict                        |
| 5    | a result could not be written                                  |
| 70   | the program failed (EX_SOFTWARE of sysexits.h)                 |
| 130  | interrupted                                                    |
| 141  | the reader of a pipe went away                                 |
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable

from pcap_analyzer.errors import AppError
from pcap_analyzer.report.format import printable

DONE, FINDINGS, USAGE, NOT_READ, DAMAGED, NOT_WRITTEN, BROKEN, INTERRUPTED = 0, 1, 2, 3, 4, 5, 70, 130

_MILDEST_FIRST = (DONE, FINDINGS, DAMAGED, NOT_READ, NOT_WRITTEN, BROKEN)


def worst(codes: Iterable[int]) -> int:
    """The code of several captures together: the program failed, not written, not read, damaged, findings."""
    return max(codes, key=_MILDEST_FIRST.index, default=DONE)


def guarded(action: Callable[[], int], *, debug: bool, subject: str = "") -> int:
    """The exit code of `action`; what it raises becomes one sentence on stderr, after `subject` where that is given.

    An error's notes follow it, one a line. UsageError passes: it is about the whole command line.
    """
    try:
        return action()
    except KeyboardInterrupt:
        return INTERRUPTED
    except AppError as error:
        if error.exit_code == USAGE and subject:
            raise
        if error.exit_code != INTERRUPTED:
            say(_about(subject, error))
            for note in getattr(error, "__notes__", ()):
                tell(f"  {note}")
        return error.exit_code
    except MemoryError:
        say(f"{subject + ': ' if subject else ''}There is not enough memory for this.")
        return BROKEN
    except Exception as error:  # noqa: BLE001  # the command line's main: nothing leaves it as a traceback
        if debug:
            _print_traceback()
        say(
            f"{subject + ': ' if subject else ''}The program failed, which is a fault of its own "
            f"({type(error).__name__}: {error}). PCAP_ANALYZER_DEBUG=1 shows where."
        )
        return BROKEN


def _about(subject: str, error: AppError) -> str:
    """The subject leads, but where a result could not be written the capture is not to blame and comes last."""
    if not subject:
        return str(error)
    if error.exit_code == NOT_WRITTEN:
        return f"{error} This concerns the report of {subject}."
    return f"{subject}: {error}"


def say(sentence: str) -> None:
    """What went wrong, as one line of the program's on stderr."""
    tell(f"pcap-analyzer: {sentence}")


def tell(sentence: str) -> None:
    """One line on stderr, safe for a terminal whatever file names and packets hold."""
    if sys.stderr is None:
        return
    line = printable(sentence) + "\n"
    encoding = sys.stderr.encoding or "ascii"
    try:
        sys.stderr.write(line.encode(encoding, "backslashreplace").decode(encoding))
        sys.stderr.flush()
    except OSError:
        return  # nobody can be told: the exit code remains


def _print_traceback() -> None:
    import traceback  # noqa: PLC0415  # off the start-up path

    traceback.print_exc()
