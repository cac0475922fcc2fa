"""Exceptions become a sentence and a code."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from pcap_analyzer.cli import failures
from pcap_analyzer.errors import AppError, Cancelled, NotACapture, StorageFull, UsageError


def raising(error: BaseException) -> Callable[[], int]:
    def action() -> int:
        raise error

    return action


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (NotACapture("The file is empty."), 3, "pcap-analyzer: The file is empty.\n"),
        (StorageFull("The disk is full."), 5, "pcap-analyzer: The disk is full.\n"),
        (UsageError("No."), 2, "pcap-analyzer: No.\n"),
        (AppError("It broke."), 70, "pcap-analyzer: It broke.\n"),
        (Cancelled("Stopped."), 130, ""),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_each_failure_has_its_code_and_sentence(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failures.guarded(raising(error), debug=False) == code
    assert capsys.readouterr().err == said


def test_a_subject_stands_before_the_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    failures.guarded(raising(NotACapture("The file is empty.")), debug=False, subject="a.pcap")

    assert capsys.readouterr().err == "pcap-analyzer: a.pcap: The file is empty.\n"


def test_a_usage_error_is_about_the_whole_command_line() -> None:
    with pytest.raises(UsageError):
        failures.guarded(raising(UsageError("No.")), debug=False, subject="a.pcap")


def test_too_little_memory_is_said_plainly(capsys: pytest.CaptureFixture[str]) -> None:
    assert failures.guarded(raising(MemoryError()), debug=False) == 70
    assert "memory" in capsys.readouterr().err


def test_a_sentence_is_safe_for_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    failures.say("no file \x1b[31mred\udcff\n")

    assert capsys.readouterr().err == "pcap-analyzer: no file \\x1b[31mred\\udcff\\n\n"


def test_nobody_to_tell_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)

    assert failures.guarded(raising(NotACapture("The file is empty.")), debug=False) == 3


@pytest.mark.parametrize(
    ("codes", "code"),
    [([], 0), ([0, 0], 0), ([1, 0], 1), ([1, 4, 0], 4), ([4, 3, 1], 3), ([3, 5, 4, 1], 5), ([5, 70, 1], 70)],
)
def test_the_worst_of_several_codes_wins(codes: list[int], code: int) -> None:
    assert failures.worst(codes) == code
