"""What one check of a deployment found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

NAMED_AT_MOST = 5


class Status(StrEnum):
    """A warning leaves everything working; a failure is to be repaired."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True)
class Check:
    name: str
    status: Status
    sentence: str  # what was found and, unless all is well, what to do


def well(name: str, sentence: str) -> Check:
    return Check(name, Status.OK, sentence)


def warning(name: str, sentence: str) -> Check:
    return Check(name, Status.WARNING, sentence)


def failure(name: str, sentence: str) -> Check:
    return Check(name, Status.FAILURE, sentence)


def some(names: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    more = len(names) - NAMED_AT_MOST
    return ", ".join(names[:NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")


def worst(checks: Iterable[Check]) -> Status:
    found = {check.status for check in checks}
    return next((status for status in (Status.FAILURE, Status.WARNING) if status in found), Status.OK)
