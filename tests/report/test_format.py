"""Numbers read the same everywhere, and never claim what was not measured."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pcap_analyzer.report import format as text

CASES: tuple[tuple[Callable[[float], str], float, str], ...] = (
    (text.seconds, 0, "0 s"),
    (text.seconds, 2.4e-4, "240 µs"),
    (text.seconds, 0.012, "12 ms"),
    (text.seconds, 0.9996, "1.0 s"),
    (text.seconds, 1.9, "1.9 s"),
    (text.seconds, 342.5, "342.5 s"),
    (text.seconds, 700, "11 min 40 s"),
    (text.seconds, -1.2, "-1.2 s"),
    (text.duration, 9.8, "9.8 s"),
    (text.duration, 59.97, "1 min 00 s"),
    (text.duration, 252, "4 min 12 s"),
    (text.duration, 3599.7, "1 h 00 min"),
    (text.duration, 7500, "2 h 05 min"),
    (text.duration, 3 * 86_400 + 4 * 3600, "3 d 04 h"),
    (text.milliseconds, 12.44, "12.4 ms"),
    (text.milliseconds, 2314, "2.3 s"),
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
    assert plain(text.measure(8.4, "s")) == "8.4 s"
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
