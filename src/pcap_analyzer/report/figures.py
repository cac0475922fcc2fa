"""The geometry of the small figures in a page: stacked bars, sparklines, and the columns behind the timelines.

Figures are drawn by the server as SVG whose geometry stands in attributes and whose colour is a class: they need
neither script nor inline styles.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pcap_analyzer.analysis.model import Category, QualityNote, Report, Series, WaitingAccount, WaitShare
from pcap_analyzer.report import format as text

#: Narrower parts of a bar could not be seen, nor told from their neighbours: in percent of its width.
NARROWEST_PERCENT = 0.9

SPARK_HEIGHT = 14
_SPARK_STEP = 3
_SPARK_BAR = 2


@dataclass(frozen=True)
class Segment:
    """One part of a stacked bar: where it begins and how wide it is, in percent of the bar."""

    category: str
    share: float  # as it was measured
    x: float
    width: float


@dataclass(frozen=True)
class PartOfWaiting:
    """A category of waiting with its part of the time in which anything waited, both by the wall clock."""

    wait: WaitShare
    share: float  # 0 to 1; the parts sum to more than 1 where flows waited for different causes at once


def segments(shares: Iterable[tuple[str, float]]) -> tuple[Segment, ...]:
    """Lay shares side by side, scaled to fill the bar; what is not zero stays wide enough to be seen."""
    parts = [(category, share) for category, share in shares if share > 0]
    widths = [max(100 * share, NARROWEST_PERCENT) for _, share in parts]
    scale = 100 / sum(widths) if widths else 0.0
    laid: list[Segment] = []
    x = 0.0
    for (category, share), width in zip(parts, widths, strict=True):
        laid.append(Segment(str(category), share, round(x, 3), round(width * scale, 3)))
        x += width * scale
    return tuple(laid)


def parts_of_waiting(waiting: WaitingAccount) -> tuple[PartOfWaiting, ...]:
    """The categories that are waiting, largest first, each with its part of all waiting, as verdicts count it."""
    shares = [share for share in waiting.shares if share.category.is_waiting and share.seconds > 0]
    total = max([waiting.wall_seconds, *(share.seconds for share in shares)])
    return tuple(PartOfWaiting(share, share.seconds / total) for share in shares)


def bar_of(parts: Iterable[PartOfWaiting]) -> tuple[tuple[str, float], ...]:
    """The pairs of category and share that a stacked bar is made of."""
    return tuple((part.wait.category.value, part.share) for part in parts)


def overlap(parts: Iterable[PartOfWaiting]) -> bool:
    """Whether flows waited for different causes at once, by more than rounding shows."""
    return sum(part.share for part in parts) >= 1.005


def bounds(share: WaitShare) -> str | None:
    """`3.6 s to 8.6 s`: what the capture leaves open; None where both read like the value itself."""
    low, best, high = text.seconds(share.low), text.seconds(share.seconds), text.seconds(share.high)
    return None if low == best == high else f"{low} to {high}"


def any_bounds(waiting: WaitingAccount) -> bool:
    """Whether a range is shown beside any cause."""
    return any(bounds(share) for share in waiting.shares if share.seconds > 0)


def damage_note(report: Report) -> QualityNote | None:
    """The note that repeats where the file is damaged: both would say the same in two banners."""
    if report.capture.damage is None:
        return None
    reason = report.capture.damage.rpartition(" (after frame ")[0] or report.capture.damage
    return next((note for note in report.quality if reason in note.what), None)


def flow_shares(waiting: Mapping[Category, float]) -> tuple[tuple[str, float], ...]:
    """What one flow waited for, largest first, as shares of its waiting."""
    seconds = {category: value for category, value in waiting.items() if category.is_waiting and value > 0}
    total = sum(seconds.values())
    ranked = sorted(seconds.items(), key=lambda item: -item[1])
    return tuple((category.value, value / total) for category, value in ranked)


def largest(values: Iterable[float | None]) -> float | None:
    """The largest of what was measured; None where nothing was."""
    return max((value for value in values if value is not None), default=None)


def percent_of(value: float | None, longest: float | None) -> float:
    """How long a bar is beside the longest one, 0 to 100; 0 where nothing was measured."""
    if not value or not longest:
        return 0.0
    return round(min(100.0, max(100 * value / longest, 2.0)), 2)


def spark_path(values: Sequence[int]) -> str:
    """An SVG path of bars in a box `SPARK_HEIGHT` high, three units a value; the largest value fills the height."""
    highest = max(values, default=0)
    if highest <= 0:
        return ""
    bars: list[str] = []
    for index, value in enumerate(values):
        if value > 0:
            height = max(1, round((SPARK_HEIGHT - 1) * value / highest))
            bars.append(f"M{index * _SPARK_STEP} {SPARK_HEIGHT}v-{height}h{_SPARK_BAR}v{height}z")
    return "".join(bars)


def timeline_columns(series: Series) -> dict[str, object]:
    """The data of the timelines as the script reads them: one list a column, `null` where nothing was measured."""
    return {
        "start_s": series.start_s,
        "step_s": series.step_s,
        "response_s": series.response_s,
        "response_max_s": series.response_max_s,
        "to_client_bps": series.throughput_to_client_bps,
        "to_server_bps": series.throughput_to_server_bps,
        "rtt_ms": series.rtt_ms,
        "rtt_max_ms": series.rtt_max_ms,
        "retransmissions": series.retransmissions,
        "connections": series.connections,
    }


def finding_of_kind(report: Report) -> dict[str, int]:
    """Rank, from 1, of the first finding of each kind: where the diagnosis of a flow leads to."""
    ranks: dict[str, int] = {}
    for rank, finding in enumerate(report.findings, start=1):
        ranks.setdefault(finding.kind, rank)
    return ranks
