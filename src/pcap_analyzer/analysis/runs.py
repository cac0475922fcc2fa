"""Exchanges and pauses as columns in order of flow: what the account of waiting is made from."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from pcap_analyzer.analysis.columns import Ints, Mask, Rows, gather, integers, rows_of
from pcap_analyzer.analysis.paths import TCP
from pcap_analyzer.capture.tables import C2S, EXCHANGES, PAUSES, S2C, EventKind, PacketKind, Tables

PROBES = (EventKind.WINDOW_PROBE, EventKind.KEEP_ALIVE)  # of a closed window they are one and the same on the wire
MISSING = 0.01  # of the bytes of TCP: a capture that misses more than this is taken to miss what stays open too
SPAN_ROWS = 32_768  # exchanges, and flows, whose marks are made at a time: marks take more memory than intervals


@dataclass(frozen=True)
class Pauses:
    """Rows of the pauses table with the rows of the flow and exchange tables that they belong to."""

    rows: Rows
    flow: Ints
    position: Ints

    def part(self, rows: slice) -> Self:
        return replace(self, rows=self.rows[rows], flow=self.flow[rows], position=self.position[rows])


@dataclass(frozen=True)
class Evidence:
    """What events tell of flows: when bytes were acknowledged that were never captured, and who was held up."""

    unseen: tuple[tuple[Ints, Ints], tuple[Ints, Ints]]  # by direction of the bytes: flow and time
    held_up: tuple[Mask, Mask]  # by sender, one a flow: it still probed a closed window at the end


@dataclass(frozen=True)
class Span:
    """A stretch of flows with their exchanges and pauses."""

    flows: slice
    exchanges: slice
    pauses: slice


def load_exchanges(tables: Tables, flows: Rows) -> tuple[Rows, Ints]:
    """(all exchanges in order of flow and index, without their labels; the row of the flow of each)."""
    rows = gather(tables.exchanges, [name for name in EXCHANGES.names or () if name != "label"])
    row = rows_of(integers(rows, "flow"), integers(flows, "flow"))
    order = np.lexsort((rows["index"], row))
    order = order[row[order] >= 0]
    if len(order) == len(rows) and (order[1:] > order[:-1]).all():
        return rows, row  # in order already: a copy would double what is the largest table
    return rows[order], row[order]


def load_pauses(tables: Tables, exchanges: Rows, row: Ints, flows: Rows) -> Pauses:
    """The pauses of known exchanges, in order of exchange, direction and time."""
    rows = gather(tables.pauses, PAUSES.names or ())
    flow = rows_of(integers(rows, "flow"), integers(flows, "flow"))
    position = rows_of((flow << 32) + integers(rows, "exchange"), (row << 32) + integers(exchanges, "index"))
    order = np.lexsort((rows["start_ns"], rows["direction"], position))
    order = order[(flow[order] >= 0) & (position[order] >= 0)]
    return Pauses(rows[order], flow[order], position[order])


def until_last_resend(exchanges: Rows, pauses: Pauses) -> Rows:
    """A run ends at its last needed packet, resends included: the last byte may have gone long before a lost one."""
    rows = pauses.rows
    resent = np.isin(rows["next_kind"], (PacketKind.FILL, PacketKind.COPY))
    if not resent.any():
        return exchanges
    extended, exchange = exchanges.copy(), exchanges[pauses.position]
    # Copies of the last segment alone, before the answer, are the gap's: it knows which of them was answered.
    asking = resent & (rows["direction"] == C2S)
    asking &= (exchange["request_copies"] == 0) & (exchange["request_last_ns"] >= 0)
    asking &= (exchange["response_first_ns"] < 0) | (rows["end_ns"] <= exchange["response_first_ns"])
    np.maximum.at(extended["request_last_ns"], pauses.position[asking], rows["end_ns"][asking])
    answering = resent & (rows["direction"] == S2C) & (exchange["response_first_ns"] >= 0)
    np.maximum.at(extended["response_last_ns"], pauses.position[answering], rows["end_ns"][answering])
    return extended


def load_evidence(tables: Tables, flows: Rows) -> Evidence:
    """What the events of a capture tell of its flows."""
    events = gather(tables.events, ("flow", "kind", "direction", "frame", "time_ns", "value", "other_frame"))
    unseen = events[(events["kind"] == EventKind.ACKED_UNSEEN) | _open_holes(events, flows)]
    to_server, to_client = (_moments(unseen[unseen["direction"] == sender], flows) for sender in (C2S, S2C))
    client, server = (_held_up(events, flows, sender) for sender in (C2S, S2C))
    return Evidence((to_server, to_client), (client, server))


def _open_holes(events: Rows, flows: Rows) -> Mask:
    """Events of holes that nothing ever filled, where the capture misses much: it is the capture that missed these too.

    What was acknowledged and never captured is known to be missing here only; from `MISSING` of all bytes on, a hole
    that stays open to the end is more likely one more of them than a loss that nobody repaired.
    """
    unseen = int(flows["acked_unseen_bytes"].sum())
    if unseen <= MISSING * (int(flows["payload_bytes"][flows["protocol"] == TCP].sum()) + unseen):
        return np.zeros(len(events), np.bool_)
    closed = events[np.isin(events["kind"], (EventKind.GAP_FILLED, EventKind.OUT_OF_ORDER))]
    filled: Mask = np.isin(events["frame"], closed["other_frame"])  # a frame belongs to one flow
    still_open: Mask = (events["kind"] == EventKind.GAP) & ~filled
    return still_open


def _held_up(events: Rows, flows: Rows, sender: int) -> Mask:
    """Flows on which this sender still probed a closed window at the end: one row a flow."""
    shut = events[(events["kind"] == EventKind.ZERO_WINDOW) & (events["value"] < 0)]
    probed = events[np.isin(events["kind"], PROBES) & (events["direction"] == sender)]
    probed_row, probed_ns = _moments(probed, flows)
    last_probe = np.full(len(flows), -1, np.int64)
    np.maximum.at(last_probe, probed_row, probed_ns)
    shut_row, shut_ns = _moments(shut[shut["direction"] == 1 - sender], flows)
    held = np.zeros(len(flows), np.bool_)
    held[shut_row[last_probe[shut_row] > shut_ns]] = True
    return held


def _moments(events: Rows, flows: Rows) -> tuple[Ints, Ints]:
    row = rows_of(integers(events, "flow"), integers(flows, "flow"))
    return row[row >= 0], integers(events, "time_ns")[row >= 0]


def spans(flows: int, exchange_row: Ints, pauses: Pauses) -> Iterator[Span]:
    """All flows in stretches of about `SPAN_ROWS` flows and exchanges; a flow is never divided."""
    begin = 0
    while begin < flows:
        first = int(np.searchsorted(exchange_row, begin))
        full = int(exchange_row[first + SPAN_ROWS]) if first + SPAN_ROWS < len(exchange_row) else flows
        end = max(begin + 1, min(full, begin + SPAN_ROWS))
        last = int(np.searchsorted(exchange_row, end))
        at = np.searchsorted(pauses.position, (first, last))
        yield Span(slice(begin, end), slice(first, last), slice(int(at[0]), int(at[1])))
        begin = end
