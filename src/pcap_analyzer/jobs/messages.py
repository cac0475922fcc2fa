"""What the analysis process says to its supervisor: JSON lines on a pipe, then the report's bytes.

    {"stage": "read", "bytes_done": 1048576, "bytes_total": 4194304, "frames": 812}
    {"failure": "This is a ZIP archive: unzip it first."}
    {"report_bytes": 48211}      followed by exactly that many bytes, and the end

The process handles hostile input, so nothing it says is believed before it is checked here.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

MAX_LINE_BYTES = 16_384
MAX_REPORT_BYTES = 4 * 2**20  # flows, findings and steps are bounded: the largest report is a twentieth of this
MAX_SENTENCE_CHARACTERS = 500
MAX_COMPLAINT_CHARACTERS = 200
STAGES = ("unpack", "read", "measure", "diagnose", "done")


class MalformedError(ValueError):
    """A line that no analysis process of this release writes."""


@dataclass(frozen=True)
class Progress:
    stage: str
    bytes_done: int
    bytes_total: int | None
    frames: int


@dataclass(frozen=True)
class Failure:
    failure: str  # a sentence


@dataclass(frozen=True)
class ReportFollows:
    report_bytes: int


Message = Progress | Failure | ReportFollows


def encode(message: Message) -> bytes:
    """One line. Lone surrogates stay escaped: JSON's ASCII form can say them, UTF-8 cannot."""
    return json.dumps(asdict(message)).encode("ascii") + b"\n"


def decode(line: bytes) -> Message:
    """The message of a line; raises MalformedError."""
    try:
        given = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise MalformedError("no JSON") from error
    if not isinstance(given, dict):
        raise MalformedError("no object")
    if given.keys() == {"failure"} and isinstance(given["failure"], str):
        return Failure(one_line(given["failure"], MAX_SENTENCE_CHARACTERS))
    if given.keys() == {"report_bytes"} and _is_count(given["report_bytes"], most=MAX_REPORT_BYTES):
        return ReportFollows(given["report_bytes"])
    if given.keys() == {"stage", "bytes_done", "bytes_total", "frames"}:
        counts = _is_count(given["bytes_done"]) and _is_count(given["frames"])
        if given["stage"] in STAGES and counts and (given["bytes_total"] is None or _is_count(given["bytes_total"])):
            return Progress(**given)
    raise MalformedError("unknown fields or values")


def one_line(text: str, most: int = MAX_COMPLAINT_CHARACTERS) -> str:
    """Text of unknown origin as logs and pages may show it: printable, in one line, the beginning of what is long."""
    shown = _printable(text)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def last_words(complaints: bytes) -> str:
    """The end of what a process wrote to standard error, where the reason stands, in one line."""
    shown = _printable(complaints.decode(errors="replace"))
    return shown if len(shown) <= MAX_COMPLAINT_CHARACTERS else f"…{shown[1 - MAX_COMPLAINT_CHARACTERS :]}"


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in " ".join(text.split()))


def _is_count(value: object, most: int = 2**62) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most
