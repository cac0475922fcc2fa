"""The terminal's text, whole, as a person sees it; `python -m tests.report.test_terminal` writes the files anew."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len

from pcap_analyzer.analysis.model import Report
from pcap_analyzer.report.layout import Look, Page, cells_of_shares, wrapped
from pcap_analyzer.report.terminal import write_report
from tests.report import sample

GOLDEN = Path(__file__).parent / "golden"
STYLES = re.compile(r"\x1b\[[0-9;]*m")


def printed(report: Report, *, width: int = 80, ascii_only: bool = False, colour: bool = False) -> str:
    page = Page(Look(width, not ascii_only, terminal=colour, colours="truecolor" if colour else None))
    write_report(report, page)
    return page.text()


CASES: dict[str, Callable[[], str]] = {
    "report-80": lambda: printed(sample.report()),
    "report-60": lambda: printed(sample.report(), width=60),
    "report-140": lambda: printed(sample.report(), width=140),
    "report-80-ascii": lambda: printed(sample.report(), ascii_only=True),
    "report-80-colour": lambda: printed(sample.report(), colour=True),
    "healthy-80": lambda: printed(sample.healthy()),
    "damaged-80": lambda: printed(sample.damaged()),
    "empty-80": lambda: printed(sample.empty()),
    "hostile-80": lambda: printed(sample.hostile()),
}


@pytest.mark.parametrize("name", CASES)
def test_the_text_is_the_golden_one(name: str) -> None:
    assert CASES[name]() == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [20, 60, 73, 80, 100, 140, 400])
def test_only_what_must_stay_whole_is_wider_than_the_terminal(width: int) -> None:
    long = "Connections come up late because their first packets are lost"
    report = sample.report()
    report = replace(report, verdict=replace(report.verdict, headline=long))
    whole = {finding.display_filter for finding in report.findings} | {report.capture.name}

    lines = [line.strip() for line in printed(report, width=width).splitlines()]

    assert all(cell_len(line) <= max(60, width) - 2 for line in lines if line not in whole)


def test_a_display_filter_is_one_line_of_its_own() -> None:
    report = sample.report()

    lines = [line.strip() for line in printed(report, width=60).splitlines()]

    assert all(finding.display_filter in lines for finding in report.findings)


@pytest.mark.parametrize("width", [60, 80, 90])
def test_on_a_terminal_a_long_filter_breaks_between_words_and_stays_one_line(width: int) -> None:
    expression = sample.FINDINGS[0].display_filter
    lines = STYLES.sub("", printed(sample.report(), width=width, colour=True)).splitlines()

    [line] = [line for line in lines if "tls.record.content_type" in line]

    assert line.split() == expression.split()
    rows = [line[start : start + width] for start in range(0, len(line), width)]
    assert [word for row in rows for word in row.split()] == expression.split()


def test_spaces_inside_quotes_of_a_filter_are_left_alone() -> None:
    quoted = 'http.request.uri == "' + "a b " * 30 + '"'
    finding = replace(sample.FINDINGS[0], display_filter=quoted)
    report = replace(sample.report(), findings=(finding,))

    assert '"' + "a b " * 30 + '"' in STYLES.sub("", printed(report, colour=True))


def test_text_from_packets_reaches_no_terminal_as_a_command() -> None:
    text = printed(sample.hostile())

    assert all(char == "\n" or char.isprintable() for char in text)
    assert r"\x1b[31mred\x1b]0;title\x07 \u202egpj.exe\u2066 \x00nul \x9b2J" in text
    assert "[bold]x[/bold]" in text


def test_colour_adds_nothing_but_styles() -> None:
    coloured = STYLES.sub("", printed(sample.healthy(), colour=True))
    bar_and_swatch = str.maketrans({"■": "█"})

    assert coloured.translate(bar_and_swatch) == printed(sample.healthy())


def test_the_first_sentence_is_the_verdict() -> None:
    assert printed(sample.report()).split("\n")[1].strip().startswith("▲ The server is slow")


def test_a_cut_file_is_said_before_the_numbers() -> None:
    text = printed(sample.damaged())

    assert text.index("DAMAGED FILE") < text.index("of waiting went")


def test_damage_is_told_once_whoever_tells_it() -> None:
    told_by_a_note = sample.damaged()
    told_by_nobody_else = replace(told_by_a_note, quality=())

    assert printed(told_by_a_note).count("DAMAGED FILE") == 1
    assert printed(told_by_nobody_else).count("DAMAGED FILE") == 1


@pytest.mark.parametrize(("wall_seconds", "overlapping"), [(412.6, False), (350.0, True)])
def test_causes_that_overlap_are_said_to_exceed_everything(wall_seconds: float, *, overlapping: bool) -> None:
    report = sample.report()

    text = printed(replace(report, waiting=replace(report.waiting, wall_seconds=wall_seconds)))

    assert ("Causes overlap in time, so together they exceed 100 %." in text) is overlapping


@pytest.mark.parametrize("width", [60, 80])
def test_ranges_are_shown_and_explained_at_every_width(width: int) -> None:
    text = printed(sample.report(), width=width)

    assert text.count("5.10 s to 6.20 s") == 1
    assert text.count("Range: what the capture leaves open") == 1


def test_without_ranges_none_is_explained() -> None:
    report = sample.report()
    exact = tuple(replace(share, low=share.seconds, high=share.seconds) for share in report.waiting.shares)

    assert "Range:" not in printed(replace(report, waiting=replace(report.waiting, shares=exact)))


def test_more_than_ten_findings_are_counted_instead() -> None:
    many = replace(sample.report(), findings=sample.FINDINGS * 2)

    assert "and 2 more findings" in printed(many)


@pytest.mark.parametrize(
    ("amounts", "width", "cells"),
    [
        ((342.5, 36.7, 0.001), 10, (8, 1, 1)),
        ((1.0, 1.0, 1.0), 10, (4, 3, 3)),
        ((1.0, 0.0), 5, (5, 0)),
        ((0.0, 0.0), 5, (0, 0)),
        ((5.0, 4.0, 3.0), 2, (1, 1, 0)),
        ((1e-9,), 7, (7,)),
    ],
)
def test_every_category_gets_a_cell_while_there_are_enough(
    amounts: tuple[float, ...], width: int, cells: tuple[int, ...]
) -> None:
    assert cells_of_shares(amounts, width) == cells


def test_wide_characters_count_twice_when_wrapping() -> None:
    assert wrapped("漢字 漢字 漢字", 9) == ["漢字 漢字", "漢字"]
    assert wrapped("unbreakable-word-that-is-long x", 10) == ["unbreakable-word-that-is-long", "x"]


def test_a_number_and_its_unit_stay_on_one_line() -> None:
    report = replace(sample.healthy(), verdict=replace(sample.healthy().verdict, sentence="It took 8.75 s. " * 40))

    assert all(line.split()[-1] != "8.75" for line in printed(report).splitlines() if line)


def write_golden_files() -> None:
    GOLDEN.mkdir(exist_ok=True)
    for name, case in CASES.items():
        (GOLDEN / f"{name}.txt").write_text(case(), encoding="utf-8")


if __name__ == "__main__":
    write_golden_files()
