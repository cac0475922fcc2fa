"""Where the waiting went: one category for every nanosecond of every TCP flow's lifetime, look-ups beside.

Phases come by precedence: set-up, then exchanges, between them the client's thinking, after them idle. The request run,
the gap and the response run of an exchange are cut by gaps.py and pauses.py; what is left of a run is transfer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pcap_analyzer.analysis import gaps as gap_rules
from pcap_analyzer.analysis import phases, runs
from pcap_analyzer.analysis.columns import FAR, Ints, Mask, Rows, add_up, gather, integers, wall_ns
from pcap_analyzer.analysis.gaps import Gaps
from pcap_analyzer.analysis.intervals import LOOKUP_UNIT, WAITING_CODES, Code, Intervals, concatenate
from pcap_analyzer.analysis.marking import Ends, exchange_marks, pause_marks, tail_marks
from pcap_analyzer.analysis.paths import HEALTHY_PATH_DELAY_NS, HEALTHY_ROUND_TRIP_NS, TCP, Paths
from pcap_analyzer.analysis.paths import measure as measure_paths
from pcap_analyzer.analysis.pauses import Setting
from pcap_analyzer.analysis.tiling import marks, tile
from pcap_analyzer.capture.tables import C2S, S2C, App, EventKind, Tables


@dataclass(frozen=True)
class Account:
    """Every interval of waiting and what it was made from; exchanges are in order of flow and index."""

    flows: Rows
    paths: Paths
    exchanges: Rows
    exchange_row: Ints  # row of the flow table of each exchange
    gaps: Gaps
    lookups: Rows  # DNS proper, without mDNS and LLMNR, which nobody need answer
    intervals: Intervals  # look-ups last, in the order of `lookups`
    counted: Mask  # waiting that is no healthy path's: the verdict ranks these intervals
    flow_ns: Ints  # shape (flows, categories): exact sums of the tiles

    def counted_of(self, codes: Sequence[Code]) -> Intervals:
        """Counted intervals of some categories."""
        return self.intervals.where(self.counted & np.isin(self.intervals.code, codes))

    def counted_wall_ns(self) -> int:
        return wall_ns(self.intervals.start_ns[self.counted], self.intervals.end_ns[self.counted])

    def waited_wall_ns(self) -> int:
        """Time in which anybody waited, on healthy paths too."""
        waiting = self.intervals.code < WAITING_CODES
        return wall_ns(self.intervals.start_ns[waiting], self.intervals.end_ns[waiting])

    def unit_counted_ns(self) -> Ints:
        """Counted waiting of every exchange, connect, handshake and look-up that has any; of every look-up."""
        chosen = self.counted & (self.intervals.unit != LOOKUP_UNIT)
        unit, flow = self.intervals.unit[chosen], self.intervals.flow[chosen]
        part = np.where(unit >= 0, unit, len(self.exchanges) + 3 * flow - unit - 1)
        sums = add_up(part, self.intervals.length_ns[chosen], len(self.exchanges) + 3 * len(self.flows))
        lookup_ns = lookup_end_ns(self.lookups) - self.lookups["query_ns"]
        return np.concatenate((sums[sums > 0], lookup_ns))


def account(tables: Tables) -> Account:
    """The account of a whole capture."""
    flows = tables.flows.rows()
    paths = measure_paths(flows)
    exchanges, exchange_row = runs.load_exchanges(tables, flows)
    pauses = runs.load_pauses(tables, exchanges, exchange_row, flows)
    evidence = runs.load_evidence(tables, flows)
    ended = runs.until_last_resend(exchanges, pauses)
    doubts = gap_rules.Doubts(evidence.unseen[S2C], evidence.held_up[C2S])
    gaps = gap_rules.measure(ended, exchange_row, flows, paths, doubts)
    connected = phases.connect_end_ns(flows, tables)
    first_ns, last_ns = integers(flows, "first_ns"), integers(flows, "last_ns")
    setting = Setting(flows, paths, evidence.unseen)
    ends = Ends(flows, paths, evidence.held_up[S2C])
    tiles = []
    for span in runs.spans(len(flows), exchange_row, pauses):
        exchange, row = ended[span.exchanges], exchange_row[span.exchanges]
        silent = pauses.part(span.pauses)
        parts = [
            *phases.marks_of(flows, span.flows, connected, cut=tables.capture.cut_frames > 0),
            *exchange_marks(exchange, row, gaps.part(span.exchanges), span.exchanges.start),
            *tail_marks(exchange, row, ends, span.exchanges.start),
            *pause_marks(silent, ended[silent.position], setting),
        ]
        tiles.append(tile(_without_half_seen(parts, span.flows, flows, paths), first_ns, last_ns))
    lookups = _lookups(tables)
    tiles.append(_lookup_intervals(lookups))
    intervals = _void_across(concatenate(tiles), clock_leaps(tables))
    flow_ns = _by_flow(intervals, len(flows))
    counted = _counted(intervals, flows, paths, flow_ns)
    return Account(flows, paths, exchanges, exchange_row, gaps, lookups, intervals, counted, flow_ns)


def clock_leaps(tables: Tables) -> tuple[Ints, Ints]:
    """(last time before, first time after) every leap of the capture's clock by more than a day, in order."""
    events = gather(tables.events, ("kind", "time_ns", "value"))
    leaps = events[events["kind"] == EventKind.CLOCK_LEAP]
    after = np.sort(integers(leaps, "time_ns"))
    return np.sort(integers(leaps, "time_ns") - integers(leaps, "value")), after


def _void_across(intervals: Intervals, leaps: tuple[Ints, Ints]) -> Intervals:
    """Nobody waited across a leap of the clock, and nobody knows what happened there: it becomes idle."""
    before, after = leaps
    if len(after) == 0:
        return intervals
    first = np.searchsorted(after, intervals.start_ns, side="right")  # the first leap that ends after the start
    across = np.append(before, FAR)[first] < intervals.end_ns
    across &= intervals.flow >= 0
    length = intervals.length_ns
    return replace(
        intervals,
        code=np.where(across, int(Code.IDLE), intervals.code).astype(np.uint8),
        low_ns=np.where(across, length, intervals.low_ns),
        high_ns=np.where(across, length, intervals.high_ns),
    )


def lookup_end_ns(lookups: Rows) -> Ints:
    """The answer, or the last try where none came."""
    answered, tried = integers(lookups, "answer_ns"), integers(lookups, "last_query_ns")
    return np.maximum(np.where(answered >= 0, answered, tried), integers(lookups, "query_ns"))


def _lookups(tables: Tables) -> Rows:
    names = [name for name in tables.dns.dtype.names or () if name not in ("addresses", "address_version")]
    rows = gather(tables.dns, names)
    proper: Rows = rows[rows["app"] == App.DNS]
    return proper


def _without_half_seen(parts: list[Rows], span: slice, flows: Rows, paths: Paths) -> list[Rows]:
    """A flow of which one direction was captured says nothing about waiting once it carries payload."""
    void = paths.one_sided & (flows["payload_bytes"].sum(axis=1) > 0)
    row = np.flatnonzero(void[span]) + span.start
    unknown = marks(row, -1, 0, integers(flows, "first_ns")[row], Code.UNKNOWN)
    return [*(part[~void[part["row"]]] for part in parts), unknown]


def _lookup_intervals(lookups: Rows) -> Intervals:
    count = len(lookups)
    start, end = integers(lookups, "query_ns"), lookup_end_ns(lookups)
    nowhere = np.full(count, -1, np.int64)
    code = np.full(count, int(Code.DNS_LOOKUP), np.uint8)
    length = end - start
    return Intervals(
        nowhere, np.full(count, LOOKUP_UNIT, np.int64), start, end, code, nowhere.astype(np.int8), length, length
    )


def _by_flow(tiles: Intervals, flows: int) -> Ints:
    tiles = tiles.where(tiles.flow >= 0)
    sums = add_up(tiles.flow * len(Code) + tiles.code, tiles.length_ns, flows * len(Code))
    return sums.reshape(flows, len(Code))


def _counted(intervals: Intervals, flows: Rows, paths: Paths, flow_ns: Ints) -> Mask:
    """All waiting but the path delay and the quick, unretried connects of healthy paths."""
    slow = (paths.round_trip_ns >= HEALTHY_ROUND_TRIP_NS) | (flow_ns[:, Code.PATH_DELAY] >= HEALTHY_PATH_DELAY_NS)
    slow_connect = slow | (flows["syn_count"] > 1) | (flows["synack_count"] > 1)
    slow_connect |= (flows["established_ns"] < 0) | (flow_ns[:, Code.TCP_CONNECT] >= HEALTHY_ROUND_TRIP_NS)
    counted: Mask = intervals.code < WAITING_CODES
    on_flow = intervals.flow >= 0
    at = np.maximum(intervals.flow, 0)
    if len(flows):
        counted &= ~(on_flow & (intervals.code == Code.PATH_DELAY) & ~slow[at])
        counted &= ~(on_flow & (intervals.code == Code.TCP_CONNECT) & ~slow_connect[at])
    return counted


def is_tcp(flows: Rows) -> Mask:
    tcp: Mask = flows["protocol"] == TCP
    return tcp
