"""report.json: strict, complete, read back to the same report."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from pcap_analyzer.analysis.model import Report
from pcap_analyzer.report.json import dump
from pcap_analyzer.report.schema import load
from tests.report import sample

SAMPLES = [sample.report, sample.healthy, sample.damaged, sample.empty]


@pytest.mark.parametrize("make", SAMPLES)
def test_a_report_is_read_back_as_it_was(make: Callable[[], Report]) -> None:
    assert load(dump(make())) == make()
    assert load(dump(make(), indent=2)) == make()


def test_a_dump_without_indent_is_one_line_of_ascii() -> None:
    text = dump(sample.hostile())

    assert text.isascii()
    assert text.isprintable()


def test_nul_and_lone_surrogates_become_visible_text() -> None:
    name = json.loads(dump(sample.hostile()))["capture"]["name"]

    assert r"\x00nul" in name
    assert r"\udcff" in name
    name.encode("utf-8")


def test_text_that_renders_dangerously_is_kept_as_data() -> None:
    name = json.loads(dump(sample.hostile()))["capture"]["name"]

    assert name.startswith("\x1b[31mred\x1b]0;title\x07 \u202egpj.exe")


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_not_finite_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        dump(replace(sample.healthy(), analysis_s=number))
