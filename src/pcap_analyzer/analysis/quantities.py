"""Durations, counts and shares in the words of a sentence."""


def duration(seconds: float) -> str:
    """A duration in the unit that people use for its size."""
    if seconds >= 172_800:
        return f"{seconds / 86_400:.1f} days"
    if seconds >= 7_200:
        return f"{seconds / 3_600:.1f} h"
    if seconds >= 120:
        return f"{seconds / 60:.1f} min"
    if seconds >= 1:
        return f"{seconds:.2f} s".replace(".00", ".0")
    if seconds >= 0.0995:
        return f"{seconds * 1e3:.0f} ms"
    return f"{seconds * 1e3:.1f} ms"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """ "1 request", "3 requests"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def percent(share: float) -> str:
    """ "83 %", "8.3 %", "0.06 %": neither all nor nothing is claimed by rounding."""
    value = share * 100
    if value == 0 or value >= 100:
        return f"{value:.0f} %"
    if value >= 99.5:
        return f"{min(value, 99.9):.1f} %"
    return f"{value:.0f} %" if value >= 9.95 else f"{value:.1f} %" if value >= 0.995 else f"{max(value, 0.01):.2f} %"
