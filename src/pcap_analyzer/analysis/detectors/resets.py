"""Connections that were cut off by a reset while an answer was still owed.

Method: a connection counts when a reset comes while its last request has no response, while framing says that bytes of
the response are missing, or within 1 s of an HTTP response of unknown length without a normal close. The TTL of the
reset against that of the sender's other packets tells whether another device sent it.
Source: RFC 9293 (3.5.2, reset generation), RFC 9112 (6.3, message length); Weaver, Sommer, Paxson: Detecting Forged
TCP Reset Packets, NDSS 2009.
False alarms: resets after a complete response are left out, they cost nothing. A client that closes a page while it
loads cuts off its own connections: reported apart and never as the server's fault.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pcap_analyzer.analysis.columns import Ints, add_up
from pcap_analyzer.analysis.context import Context
from pcap_analyzer.analysis.detector import Detector, setting
from pcap_analyzer.analysis.failure_cost import last_answer
from pcap_analyzer.analysis.failures import foreign_resets
from pcap_analyzer.analysis.findings import Case, Proof, Words, evidence, finding, services_of, since_start
from pcap_analyzer.analysis.model import Confidence, Evidence, Finding, FindingKind, Number, Severity
from pcap_analyzer.analysis.quantities import ENOUGH, count, typical
from pcap_analyzer.capture.tables import C2S, S2C

BY_SERVER = FindingKind(
    id="reset",
    title="Cut off by a reset",
    category=None,
    advice="Ask whoever runs the server, or the load balancer before it, why it cuts connections off.",
)
BY_CLIENT = FindingKind(
    id="reset_by_client",
    title="Given up by the client",
    category=None,
    advice="Ask the users whether they stopped waiting; look at what kept them waiting before.",
)


@dataclass(frozen=True)
class Settings:
    resets_count: float = setting(1, "connections of one service cut off before they are reported", "judgement")
    other_device_count: float = setting(
        3,
        "hops by which the TTL of a reset must differ to name another device",
        "Weaver 2009, judgement for the number",
    )


def find(context: Context, settings: Settings) -> Iterator[Finding]:
    """Both sides apart, each service with its own finding."""
    direction = context.flows["reset_direction"]
    for kind, side in ((BY_SERVER, S2C), (BY_CLIENT, C2S)):
        for rows in services_of(context, np.flatnonzero(context.failures.cut_off & (direction == side))):
            if len(rows) >= settings.resets_count:
                yield _report(context, kind, rows, settings.other_device_count)


def _report(context: Context, kind: FindingKind, rows: Ints, hops: float) -> Finding:
    case = _case(context, rows)
    row, flows = int(case.rows[0]), context.flows[rows]
    server, client = context.names.server(row), context.names.client_host(row)
    foreign = int(foreign_resets(context.flows, hops)[rows].sum())
    sender = "A device on the way" if foreign * 2 > len(rows) else "The server" if kind is BY_SERVER else client
    same = f"; {foreign:,} of the resets carry another TTL than the sender's packets" if foreign else ""
    last = context.account.intervals.where(last_answer(context.account, rows))
    waited = add_up(last.flow, last.length_ns, len(context.flows))[rows] / 1e9
    words = Words(
        title=f"{sender} cut off {count(len(rows), 'connection')} to {server} before the answer was complete"
        if kind is BY_SERVER
        else f"{client} gave up {count(len(rows), 'connection')} to {server} before the answer was complete",
        explanation=(
            f"A reset ended {count(len(rows), 'connection')} while an answer was owed{same}. The client had "
            f"waited for it {typical(waited)}{' (median)' if len(waited) >= ENOUGH else ''}. First seen "
            f"{since_start(context, int(flows['reset_ns'].min()))} into the capture.",
        ),
        next_step=f"Ask whoever runs {server}, and the firewalls and load balancers before it, for their logs."
        if kind is BY_SERVER
        else f"Ask the users of {client} whether they stopped waiting, and look at what {server} was doing before.",
    )
    numbers = (Number("connections cut off", len(rows), ""), Number("with another TTL", foreign, ""))
    severity = Severity.HIGH if kind is BY_SERVER else Severity.LOW
    proof = Proof(_evidence(context, row), numbers, Confidence.HIGH if len(rows) > 2 else Confidence.MEDIUM, severity)
    return finding(context, kind, case, words, proof)


def _case(context: Context, rows: Ints) -> Case:
    none = context.account.intervals.where(np.zeros(len(context.account.intervals), np.bool_))
    return Case(rows, none, 0.0)


def _evidence(context: Context, row: int) -> tuple[Evidence, ...]:
    account, flow = context.account, context.flows[row]
    exchange = account.exchanges[np.flatnonzero(account.exchange_row == row)[-1]]
    asked = f"Request, {exchange['request_bytes']:,} B"
    received = f"Last byte of the response so far, {exchange['response_bytes']:,} B"
    return evidence(
        context,
        row,
        (
            (int(exchange["request_last_frame"]), int(exchange["request_last_ns"]), asked),
            (int(exchange["response_last_frame"]), int(exchange["response_last_ns"]), received),
            (int(flow["reset_frame"]), int(flow["reset_ns"]), "Reset"),
        ),
    )


DETECTOR = Detector("resets", (BY_SERVER, BY_CLIENT), ("flows", "exchanges"), Settings, find)
