"""Values to text: one function a kind of value, the same text in terminal, pages and files.

Absent is not zero: every function answers `ABSENT` for `None`. Inside a number and between a number and its unit
stands a narrow no-break space (U+202F), so that no line ever breaks there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

ABSENT = "—"
NARROW = "\u202f"

_SIZE_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_RATE_UNITS = ("bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s")
#: From how many seconds on a unit is used, and how many of them it has.
_LONG_UNITS = ((172_800, 86_400, "days"), (7_200, 3_600, "h"), (120, 60, "min"))


def count(value: int | None) -> str:
    """A whole number in groups of three: `1 482 913`."""
    return ABSENT if value is None else f"{value:,}".replace(",", NARROW)


def plural(value: int, noun: str, nouns: str | None = None) -> str:
    """`1 flow`, `38 flows`; `nouns` where the plural is not formed by an s."""
    return f"{count(value)} {noun if value == 1 else nouns or noun + 's'}"


def seconds(value: float | None) -> str:
    """An amount of time in the unit that people use for its size: `240 µs`, `12.4 ms`, `1.91 s`, `5.7 min`, `2.1 h`.

    From a millisecond on it reads as in the sentences of findings, which `analysis.quantities` writes.
    """
    if value is None or not math.isfinite(value):
        return ABSENT
    if value < 0:
        return "-" + seconds(-value)
    for least, divisor, unit in _LONG_UNITS:
        if value >= least:
            return _with_unit(f"{value / divisor:.1f}", unit)
    if value >= 0.9995:
        return _with_unit(f"{value:.2f}".replace(".00", ".0"), "s")
    return _below_a_second(value)


def _below_a_second(value: float) -> str:
    if value >= 0.000_95:
        return _with_unit(f"{value * 1e3:.0f}" if value >= 0.0995 else f"{value * 1e3:.1f}", "ms")
    for factor, unit in ((1e6, "µs"), (1e9, "ns")):
        amount = value * factor
        if amount >= 0.9995:
            return _with_unit(f"{amount:.0f}" if amount >= 9.95 else _short(amount, 1), unit)
    return _with_unit("0", "s")


def milliseconds(value: float | None) -> str:
    """The same as `seconds` for a value in milliseconds; what is shorter than one stays in them: `0.2 ms`."""
    if value is None or not math.isfinite(value):
        return ABSENT
    if 0.05 <= value < 0.95:
        return _with_unit(f"{value:.1f}", "ms")
    return seconds(value / 1e3)


def duration(value: float | None) -> str:
    """How long a capture or a flow lasted: as `seconds`, so that a report does not write one span in two ways."""
    return seconds(value)


def data_size(value: float | None) -> str:
    """Bytes in powers of 1000, three digits: `812 B`, `38.2 MB`, `1.24 GB`."""
    return ABSENT if value is None else _scaled(value, _SIZE_UNITS)


def byte_rate(value: float | None) -> str:
    """Bytes a second: `84 MB/s`."""
    return ABSENT if value is None else _scaled(value, _SIZE_UNITS) + "/s"


def bit_rate(value: float | None) -> str:
    """Bits a second: `78 Mbit/s`."""
    return ABSENT if value is None else _scaled(value, _RATE_UNITS)


def percent(share: float | None) -> str:
    """A share of one: `83 %`, `8.3 %`, `0.06 %`. Neither all nor nothing is claimed by rounding."""
    if share is None or not math.isfinite(share):
        return ABSENT
    value = share * 100
    if value == 0:
        return _with_unit("0", "%")
    if 0 < value < 0.005:
        return _with_unit("<" + NARROW + "0.01", "%")
    if 99.5 <= value < 100:
        return _with_unit(f"{math.floor(value * 10) / 10:.1f}", "%")
    if abs(value) >= 9.95:
        return _with_unit(f"{value:.0f}", "%")
    return _with_unit(f"{value:.1f}" if abs(value) >= 0.995 else f"{value:.2f}", "%")


def clock(time_s: float | None) -> str:
    """Time of day in UTC with microseconds: `14:03:45.118 204`."""
    moment = _moment(time_s)
    return ABSENT if moment is None else f"{moment:%H:%M:%S}.{moment:%f}"[:12] + NARROW + f"{moment:%f}"[3:]


def date(time_s: float | None) -> str:
    """Date and time in UTC: `18 Nov 2026, 14:02:11 UTC`."""
    moment = _moment(time_s)
    return ABSENT if moment is None else f"{moment.day} {moment:%b} {moment.year}, {moment:%H:%M:%S} UTC"


def measure(value: float | None, unit: str) -> str:
    """A value with the unit that `model.Number` names: "s", "ms", "bytes", "%", "" for counts, or any other word."""
    if value is None or not math.isfinite(value):
        return ABSENT
    written = _MEASURES.get(unit)
    if written is not None:
        return written(value)
    text = count(int(value)) if float(value).is_integer() else _short(value, 2)
    return _with_unit(text, unit) if unit else text


#: Units that have a form of their own; `measure` puts every other word behind the number.
_MEASURES: Mapping[str, Callable[[float], str]] = {
    "s": seconds,
    "ms": milliseconds,
    "bytes": data_size,
    "B": data_size,
    "bit/s": bit_rate,
    "%": lambda value: percent(value / 100),
}


def printable(text: str) -> str:
    """Text of a capture or a file name as one line that no terminal acts on.

    Control characters, escapes, marks of direction and lone surrogates are written visibly as backslash escapes,
    every sort of space but the narrow no-break one of this module as a plain one.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == NARROW else _visible(char) for char in text)


def _visible(char: str) -> str:
    if char.isspace() and char >= "\u00a0":
        return " "
    return char.encode("unicode_escape").decode("ascii")


def _with_unit(text: str, unit: str) -> str:
    return text + NARROW + unit


def _short(value: float, decimals: int) -> str:
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _scaled(value: float, units: tuple[str, ...]) -> str:
    """Three significant digits in the largest unit that leaves at least one before the point; exact where whole."""
    if not math.isfinite(value):
        return ABSENT
    if value < 0:
        return "-" + _scaled(-value, units)
    last = len(units) - 1
    step = 0
    while step < last and value / 1000**step >= 999.5:
        step += 1
    amount = value / 1000**step
    if amount.is_integer() or amount >= 99.95:
        return _with_unit(count(round(amount)), units[step])
    return _with_unit(f"{amount:.1f}" if amount >= 9.995 else f"{amount:.2f}", units[step])


def _moment(time_s: float | None) -> datetime | None:
    """None also for stamps that no calendar holds: captures may carry any 64 bits as a time."""
    if time_s is None:
        return None
    try:
        return datetime.fromtimestamp(time_s, UTC)
    except (OverflowError, OSError, ValueError):
        return None
