"""Numbers read the same everywhere, and never claim what was not measured."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pcap_analyzer.analysis import quantities
from pcap_analyzer.report import format as text

CASES: tuple[tuple[Callable[[float], str], float, str], ...] = (
    (text.seconds, 0, "0 s"),
    (text.seconds, 2.4e-4, "240 µs"),
    (text.seconds, 9.9e-4, "1.0 ms"),
    (text.seconds, 0.012, "12.0 ms"),
    (text.seconds, 0.9996, "1.0 s"),
    (text.seconds, 1.906, "1.91 s"),
    (text.seconds, 119.9, "119.90 s"),
    (text.seconds, 342.5, "5.7 min"),
    (text.seconds, 7500, "2.1 h"),
    (text.seconds, 3 * 86_400 + 4 * 3600, "3.2 days"),
    (text.seconds, -1.2, "-1.20 s"),
    (text.duration, 252, "4.2 min"),
    (text.milliseconds, 0.24, "0.2 ms"),
    (text.milliseconds, 12.44, "12.4 ms"),
    (text.milliseconds, 2314, "2.31 s"),
    (text.data_size, 812, "812 B"),
    (text.data_size, 1000, "1 kB"),
    (text.data_size, 999.6e6, "1.00 GB"),
    (text.data_size, 1_240_118_204, "1.24 GB"),
    (text.data_size, 38_210_000, "38.2 MB"),
    (text.data_size, 20e9, "20 GB"),
    (text.byte_rate, 84e6, "84 MB/s"),
    (text.bit_rate, 78e6, "78 Mbit/s"),
    (text.percent, 0, "0 %"),
    (text.percent, 0.00001, "< 0.01 %"),
    (text.percent, 0.0006, "0.06 %"),
    (text.percent, 0.083, "8.3 %"),
    (text.percent, 0.83, "83 %"),
    (text.percent, 0.9999, "99.9 %"),
    (text.percent, 1, "100 %"),
)


def plain(written: str) -> str:
    return written.replace(text.NARROW, " ")


@pytest.mark.parametrize(("function", "value", "expected"), CASES)
def test_a_value_is_written_with_its_unit(function: Callable[[float], str], value: float, expected: str) -> None:
    assert plain(function(value)) == expected


@pytest.mark.parametrize(
    "value", [0.001, 0.0228, 0.0994, 0.1, 0.25, 1.0, 1.906, 86.66, 119.99, 120, 145.8, 7199, 7200, 86_400, 200_000]
)
def test_figures_and_sentences_write_the_same_time_alike(value: float) -> None:
    assert plain(text.seconds(value)) == quantities.duration(value)


@pytest.mark.parametrize("share", [0.0001, 0.00449, 0.083, 0.0995, 0.5, 0.9949, 0.996, 0.99999, 1])
def test_figures_and_sentences_write_the_same_share_alike(share: float) -> None:
    assert plain(text.percent(share)) == quantities.percent(share)


def test_no_line_can_break_inside_a_number() -> None:
    assert not any(" " in function(value) for function, value, _ in CASES)


@pytest.mark.parametrize(
    "function",
    [text.count, text.seconds, text.milliseconds, text.duration, text.data_size, text.byte_rate, text.bit_rate,
     text.percent, text.clock, text.date],
)  # fmt: skip
def test_what_was_not_measured_is_a_dash_and_never_zero(function: Callable[[None], str]) -> None:
    assert function(None) == text.ABSENT


def test_counts_are_grouped_in_threes() -> None:
    assert plain(text.count(1_482_913)) == "1 482 913"
    assert plain(text.plural(1, "flow")) == "1 flow"
    assert plain(text.plural(1204, "query", "queries")) == "1 204 queries"


def test_times_are_utc_to_the_microsecond() -> None:
    assert plain(text.clock(1_795_010_531.204118)) == "14:02:11.204 118"
    assert text.date(1_795_010_531.204118) == "18 Nov 2026, 14:02:11 UTC"


@pytest.mark.parametrize("time_s", [1e300, -1e14, float("nan"), float("inf")])
def test_a_stamp_that_no_calendar_holds_is_absent(time_s: float) -> None:
    assert text.clock(time_s) == text.ABSENT
    assert text.date(time_s) == text.ABSENT


def test_a_measure_follows_its_unit() -> None:
    assert plain(text.measure(8.4, "s")) == "8.40 s"
    assert plain(text.measure(0.94, "%")) == "0.94 %"
    assert plain(text.measure(1204, "")) == "1 204"
    assert plain(text.measure(3, "retries")) == "3 retries"
    assert plain(text.measure(1.25, "")) == "1.25"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain", "plain"),
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("a\nb\tc", r"a\nb\tc"),
        ("a\u202eb\u2066c\u200fd", r"a\u202eb\u2066c\u200fd"),
        ("\x9b31m", r"\x9b31m"),
        ("a\u00a0b\u3000c", "a b c"),
        ("1\u202f482", "1\u202f482"),
        ("\udcff\ud800", r"\udcff\ud800"),
        ("käse 漢字", "käse 漢字"),
    ],
)
def test_nothing_printable_moves_a_cursor(raw: str, shown: str) -> None:
    assert text.printable(raw) == shown
