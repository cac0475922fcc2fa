"""The set-up phases of TCP flows as marks: connect, then the TLS handshake, and what is neither."""

import numpy as np

from pcap_analyzer.analysis.columns import FAR, Ints, Mask, Rows, gather, integers, rows_of
from pcap_analyzer.analysis.intervals import Code
from pcap_analyzer.analysis.paths import TCP
from pcap_analyzer.analysis.tiling import SETUP, marks
from pcap_analyzer.capture.tables import S2C, EventKind, Tables

BORN, CONNECT, CONNECTED, HANDSHAKE, SECURED = range(5)  # stages
UNREACHABLE_KINDS = (EventKind.ICMP_UNREACHABLE, EventKind.ICMP_TIME_EXCEEDED)


def marks_of(flows: Rows, span: slice, connected_ns: Ints, *, cut: bool) -> list[Rows]:
    """Marks of a stretch of TCP flows, from their first packet to the end of their set-up.

    `connected_ns` comes from connect_end_ns; `cut`: frames were captured shorter than they were.
    """
    row = np.flatnonzero(flows["protocol"][span] == TCP) + span.start
    chosen = flows[row]
    # Packets before a flow's SYN belong to an older connection; a flow caught in mid-stream was between exchanges.
    before = np.where(chosen["exchanges"] > 0, int(Code.CLIENT_THINKING), int(Code.IDLE))
    dialled = (chosen["syn_ns"] >= 0) | (chosen["synack_ns"] >= 0)
    born = marks(row, SETUP, BORN, integers(chosen, "first_ns"), np.where(dialled, int(Code.IDLE), before))
    syn = np.where(chosen["syn_ns"] >= 0, chosen["syn_ns"], chosen["synack_ns"])
    connect = marks(row, SETUP, CONNECT, syn, Code.TCP_CONNECT)[dialled]
    connected = marks(row, SETUP, CONNECTED, connected_ns[row], before)[dialled]
    secured = chosen["tls_start_ns"] >= 0
    end, in_doubt = handshake_end_ns(chosen, cut=cut)
    code = np.where(in_doubt, int(Code.UNKNOWN), int(Code.TLS_HANDSHAKE))
    handshake = marks(row, SETUP, HANDSHAKE, integers(chosen, "tls_start_ns"), code)[secured]
    after = marks(row, SETUP, SECURED, end, before)[secured]
    return [born, connect, connected, handshake, after]


def connect_end_ns(flows: Rows, tables: Tables) -> Ints:
    """The ACK of the SYN-ACK; never made: the last SYN or SYN-ACK, or the RST or ICMP error that ended it."""
    refused = np.where(flows["reset_direction"] == S2C, flows["reset_ns"], -1)
    last_try = np.maximum(integers(flows, "syn_last_ns"), integers(flows, "synack_last_ns"))
    end = np.maximum(last_try, np.maximum(refused, unreachable_ns(flows, tables)))
    return np.where(flows["established_ns"] >= 0, flows["established_ns"], end)


def unreachable_ns(flows: Rows, tables: Tables) -> Ints:
    """The last ICMP error that quoted each flow; -1 where none did."""
    events = gather(tables.events, ("flow", "kind", "time_ns"))
    events = events[np.isin(events["kind"], UNREACHABLE_KINDS)]
    row = rows_of(integers(events, "flow"), integers(flows, "flow"))
    last = np.full(len(flows), -1, np.int64)
    np.maximum.at(last, row[row >= 0], integers(events, "time_ns")[row >= 0])
    return last


def handshake_end_ns(flows: Rows, *, cut: bool) -> tuple[Ints, Mask]:
    """(the last Finished, or the alert or close that ended the attempt; whether the end was only not captured)."""
    start = integers(flows, "tls_start_ns")
    stops = [np.where(flows["tls_alert_ns"] >= start, flows["tls_alert_ns"], FAR)]
    stops += [np.where(flows["fin_ns"][:, side] >= start, flows["fin_ns"][:, side], FAR) for side in (0, 1)]
    stops.append(np.where(flows["reset_ns"] >= start, flows["reset_ns"], FAR))
    stop = np.minimum(np.minimum.reduce(stops), integers(flows, "last_ns"))
    unseen = cut | (flows["acked_unseen_bytes"].sum(axis=1) > 0)
    in_doubt = (flows["tls_end_ns"] < 0) & unseen & (flows["tls_alert_ns"] < 0)
    return np.where(flows["tls_end_ns"] >= 0, flows["tls_end_ns"], stop), in_doubt
