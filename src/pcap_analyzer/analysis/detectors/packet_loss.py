"""Packets that were lost and had to be sent again, and the time that this cost.

Method: a pause inside a transfer belongs to a loss when a hole is open in the data or a copy that was needed ends it,
from the first sign of the loss on (a gap at the capture point, three duplicate acknowledgements, SACK, or the time
when the acknowledgement was due); so does the time of a sender whose window a loss has reduced, and a request that had
to be sent again before anybody acknowledged it. Seconds are reported by service from `total_ms` on, never percentages.
A hole that is seen at the capture point was lost before it, a copy of what passed the capture point was lost behind
it.
Source: RFC 6298 (retransmission timer), RFC 6675 and RFC 8985 (recovery by SACK and RACK), RFC 2018.
False alarms: packets that a busy capturing machine missed look like losses unless they were acknowledged in time;
reordering is told apart by the time in which a hole closes, which fails for reordering of more than a round trip.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from pcap_analyzer.analysis.blame import loss_side
from pcap_analyzer.analysis.context import Context
from pcap_analyzer.analysis.detector import Detector, setting
from pcap_analyzer.analysis.findings import (
    LAST_PACKET,
    Case,
    Proof,
    Words,
    bounded_confidence,
    by_service,
    evidence,
    finding,
    severity,
    when,
)
from pcap_analyzer.analysis.intervals import Code
from pcap_analyzer.analysis.model import Category, Evidence, Finding, FindingKind, Number, Party
from pcap_analyzer.analysis.paths import unheard
from pcap_analyzer.analysis.quantities import count, duration
from pcap_analyzer.capture.tables import EventKind

KIND = FindingKind(
    id="packet_loss",
    title="Packet loss",
    category=Category.LOSS_RECOVERY,
    advice="Ask whoever runs the network on the named side for errors, drops and full queues on its links.",
)

SIDES = {
    Party.NETWORK_CLIENT_SIDE: "between the capture point and the client",
    Party.NETWORK_SERVER_SIDE: "between the capture point and the server",
    Party.NETWORK: "on the way",
}
SHOWN = {
    EventKind.RETRANSMISSION: "Sent again",
    EventKind.GAP: "A packet is missing before this one",
    EventKind.GAP_FILLED: "The missing packet, late",
    EventKind.DUPLICATE_ACK: "Third duplicate acknowledgement: the receiver misses a packet",
}


@dataclass(frozen=True)
class Settings:
    total_ms: float = setting(
        100, "recovery of a service is reported from this sum on", "Nielsen 1993: felt from here on"
    )


def find(context: Context, settings: Settings) -> Iterator[Finding]:
    lost = context.account.intervals.of(Code.LOSS_RECOVERY)
    # A peer from which nothing ever came may be down: that packets were lost on the way to it is not known.
    for case in by_service(context, lost.where(~unheard(context.flows)[lost.flow])):
        if case.seconds * 1e3 >= settings.total_ms:
            yield _report(context, case)


def _report(context: Context, case: Case) -> Finding:
    row = int(case.rows[0])
    server = context.names.server(row)
    flows = context.flows[case.rows]
    # What was lost before the capture point passes it once only: the gaps that it left are counted instead.
    again, sent = int(flows["retransmitted_frames"].sum() + flows["gaps"].sum()), int(flows["payload_frames"].sum())
    side = SIDES[loss_side(context, case.rows)]
    longest = int(case.intervals.length_ns.max()) / 1e9
    words = Words(
        title=f"Lost packets {side} cost {duration(case.seconds)} on connections to {server}",
        explanation=(
            f"{_sent_again(again, sent)} on {count(len(case.rows), 'connection')}. "
            f"The longest single wait was {duration(longest)}.",
            when(context, case.intervals),
        ),
        next_step=f"Ask whoever runs the network {side} for errors, drops and full queues on the links between "
        f"{context.names.client_host(row)} and {context.names.server_host(row)}.",
    )
    numbers = (
        Number("sent again", again, ""),
        Number("packets with data", sent, ""),
        Number("share sent again", 100 * again / sent if sent else 0.0, "%"),
        Number("longest wait", longest, "s"),
    )
    proof = Proof(
        _evidence(context, case), numbers, bounded_confidence(case.intervals), severity(case.seconds, context.waited_s)
    )
    return finding(context, KIND, case, words, proof)


def _sent_again(again: int, sent: int) -> str:
    if again == 0:
        return "What was missing did not come again"
    return f"{count(again, 'packet')} of {sent:,} with data had to be sent again"


def _evidence(context: Context, case: Case) -> tuple[Evidence, ...]:
    """The events nearest to the longest wait, on its flow; without events, its last packet."""
    worst = int(case.intervals.length_ns.argmax())
    row = int(case.intervals.flow[worst])
    start, end = int(case.intervals.start_ns[worst]), int(case.intervals.end_ns[worst])
    events = context.events_of(case.rows[case.rows == row], *SHOWN)
    distance = abs(events["time_ns"] - end) + abs(events["time_ns"] - start)
    nearest = events[distance.argsort(kind="stable")[:3]]
    frames = [(int(one["frame"]), int(one["time_ns"]), SHOWN[EventKind(one["kind"])]) for one in nearest]
    flow = context.flows[row]
    return evidence(context, row, frames or [(int(flow["last_frame"]), int(flow["last_ns"]), LAST_PACKET)])


DETECTOR = Detector("packet_loss", (KIND,), ("flows", "exchanges", "pauses", "events"), Settings, find)
