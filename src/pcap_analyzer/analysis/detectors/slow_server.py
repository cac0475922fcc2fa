"""Servers that take long to answer although the request had reached them, pause while they answer, or never answer.

Method: the gap between the last byte of a request and the first byte of its response, less the round trip between the
capture point and the server (the request's own acknowledgement, else the smallest measured on that path), is the
server's thinking. Gaps of at least `slow_answer_ms` are gathered by service; a service is reported when together they
lasted `total_ms` or longer, in wall clock time. Pauses inside of answers that neither the network nor the receiver
explains are stalls, reported from `stall_ms` on; requests that were acknowledged or sent three times and never answered
are reported from the first one on.
Source: the split into server and network time of Wireshark's TRANSUM (Paul Offord); RFC 1122, 4.2.3.2 for what an
acknowledgement may take; 100 ms: Jakob Nielsen, Usability Engineering, 1993.
False alarms: a server that waits for another one behind it is named here, and that other one is to blame: capture
there. Long polls that are not equally long count as thinking, media that are sent at the pace of playing as stalls.
Where no round trip could be measured the server's part is an upper bound, and the confidence says so.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pcap_analyzer.analysis.columns import Ints, add_up
from pcap_analyzer.analysis.context import Context
from pcap_analyzer.analysis.detector import Detector, setting
from pcap_analyzer.analysis.failure_cost import spent
from pcap_analyzer.analysis.failures import Failure
from pcap_analyzer.analysis.findings import (
    Case,
    Proof,
    Words,
    bounded_confidence,
    by_service,
    evidence,
    finding,
    longest_pause,
    services_of,
    severity,
    since_start,
    when,
    worst_first,
)
from pcap_analyzer.analysis.intervals import Code, Intervals
from pcap_analyzer.analysis.model import Category, Confidence, Evidence, Finding, FindingKind, Number, Severity
from pcap_analyzer.analysis.quantities import ENOUGH, count, duration, spread, typical

SLOW = FindingKind(
    id="slow_server",
    title="Slow server",
    category=Category.SERVER_THINKING,
    advice="Ask whoever runs the server what it did in that time: its own logs, its database, the services behind it.",
)
STALLING = FindingKind(
    id="server_stall",
    title="Server pauses while it answers",
    category=Category.SERVER_STALL,
    advice="Ask whoever runs the server what produces these answers: a slow query, a disk, a stream made on the way.",
)
SILENT = FindingKind(
    id="no_response",
    title="Requests without an answer",
    category=Category.SERVER_THINKING,
    advice="Ask whoever runs the server for its log at these times: a crash, a limit, a timeout of its own.",
)


@dataclass(frozen=True)
class Settings:
    slow_answer_ms: float = setting(100, "a slower answer is slow", "Nielsen 1993: what is felt as immediate")
    total_ms: float = setting(
        300, "slow answers of a service are reported when together they last so long", "judgement"
    )
    stall_ms: float = setting(500, "pauses of a service are reported from this sum on", "judgement")


def find(context: Context, settings: Settings) -> Iterator[Finding]:
    """Slow answers, then stalls, then requests without any answer."""
    thinking = _answered(context, context.account.intervals.of(Code.SERVER_THINKING))
    for case in by_service(context, thinking.where(thinking.length_ns >= settings.slow_answer_ms * 1e6)):
        if case.seconds * 1e3 >= settings.total_ms:
            yield _slow(context, case, thinking)
    for case in by_service(context, context.account.intervals.of(Code.SERVER_STALL)):
        if case.seconds * 1e3 >= settings.stall_ms:
            yield _stalling(context, case)
    how = context.failures.flow
    for rows in services_of(context, np.flatnonzero((how == Failure.NO_RESPONSE) | (how == Failure.REQUEST_LOST))):
        yield _silent(context, rows)


def _answered(context: Context, thinking: Intervals) -> Intervals:
    """Without the wait for answers that never came: that is another finding."""
    return thinking.where(context.account.exchanges["response_first_ns"][thinking.unit] >= 0)


def _slow(context: Context, case: Case, thinking: Intervals) -> Finding:
    row = int(case.rows[0])
    server, client = context.names.server(row), context.names.client_host(row)
    lengths = case.intervals.length_ns / 1e9
    services = context.names.service_of
    requests = int((services[thinking.flow] == services[row]).sum())
    round_trip = int(context.account.paths.round_trip_ns[row]) / 1e9
    path = f"; the network round trip is {duration(round_trip)}" if round_trip else ""
    words = Words(
        title=f"{server} takes {typical(lengths)} to answer{path}",
        explanation=(
            f"In {len(lengths):,} of {count(requests, 'request')} the server had the request and then sent nothing for "
            f"{spread(lengths)}. "
            f"The time that packets need between here and the server is already taken off.",
            when(context, case.intervals),
        ),
        next_step=f"Ask whoever runs {server} what it was doing: look into its logs at these times for requests from "
        f"{client}, and at the database and services behind it. The network cannot make this faster.",
    )
    numbers = (
        Number("slow answers", len(lengths), ""),
        Number("requests", requests, ""),
        *_think_times(lengths),
        *((Number("round trip", round_trip * 1e3, "ms"),) if round_trip else ()),
    )
    level = severity(case.seconds, context.waited_s)
    worst = int(np.argmax(case.intervals.length_ns))
    shown = _exchange(context, int(case.intervals.unit[worst]))
    return finding(context, SLOW, case, words, Proof(shown, numbers, bounded_confidence(case.intervals), level))


def _think_times(seconds: npt.NDArray[np.float64]) -> tuple[Number, ...]:
    if len(seconds) < ENOUGH:
        return (Number("longest think time", float(seconds.max()), "s"),)
    high = float(np.percentile(seconds, 95))
    return (Number("median think time", float(np.median(seconds)), "s"), Number("95th percentile", high, "s"))


def _exchange(context: Context, position: int) -> tuple[Evidence, ...]:
    """The request, its acknowledgement and the first byte of the response, as far as they were captured."""
    exchange, row = context.account.exchanges[position], int(context.account.exchange_row[position])
    # An earlier acknowledgement covers an earlier part of the request.
    own_ack = exchange["request_ack_ns"] >= exchange["request_last_ns"]
    acknowledged = int(exchange["request_ack_frame"]) if own_ack else 0
    asked = f"Request, {exchange['request_bytes']:,} B"
    return evidence(
        context,
        row,
        (
            (int(exchange["request_last_frame"]), int(exchange["request_last_ns"]), asked),
            (acknowledged, int(exchange["request_ack_ns"]), "Its acknowledgement: the server has it"),
            (int(exchange["response_first_frame"]), int(exchange["response_first_ns"]), "First byte of the response"),
        ),
    )


def _stalling(context: Context, case: Case) -> Finding:
    row = int(case.rows[0])
    server = context.names.server(row)
    pauses, longest = len(case.intervals), int(case.intervals.length_ns.max()) / 1e9
    words = Words(
        title=f"{server} pauses in the middle of its answers: {duration(case.seconds)} in all",
        explanation=(
            f"{count(pauses, 'pause')}, the longest {duration(longest)}: everything sent had arrived, the client had "
            "room for more, and the server sent nothing.",
            when(context, case.intervals),
        ),
        next_step=f"Ask whoever runs {server} what produces these answers: a slow query, a disk, a stream made live.",
    )
    numbers = (Number("pauses", pauses, ""), Number("longest pause", longest, "s"))
    level = severity(case.seconds, context.waited_s)
    marked = ("Last packet before the pause", "The server goes on")
    shown = longest_pause(context, case, marked)
    return finding(context, STALLING, case, words, Proof(shown, numbers, bounded_confidence(case.intervals), level))


def _silent(context: Context, rows: Ints) -> Finding:
    mine = context.account.intervals.where(spent(context.account, context.failures.flow, rows))
    waited = add_up(mine.flow, mine.length_ns, len(context.flows))[rows]
    case = Case(worst_first(rows, waited), mine, mine.wall_ns() / 1e9)
    row = int(case.rows[0])
    server, client = context.names.server(row), context.names.client_host(row)
    last = int(np.searchsorted(context.account.exchange_row, row, side="right")) - 1
    begun = since_start(context, int(context.account.exchanges["request_last_ns"][last]))
    words = Words(
        title=f"{server} never answered the last request of {count(len(rows), 'connection')}",
        explanation=(
            "The request was acknowledged by the server's system, or sent again and again; no answer came until the "
            f"connection ended. The example begins {begun} into the capture.",
        ),
        next_step=f"Ask whoever runs {server} for its log at these times, and for requests from {client}.",
    )
    proof = Proof(_exchange(context, last), (Number("connections", len(rows), ""),), Confidence.HIGH, Severity.MEDIUM)
    return finding(context, SILENT, case, words, proof)


DETECTOR = Detector("slow_server", (SLOW, STALLING, SILENT), ("flows", "exchanges", "pauses"), Settings, find)
