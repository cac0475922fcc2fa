"""Durations, counts and shares in the words of a sentence."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

ENOUGH = 5  # fewer values have no median or percentile worth the name: their longest is told


def duration(seconds: float) -> str:
    """A duration in the unit that people use for its size."""
    if seconds >= 172_800:
        return f"{seconds / 86_400:.1f} days"
    if seconds >= 7_200:
        return f"{seconds / 3_600:.1f} h"
    if seconds >= 120:
        return f"{seconds / 60:.1f} min"
    if seconds >= 0.9995:  # never "1000 ms"
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


def typical(seconds: Sequence[float] | npt.NDArray[np.float64]) -> str:
    """ "1.2 s": the median; of a few values "up to 1.2 s", the longest."""
    if len(seconds) >= ENOUGH:
        return duration(float(np.median(seconds)))
    longest = duration(float(np.max(seconds)))
    return longest if len(seconds) == 1 else f"up to {longest}"


def spread(seconds: Sequence[float] | npt.NDArray[np.float64]) -> str:
    """Median and 95th percentile; of a few values the longest."""
    if len(seconds) >= ENOUGH:
        high = duration(float(np.percentile(seconds, 95)))
        return f"{duration(float(np.median(seconds)))} (median), {high} at the 95th percentile"
    return typical(seconds)
