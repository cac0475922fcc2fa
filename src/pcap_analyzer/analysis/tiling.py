"""Marks on a flow's life become intervals that tile it: the sums are exact because neighbours share their border.

A mark says "from here on it is this category". Marks are put in order of what they mean (set-up, then exchange by
exchange, within one the request, the gap, the response), not of their times: a mark that lies before its predecessor
moves up to it, so that the earlier phase keeps the time. That is the precedence of phases.
"""

import numpy as np
import numpy.typing as npt

from pcap_analyzer.analysis.columns import Ints, Mask, Rows, last_of_each
from pcap_analyzer.analysis.intervals import CONNECT_UNIT, NO_UNIT, TLS_UNIT, Code, Intervals

SETUP = -1  # position of the marks before the first exchange

MARKS = np.dtype(
    [
        ("row", "<i8"),  # of the flow table
        ("position", "<i8"),  # of the exchange table, or SETUP
        ("stage", "u1"),  # order within an exchange
        ("step", "<i8"),  # order within a stage
        ("time_ns", "<i8"),
        ("code", "u1"),
        ("side", "i1"),
        ("low_ns", "<i8"),  # bounds of the interval that begins here; -1: its length
        ("high_ns", "<i8"),
    ]
)


def marks(row: Ints, position: Ints | int, stage: int, time_ns: Ints, code: Ints | int) -> Rows:
    """Marks without bounds, one for each element of `row`."""
    made = np.zeros(len(row), MARKS)
    made["row"], made["position"], made["stage"], made["time_ns"], made["code"] = row, position, stage, time_ns, code
    made["side"] = made["low_ns"] = made["high_ns"] = -1
    return made


def tile(parts: list[Rows], first_ns: Ints, last_ns: Ints) -> Intervals:
    """Intervals that tile [first_ns, last_ns) of every flow which has a mark; those without length are left out."""
    placed = np.concatenate(parts)
    placed = placed[np.lexsort((placed["step"], placed["stage"], placed["position"], placed["row"]))]
    row = placed["row"]
    start = _in_order(row, np.clip(placed["time_ns"], first_ns[row], last_ns[row]))
    end = last_ns[row]
    inner = ~last_of_each(row)
    end[inner] = np.roll(start, -1)[inner]
    length = end - start
    low = np.where(placed["low_ns"] < 0, length, np.clip(placed["low_ns"], 0, length))
    high = np.where(placed["high_ns"] < 0, length, np.maximum(placed["high_ns"], length))
    tiles = Intervals(
        flow=row,
        unit=_units(placed),
        start_ns=start,
        end_ns=end,
        code=placed["code"],
        side=placed["side"],
        low_ns=low,
        high_ns=high,
    )
    return tiles.where(length > 0)


def _in_order(row: Ints, time_ns: Ints) -> Ints:
    """Running maximum of the times within each row. Ranks take the place of times, so that no sum overflows."""
    times, rank = np.unique(time_ns, return_inverse=True)
    shifted = np.maximum.accumulate(row * len(times) + rank)
    ordered: Ints = times[shifted - row * len(times)]
    return ordered


def _units(placed: Rows) -> Ints:
    setup = np.select(
        [placed["code"] == Code.TCP_CONNECT, placed["code"] == Code.TLS_HANDSHAKE], [CONNECT_UNIT, TLS_UNIT], NO_UNIT
    )
    return np.where(placed["position"] >= 0, placed["position"], setup).astype(np.int64)


def any_between(moments: tuple[Ints, Ints], row: Ints, after_ns: Ints, until_ns: Ints) -> Mask:
    """Whether a moment (row, time) lies in (after, until] of the same row, for every query."""
    moment_row, moment_ns = moments
    if len(moment_row) == 0 or len(row) == 0:
        return np.zeros(len(row), np.bool_)
    times, rank = np.unique(np.concatenate((moment_ns, after_ns, until_ns)), return_inverse=True)
    kinds = np.split(rank, [len(moment_ns), len(moment_ns) + len(after_ns)])
    keys: npt.NDArray[np.int64] = np.sort(moment_row * len(times) + kinds[0])
    after = np.searchsorted(keys, row * len(times) + kinds[1], side="right")
    until = np.searchsorted(keys, row * len(times) + kinds[2], side="right")
    return until > after
