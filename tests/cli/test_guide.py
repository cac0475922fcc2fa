"""Help is read in windows of any width: no word of it breaks, and its commands can be copied."""

from __future__ import annotations

import pytest

from pcap_analyzer.cli.guide import Formatter
from tests.cli.command import pcap_analyzer


def shown(text: str, width: int) -> list[str]:
    formatter = Formatter(width=width)
    formatter.write_text(text)
    return formatter.getvalue().splitlines()


EXAMPLE = "\b\n  pcap-analyzer analyze slow.pcapng --json - | jq -r .verdict.sentence   the reason alone"


def test_an_example_that_fits_keeps_its_line() -> None:
    assert shown(EXAMPLE, 100) == EXAMPLE.splitlines()[1:]


def test_the_note_of_a_longer_example_goes_below_it() -> None:
    assert shown(EXAMPLE, 72) == [
        "  pcap-analyzer analyze slow.pcapng --json - | jq -r .verdict.sentence",
        "      the reason alone",
    ]


def test_a_command_that_is_wider_goes_on_as_shells_read_it() -> None:
    assert shown(EXAMPLE, 60) == [
        "  pcap-analyzer analyze slow.pcapng --json - | jq -r \\",
        "      .verdict.sentence",
        "      the reason alone",
    ]


def test_other_lines_hang_and_words_stay_whole() -> None:
    assert shown("\b\n  70  the program-which-is-long failed", 20) == [
        "  70  the",
        "      program-which-is-long",
        "      failed",
    ]


def test_paragraphs_flow_as_ever() -> None:
    assert shown("one\ntwo\n\nthree", 40) == ["one two", "", "three"]


@pytest.mark.parametrize("command", [[], ["analyze"], ["explain"], ["serve"]])
def test_no_help_is_wider_than_a_narrow_window(command: list[str]) -> None:
    run = pcap_analyzer(*command, "--help", COLUMNS="60")

    assert run.returncode == 0
    assert [line for line in run.stdout.splitlines() if len(line) > 60] == []
