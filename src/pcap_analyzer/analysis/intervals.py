"""Intervals of waiting: columns that say which flow, from when to when, and where that time went."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from pcap_analyzer.analysis.columns import Ints, Mask, wall_ns
from pcap_analyzer.analysis.model import Category


class Code(IntEnum):
    """`Category` as a number for columns; same names, same order."""

    DNS_LOOKUP = 0
    TCP_CONNECT = 1
    TLS_HANDSHAKE = 2
    SERVER_THINKING = 3
    SERVER_STALL = 4
    REQUEST_TRANSFER = 5
    RESPONSE_TRANSFER = 6
    LOSS_RECOVERY = 7
    RECEIVER_NOT_READING = 8
    WINDOW_LIMITED = 9
    ACK_DELAY = 10
    PATH_DELAY = 11
    UNKNOWN = 12
    CLIENT_THINKING = 13
    IDLE = 14

    @property
    def category(self) -> Category:
        return Category[self.name]


WAITING_CODES = Code.CLIENT_THINKING  # codes below this one are waiting

#: `Intervals.unit` below zero: the phases that are no exchange.
NO_UNIT, CONNECT_UNIT, TLS_UNIT, LOOKUP_UNIT = -1, -2, -3, -4


@dataclass(frozen=True)
class Intervals:
    """Half-open intervals, one row each; the arrays have one length."""

    flow: Ints  # row of the flow table; -1: a look-up, which belongs to no flow
    unit: Ints  # row of the exchange table, or CONNECT_UNIT, TLS_UNIT, LOOKUP_UNIT, NO_UNIT
    start_ns: Ints
    end_ns: Ints
    code: npt.NDArray[np.uint8]
    side: npt.NDArray[np.int8]  # direction of the sender that was held up in a pause; -1 elsewhere
    low_ns: Ints  # bounds of what of this category lies here: low <= end - start <= high
    high_ns: Ints

    @property
    def length_ns(self) -> Ints:
        return self.end_ns - self.start_ns

    def total_s(self) -> float:
        """Their lengths added up, in seconds: a day of 110,000 flows is more nanoseconds than 64 bits hold."""
        seconds, rest = np.divmod(self.length_ns, 1_000_000_000)
        return int(seconds.sum()) + int(rest.sum()) / 1e9

    def __len__(self) -> int:
        return len(self.flow)

    def where(self, mask: Mask) -> Intervals:
        """The rows for which `mask` holds."""
        return Intervals(*(getattr(self, column.name)[mask] for column in fields(self)))

    def of(self, code: Code) -> Intervals:
        return self.where(self.code == code)

    @property
    def is_waiting(self) -> Mask:
        waits: Mask = self.code < WAITING_CODES
        return waits

    def waiting(self) -> Intervals:
        """Without the client's own pauses and idle time."""
        return self.where(self.is_waiting)

    def wall_ns(self) -> int:
        """Time in which at least one of them lasts."""
        return wall_ns(self.start_ns, self.end_ns)

    def low_wall_ns(self) -> int:
        """The same at the low bound; what is in doubt lies at both ends of an interval."""
        start = self.start_ns + (self.length_ns - self.low_ns) // 2
        return wall_ns(start, start + self.low_ns)

    def high_wall_ns(self) -> int:
        start = self.start_ns - (self.high_ns - self.length_ns) // 2
        return wall_ns(start, start + self.high_ns)


def concatenate(parts: list[Intervals]) -> Intervals:
    """All of them, in order; `parts` is emptied on the way, so that no column is held twice."""
    columns = [[getattr(part, column.name) for part in parts] for column in fields(Intervals)]
    parts.clear()
    whole = []
    while columns:
        whole.append(np.concatenate(columns.pop(0)))
    return Intervals(*whole)
