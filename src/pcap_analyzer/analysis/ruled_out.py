"""What it is not: each denial with the number that shows it, and only where its high bound is a tenth of the wait."""

from __future__ import annotations

import numpy as np

from pcap_analyzer.analysis import queueing
from pcap_analyzer.analysis.columns import Mask
from pcap_analyzer.analysis.context import Context
from pcap_analyzer.analysis.intervals import Code
from pcap_analyzer.analysis.model import Cause, Party, RuledOut
from pcap_analyzer.analysis.paths import sent_again
from pcap_analyzer.analysis.quantities import count, duration, percent
from pcap_analyzer.analysis.verdict import MOSTLY, Decision

SHARE = 0.1
NETWORK = (Code.LOSS_RECOVERY, Code.PATH_DELAY, Code.TCP_CONNECT, Code.WINDOW_LIMITED)
PATH = (Code.PATH_DELAY, Code.TCP_CONNECT, Code.LOSS_RECOVERY)
TRANSFER = (Code.REQUEST_TRANSFER, Code.RESPONSE_TRANSFER)
NETWORK_PARTIES = (Party.NETWORK, Party.NETWORK_CLIENT_SIDE, Party.NETWORK_SERVER_SIDE)


def ruled_out(context: Context, decision: Decision) -> tuple[RuledOut, ...]:
    """Network path, DNS and bandwidth, each unless it may be part of the answer; nothing where the capture is."""
    if decision.party in (Party.CAPTURE, Party.UNKNOWN) or not context.waited_s:
        return ()
    allowed = SHARE * context.waited_s
    lookups = context.account.lookups
    made = []
    blamed = decision.party in NETWORK_PARTIES or _mostly_path(context)
    if _high_s(context, NETWORK) < allowed and not blamed and _measured(context).any():
        made.append(RuledOut("Not the network path", _path_number(context)))
    if len(lookups) and _high_s(context, (Code.DNS_LOOKUP,)) < allowed and decision.cause is not Cause.DNS_FAILURE:
        took = (lookups["answer_ns"] - lookups["query_ns"])[lookups["answer_ns"] >= 0]
        median = f", median {duration(float(np.median(took)) / 1e9)}" if len(took) else ""
        made.append(RuledOut("Not DNS", f"{count(len(lookups), 'look-up')}{median}"))
    if _high_s(context, TRANSFER) < allowed and not queueing.queue_seen(context) and _measured(context).any():
        made.append(RuledOut("Not bandwidth", f"Peak {_peak(context)}; no queueing seen"))
    return tuple(made)


def _high_s(context: Context, codes: tuple[Code, ...]) -> float:
    return context.account.counted_of(codes).high_wall_ns() / 1e9


def _mostly_path(context: Context) -> bool:
    """Whether the way takes most of all waiting, a healthy path's share included: whoever sees the bar sees that."""
    waiting = context.account.intervals.waiting()
    path = waiting.where(np.isin(waiting.code, PATH))
    return path.wall_ns() / 1e9 > MOSTLY * context.waited_s


def _measured(context: Context) -> Mask:
    """Flows of which both legs were measured."""
    legs = context.flows["leg_min_ns"]
    measured: Mask = (legs >= 0).all(axis=1) & (legs.sum(axis=1) > 0)
    return measured


def _path_number(context: Context) -> str:
    known = context.flows["leg_min_ns"][_measured(context)].sum(axis=1)
    sent = int(context.flows["payload_frames"].sum())
    again = sent_again(context.flows)
    retransmitted = f"; {percent(again / sent)} retransmitted" if sent else ""
    return f"Round trip {duration(float(np.median(known)) / 1e9)}{retransmitted}"


def _peak(context: Context) -> str:
    peak = max(
        (float((chunk["payload_bytes"].max(axis=1) * 8).max()) for chunk in context.tables.series if len(chunk)),
        default=0.0,
    )
    for unit, size in (("Gbit/s", 1e9), ("Mbit/s", 1e6), ("kbit/s", 1e3)):
        if peak >= size:
            return f"{peak / size:.1f} {unit}"
    return f"{peak:.0f} bit/s"
