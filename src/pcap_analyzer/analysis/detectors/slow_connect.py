"""Connections that come up late or not at all: refused, unanswered, unreachable, or only after lost first packets.

Method: a SYN answered by a reset is a refusal; an ICMP or ICMPv6 error that quotes it says unreachable; at least
`silent_count` SYNs over `silent_s` without any answer, while the client hears others, are filtered. Of connections
that came up, the time between the first and the last SYN or SYN-ACK is the price of lost ones; without a repetition a
connect of at least `slow_connect_ms` is slow.
Source: RFC 9293 (3.5, connection set-up), RFC 1122 (4.2.3.5), RFC 6298 (2.1: 1 s to the first repetition), RFC 792 and
RFC 4443 (errors), RFC 8305 (Happy Eyeballs).
False alarms: of two attempts that race over IPv4 and IPv6 the loser is left out. A host that is switched off looks
like a firewall that drops. A capture that holds one direction only shows no answers: then nothing is said.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pcap_analyzer.analysis import filters
from pcap_analyzer.analysis.columns import Ints
from pcap_analyzer.analysis.context import Context
from pcap_analyzer.analysis.detector import Detector, setting
from pcap_analyzer.analysis.failures import Failure
from pcap_analyzer.analysis.findings import (
    Case,
    Proof,
    Words,
    case_of,
    evidence,
    finding,
    services_of,
    severity,
    since_start,
)
from pcap_analyzer.analysis.intervals import Code
from pcap_analyzer.analysis.model import Category, Confidence, Evidence, Finding, FindingKind, Number, Severity
from pcap_analyzer.analysis.phases import UNREACHABLE_KINDS
from pcap_analyzer.analysis.quantities import ENOUGH, count, duration, typical
from pcap_analyzer.capture.tables import EventKind

REFUSED = FindingKind(
    id="connect_refused",
    title="Connection refused",
    category=Category.TCP_CONNECT,
    advice="Ask whoever runs the server whether the service runs and listens on that port.",
)
FILTERED = FindingKind(
    id="connect_filtered",
    title="Connection attempts without an answer",
    category=Category.TCP_CONNECT,
    advice="Ask whoever runs the server whether it is up, and whoever runs the firewalls whether the port is open.",
)
UNREACHABLE = FindingKind(
    id="unreachable",
    title="Server unreachable",
    category=Category.TCP_CONNECT,
    advice="Ask whoever runs the network for the route to the server.",
)
SYN_LOSS = FindingKind(
    id="syn_loss",
    title="Lost connection attempts",
    category=Category.TCP_CONNECT,
    advice="Ask whoever runs the network, and the server, for drops: full queues of a firewall or of the server.",
)
SLOW = FindingKind(
    id="slow_connect",
    title="Slow connect",
    category=Category.TCP_CONNECT,
    advice="Ask whoever runs the network why the path is so long, or how busy the machine that answers is.",
)


@dataclass(frozen=True)
class Settings:
    slow_connect_ms: float = setting(300, "a connect without repetitions that takes longer is slow", "judgement")
    silent_count: float = setting(3, "attempts without any answer that count as filtered", "judgement")
    silent_s: float = setting(
        3, "time over which these attempts must spread", "RFC 6298: repetitions after 1 s and 2 s more"
    )


def find(context: Context, settings: Settings) -> Iterator[Finding]:
    """Failures first, then what came up late."""
    how = context.failures.flow
    for kind, failure in ((REFUSED, Failure.REFUSED), (UNREACHABLE, Failure.UNREACHABLE)):
        yield from _failed(context, kind, np.flatnonzero(how == failure))
    flows = context.flows
    silent = (flows["syn_count"] >= settings.silent_count) & (
        flows["syn_last_ns"] - flows["syn_ns"] >= settings.silent_s * 1e9
    )
    yield from _failed(context, FILTERED, np.flatnonzero((how == Failure.FILTERED) & silent))
    up = flows["established_ns"] >= 0
    repeated = up & ((flows["syn_count"] > 1) | (flows["synack_count"] > 1))
    yield from _late(context, SYN_LOSS, np.flatnonzero(repeated))
    slow = context.account.flow_ns[:, Code.TCP_CONNECT] >= settings.slow_connect_ms * 1e6
    yield from _late(context, SLOW, np.flatnonzero(up & ~repeated & slow))


def _failed(context: Context, kind: FindingKind, rows: Ints) -> Iterator[Finding]:
    for mine in services_of(context, rows):
        case = case_of(context, mine, (Code.TCP_CONNECT,))
        row = int(case.rows[0])
        server, client = context.names.server(row), context.names.client_host(row)
        tries = int(context.flows["syn_count"][mine].sum())
        attempts = count(len(mine), "attempt")
        title = {
            REFUSED: f"{server} refused {attempts} to connect",
            UNREACHABLE: f"{server} could not be reached in {attempts}: a router said so",
            FILTERED: f"{server} did not answer {attempts} to connect at all",
        }[kind]
        words = Words(
            title=title,
            explanation=(
                f"{count(tries, 'packet was', 'packets were')} sent to open {count(len(mine), 'connection')}, "
                f"none came up. {_first_seen(context, mine)}",
            ),
            next_step=_ask(kind, server, client),
        )
        numbers = (Number("failed attempts", len(mine), ""), Number("packets sent", tries, ""))
        # Errors quote a connection but are no part of it: the service as a whole shows them too.
        shown = filters.service(context, row) if kind is UNREACHABLE else None
        proof = Proof(_attempt(context, row), numbers, Confidence.HIGH, _failure_severity(context, case), shown)
        yield finding(context, kind, case, words, proof)


def _first_seen(context: Context, rows: Ints) -> str:
    return f"First seen {since_start(context, int(context.flows['first_ns'][rows].min()))} into the capture."


def _ask(kind: FindingKind, server: str, client: str) -> str:
    if kind is REFUSED:
        return f"Ask whoever runs {server} whether the service is started and listens on this port."
    if kind is UNREACHABLE:
        return f"Ask whoever runs the network for the route from {client} to {server}."
    return f"Ask whoever runs {server} whether it is up, and whoever runs the firewalls about {client} and this port."


def _failure_severity(context: Context, case: Case) -> Severity:
    waited = severity(case.seconds, context.waited_s)
    return waited if waited.rank >= Severity.MEDIUM.rank else Severity.MEDIUM


def _late(context: Context, kind: FindingKind, rows: Ints) -> Iterator[Finding]:
    for mine in services_of(context, rows):
        case = case_of(context, mine, (Code.TCP_CONNECT,))
        row = int(case.rows[0])
        server = context.names.server(row)
        took = context.account.flow_ns[mine, Code.TCP_CONNECT] / 1e9
        repeated = int((context.flows["syn_count"][mine] + context.flows["synack_count"][mine] - 2).clip(0).sum())
        reason = (
            "because their first packets were lost" if kind is SYN_LOSS else "although nothing had to be sent again"
        )
        connections = count(len(mine), "connection")
        words = Words(
            title=f"{connections} to {server} took {typical(took)} to come up",
            explanation=(
                f"{connections} came up late {reason}; the slowest took {duration(float(took.max()))}. "
                f"{_first_seen(context, mine)}",
            ),
            next_step=f"{kind.advice} The client is {context.names.client_host(row)}.",
        )
        numbers = (
            Number("connections", len(mine), ""),
            *((Number("median time to connect", float(np.median(took)), "s"),) if len(took) >= ENOUGH else ()),
            Number("slowest", float(took.max()), "s"),
            Number("packets sent again", repeated, ""),
        )
        proof = Proof(_attempt(context, row), numbers, Confidence.HIGH, severity(case.seconds, context.waited_s))
        yield finding(context, kind, case, words, proof)


def _attempt(context: Context, row: int) -> tuple[Evidence, ...]:
    flow = context.flows[row]
    again = context.events_of(np.array([row]), EventKind.SYN_RETRANSMISSION, EventKind.SYNACK_RETRANSMISSION)
    errors = context.events_of(np.array([row]), *UNREACHABLE_KINDS)
    synack = "SYN-ACK: the server's answer"
    frames = [
        (int(flow["syn_frame"]), int(flow["syn_ns"]), "SYN: the client wants to connect"),
        *((int(one["frame"]), int(one["time_ns"]), "Sent again: no answer so far") for one in again[-2:]),
        *((int(one["frame"]), int(one["time_ns"]), "Error from a router: unreachable") for one in errors[:1]),
        (int(flow["synack_frame"]), int(flow["synack_ns"]), synack),
    ]
    if flow["synack_count"] == 0 and flow["reset_ns"] >= 0:
        frames.append((int(flow["reset_frame"]), int(flow["reset_ns"]), "Reset: refused"))
    if not any(frame for frame, _, _ in frames):
        frames.append((int(flow["first_frame"]), int(flow["first_ns"]), "First packet"))
    return evidence(context, row, frames)


DETECTOR = Detector(
    "slow_connect", (REFUSED, FILTERED, UNREACHABLE, SYN_LOSS, SLOW), ("flows", "events"), Settings, find
)
