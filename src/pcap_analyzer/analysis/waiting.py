"""Where the waiting went: one category for every nanosecond of every TCP flow's lifetime, look-ups beside.

Phases come by precedence: set-up, then exchanges, between them the client's thinking, after them idle. The request run,
the gap and the response run of an exchange are cut by gaps.py and pauses.py; what is left of a run is transfer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcap_analyzer.analysis import gaps as gap_rules
from pcap_analyzer.analysis import pauses as pause_rules
from pcap_analyzer.analysis import phases
from pcap_analyzer.analysis.columns import Ints, Mask, Rows, add_up, gather, integers, last_of_each, rows_of
from pcap_analyzer.analysis.gaps import Gaps
from pcap_analyzer.analysis.intervals import LOOKUP_UNIT, WAITING_CODES, Code, Intervals, concatenate
from pcap_analyzer.analysis.paths import HEALTHY_PATH_DELAY_NS, HEALTHY_ROUND_TRIP_NS, TCP, Paths
from pcap_analyzer.analysis.paths import measure as measure_paths
from pcap_analyzer.analysis.tiling import marks, tile
from pcap_analyzer.capture.tables import C2S, EXCHANGES, PAUSES, S2C, App, EventKind, PacketKind, Tables

PROBES = (EventKind.WINDOW_PROBE, EventKind.KEEP_ALIVE)  # of a closed window they are one and the same on the wire
REQUEST, REQUEST_PAUSES, LOSS, GAP, RESPONSE, RESPONSE_PAUSES, TAIL = 0, 1, 2, 3, 5, 6, 7  # stages of an exchange


@dataclass(frozen=True)
class Pauses:
    """Rows of the pauses table with the rows of the flow and exchange tables that they belong to."""

    rows: Rows
    flow: Ints
    position: Ints


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

    def unit_counted_ns(self) -> Ints:
        """Counted waiting of every exchange, connect, handshake and look-up that has any; of every look-up."""
        chosen = self.intervals.where(self.counted)
        lookup = chosen.unit == LOOKUP_UNIT
        part = np.where(chosen.unit >= 0, chosen.unit, len(self.exchanges) + 3 * chosen.flow - chosen.unit - 1)
        sums = add_up(part[~lookup], chosen.length_ns[~lookup], len(self.exchanges) + 3 * len(self.flows))
        lookup_ns = lookup_end_ns(self.lookups) - self.lookups["query_ns"]
        return np.concatenate((sums[sums > 0], lookup_ns))


def account(tables: Tables) -> Account:
    """The account of a whole capture."""
    flows = tables.flows.rows()
    paths = measure_paths(flows)
    exchanges, exchange_row = _exchanges(tables, flows)
    pauses = _pauses(tables, exchanges, exchange_row, flows)
    runs = _until_last_resend(exchanges, pauses)
    events = gather(tables.events, ("flow", "kind", "direction", "time_ns", "value"))
    acked_unseen = events[events["kind"] == EventKind.ACKED_UNSEEN]
    unseen = [_moments(acked_unseen[acked_unseen["direction"] == sender], flows) for sender in (C2S, S2C)]
    held = [_held_up(events, flows, sender) for sender in (C2S, S2C)]
    gaps = gap_rules.measure(runs, exchange_row, flows, paths, gap_rules.Doubts(unseen[S2C], held[C2S]))
    parts = [
        *phases.marks_of(flows, tables),
        *_exchange_marks(runs, exchange_row, gaps),
        *_tail_marks(runs, exchange_row, flows, paths, held[S2C]),
        _pause_marks(pauses, runs, pause_rules.Setting(flows, paths, unseen)),
    ]
    tiles = tile(_without_half_seen(parts, flows, paths), integers(flows, "first_ns"), integers(flows, "last_ns"))
    lookups = gather(
        tables.dns, [name for name in tables.dns.dtype.names or () if name not in ("addresses", "address_version")]
    )
    lookups = lookups[lookups["app"] == App.DNS]
    flow_ns = _by_flow(tiles, len(flows))
    intervals = concatenate([tiles, _lookup_intervals(lookups)])
    counted = _counted(intervals, flows, paths, flow_ns)
    return Account(flows, paths, exchanges, exchange_row, gaps, lookups, intervals, counted, flow_ns)


def lookup_end_ns(lookups: Rows) -> Ints:
    """The answer, or the last try where none came."""
    answered, tried = integers(lookups, "answer_ns"), integers(lookups, "last_query_ns")
    return np.maximum(np.where(answered >= 0, answered, tried), integers(lookups, "query_ns"))


def _exchanges(tables: Tables, flows: Rows) -> tuple[Rows, Ints]:
    rows = gather(tables.exchanges, [name for name in EXCHANGES.names or () if name != "label"])
    row = rows_of(integers(rows, "flow"), integers(flows, "flow"))
    order = np.lexsort((rows["index"], row))
    order = order[row[order] >= 0]
    return rows[order], row[order]


def _moments(events: Rows, flows: Rows) -> tuple[Ints, Ints]:
    row = rows_of(integers(events, "flow"), integers(flows, "flow"))
    return row[row >= 0], integers(events, "time_ns")[row >= 0]


def _exchange_marks(exchanges: Rows, row: Ints, gaps: Gaps) -> list[Rows]:
    """The request, the loss before the gap, the gap in three pieces, the response."""
    position = np.arange(len(row))
    asked = exchanges["request_first_ns"] >= 0
    request = marks(row, position, REQUEST, integers(exchanges, "request_first_ns"), Code.REQUEST_TRANSFER)[asked]
    closing = marks(row, position, REQUEST, integers(exchanges, "request_first_ns"), Code.IDLE)[gaps.closing]
    lost = gaps.start_ns > gaps.first_copy_ns
    on_path = marks(row, position, LOSS, gaps.first_copy_ns, Code.PATH_DELAY)[lost]
    losing = marks(row, position, LOSS, gaps.path_until_ns, Code.LOSS_RECOVERY)[lost]
    losing["step"] = 1
    half = gaps.leg_ns // 2
    there = marks(row, position, GAP, gaps.start_ns, Code.PATH_DELAY)
    thinking = marks(row, position, GAP, gaps.start_ns + half, gaps.code)
    back = marks(row, position, GAP, gaps.end_ns - (gaps.leg_ns - half), Code.PATH_DELAY)
    thinking["low_ns"], thinking["high_ns"] = gaps.low_ns, gaps.high_ns
    length = gaps.end_ns - gaps.start_ns
    for path in (there, back):
        path["low_ns"], path["high_ns"] = (length - gaps.high_ns) // 2, (length - gaps.low_ns + 1) // 2
    thinking["step"], back["step"] = 1, 2
    thinking["side"] = np.where(gaps.code == Code.RECEIVER_NOT_READING, C2S, -1)
    open_gap = ~gaps.closing
    answered = exchanges["response_first_ns"] >= 0
    response = marks(row, position, RESPONSE, integers(exchanges, "response_first_ns"), Code.RESPONSE_TRANSFER)[
        answered
    ]
    return [
        request[~gaps.closing[asked]],
        closing,
        on_path,
        losing,
        there[open_gap],
        thinking[open_gap],
        back[open_gap],
        response,
    ]


def _held_up(events: Rows, flows: Rows, sender: int) -> Mask:
    """Flows on which this sender still probed a closed window at the end: one row a flow."""
    shut = events[
        (events["kind"] == EventKind.ZERO_WINDOW) & (events["value"] < 0) & (events["direction"] == 1 - sender)
    ]
    probed = events[np.isin(events["kind"], PROBES) & (events["direction"] == sender)]
    probed_row, probed_ns = _moments(probed, flows)
    last_probe = np.full(len(flows), -1, np.int64)
    np.maximum.at(last_probe, probed_row, probed_ns)
    shut_row, shut_ns = _moments(shut, flows)
    held = np.zeros(len(flows), np.bool_)
    held[shut_row[last_probe[shut_row] > shut_ns]] = True
    return held


def _tail_marks(exchanges: Rows, row: Ints, flows: Rows, paths: Paths, held: Mask) -> list[Rows]:
    """What follows the last byte: the client's leg, what an unfinished response still waits for, then no waiting."""
    position = np.arange(len(row))
    answered = exchanges["response_first_ns"] >= 0
    following, last = integers(exchanges, "next_request_ns"), integers(flows, "last_ns")[row]
    is_last = last_of_each(row)
    spoken = integers(exchanges, "response_last_ns")
    leg_end = np.minimum(spoken + np.maximum(paths.client_leg_ns[row], 0), last)
    leg_end = np.where(following >= 0, np.minimum(leg_end, following), leg_end)
    given_up = np.minimum(
        gap_rules.closed_ns(flows, row, np.maximum(spoken, integers(exchanges, "request_last_ns"))), last
    )
    missing = integers(exchanges, "expected_bytes") > integers(exchanges, "response_bytes")
    unfinished = (missing & ~exchanges["complete"]) | held[row]
    unfinished &= answered & is_last & (given_up > leg_end)
    after = np.where(is_last, int(Code.IDLE), int(Code.CLIENT_THINKING))
    begin = np.where(answered, np.where(unfinished, given_up, leg_end), np.where(is_last, given_up, following))
    path = marks(row, position, TAIL, spoken, Code.PATH_DELAY)[answered]
    waiting = marks(
        row, position, TAIL, leg_end, np.where(held[row], int(Code.RECEIVER_NOT_READING), int(Code.SERVER_STALL))
    )
    rest = marks(row, position, TAIL, begin, after)
    waiting["step"], rest["step"] = 1, 2
    waiting["side"] = S2C
    return [path, waiting[unfinished], rest]


def _pauses(tables: Tables, exchanges: Rows, row: Ints, flows: Rows) -> Pauses:
    """The pauses of known exchanges, in order of exchange, direction and time."""
    rows = gather(tables.pauses, PAUSES.names or ())
    flow = rows_of(integers(rows, "flow"), integers(flows, "flow"))
    position = rows_of((flow << 32) + integers(rows, "exchange"), (row << 32) + integers(exchanges, "index"))
    order = np.lexsort((rows["start_ns"], rows["direction"], position))
    order = order[(flow[order] >= 0) & (position[order] >= 0)]
    return Pauses(rows[order], flow[order], position[order])


def _until_last_resend(exchanges: Rows, pauses: Pauses) -> Rows:
    """A run ends at its last needed packet, resends included: the last byte may have gone long before a lost one."""
    extended = exchanges.copy()
    rows, exchange = pauses.rows, exchanges[pauses.position]
    resent = np.isin(rows["next_kind"], (PacketKind.FILL, PacketKind.COPY))
    # Copies of the last segment alone, before the answer, are the gap's: it knows which of them was answered.
    asking = (
        resent & (rows["direction"] == C2S) & (exchange["request_copies"] == 0) & (exchange["request_last_ns"] >= 0)
    )
    asking &= (exchange["response_first_ns"] < 0) | (rows["end_ns"] <= exchange["response_first_ns"])
    np.maximum.at(extended["request_last_ns"], pauses.position[asking], rows["end_ns"][asking])
    answering = resent & (rows["direction"] == S2C) & (exchange["response_first_ns"] >= 0)
    np.maximum.at(extended["response_last_ns"], pauses.position[answering], rows["end_ns"][answering])
    return extended


def _pause_marks(pauses: Pauses, exchanges: Rows, setting: pause_rules.Setting) -> Rows:
    """Two marks that open each pause and one that ends it; pauses outside of their run are the gap's or idle."""
    rows, exchange = pauses.rows, exchanges[pauses.position]
    end_of_run = np.where(rows["direction"] == C2S, exchange["request_last_ns"], exchange["response_last_ns"])
    real = rows["end_ns"] - rows["start_ns"] >= setting.paths.pause_floor_ns[pauses.flow]
    real &= rows["start_ns"] < end_of_run
    rows, flow, position = rows[real], pauses.flow[real], pauses.position[real]
    judged = pause_rules.judge(rows, pause_rules.Scene(flow, position, exchange[real], setting))
    return _marks_of_pauses(rows, flow, position, judged)


def _marks_of_pauses(rows: Rows, flow: Ints, position: Ints, judged: pause_rules.Judged) -> Rows:
    request = rows["direction"] == C2S
    transfer = np.where(request, int(Code.REQUEST_TRANSFER), int(Code.RESPONSE_TRANSFER))
    begin = marks(flow, position, 0, integers(rows, "start_ns"), judged.first_code)
    cut = marks(flow, position, 0, judged.cut_ns, judged.code)
    resume = marks(flow, position, 0, integers(rows, "end_ns"), transfer)
    resume["code"][judged.over] = Code.IDLE
    cut["low_ns"][judged.presumed] = 0
    for step, part in enumerate((begin, cut, resume)):
        part["stage"] = np.where(request, REQUEST_PAUSES, RESPONSE_PAUSES)
        part["step"] = 3 * np.arange(len(rows)) + step
    begin["side"] = cut["side"] = rows["direction"]
    return np.concatenate((begin, cut, resume))


def _without_half_seen(parts: list[Rows], flows: Rows, paths: Paths) -> list[Rows]:
    """A flow of which one direction was captured says nothing about waiting once it carries payload."""
    void = paths.one_sided & (flows["payload_bytes"].sum(axis=1) > 0)
    row = np.flatnonzero(void)
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
