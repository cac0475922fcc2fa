"""Servers that take long to answer although the request had reached them.

Method: the gap between the last byte of a request and the first byte of its response, less the round trip between the
capture point and the server (the request's own acknowledgement, else the smallest measured on that path), is the
server's thinking. Gaps of at least `slow_answer_ms` are gathered by service; a service is reported when together they
lasted `total_ms` or longer, in wall clock time.
Source: the generic turn of TRANSUM (Paul Offord); RFC 1122, 4.2.3.2 for what an acknowledgement may take; 100 ms:
Jakob Nielsen, Usability Engineering, 1993.
False alarms: a server that waits for another one behind it is named here, and that other one is to blame: capture
there. Long polls that are not equally long count as thinking. Without any measured round trip all of the gap is the
server's at most, and the confidence says so.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pcap_analyzer.analysis.context import Context
from pcap_analyzer.analysis.detector import Detector, setting
from pcap_analyzer.analysis.findings import (
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
from pcap_analyzer.analysis.intervals import Code, Intervals
from pcap_analyzer.analysis.model import Category, Evidence, Finding, FindingKind, Number
from pcap_analyzer.analysis.quantities import count, duration

KIND = FindingKind(
    id="slow_server",
    title="Slow server",
    category=Category.SERVER_THINKING,
    advice="Ask whoever runs the server what it did in that time: its own logs, its database, the services behind it.",
)


@dataclass(frozen=True)
class Settings:
    slow_answer_ms: float = setting(
        100, "an answer that takes longer than this is slow", "Nielsen 1993: felt as immediate below"
    )
    total_ms: float = setting(300, "slow answers of a service are reported from this sum on", "judgement")


def find(context: Context, settings: Settings) -> Iterator[Finding]:
    thinking = context.account.intervals.of(Code.SERVER_THINKING)
    slow = thinking.where(thinking.length_ns >= settings.slow_answer_ms * 1e6)
    for case in by_service(context, slow):
        if case.seconds * 1e3 >= settings.total_ms:
            yield _report(context, case, thinking)


def _report(context: Context, case: Case, thinking: Intervals) -> Finding:
    row = int(case.rows[0])
    server, client = context.names.server(row), context.names.client_host(row)
    lengths = case.intervals.length_ns / 1e9
    median, high = float(np.median(lengths)), float(np.percentile(lengths, 95))
    services = context.names.service_of
    requests = int((services[thinking.flow] == services[row]).sum())
    round_trip = int(context.account.paths.round_trip_ns[row]) / 1e9
    path = f"; the network round trip is {duration(round_trip)}" if round_trip else ""
    words = Words(
        title=f"{server} takes {duration(median)} to answer{path}",
        explanation=(
            f"In {len(lengths):,} of {count(requests, 'request')} the server had the request and then sent nothing for "
            f"{_spread(median, high, len(lengths))}. "
            f"The time that packets need between here and the server is already taken off.",
            when(context, case.intervals),
        ),
        next_step=f"Ask whoever runs {server} what it was doing: look into its logs at these times for requests from "
        f"{client}, and at the database and services behind it. The network cannot make this faster.",
    )
    numbers = (
        Number("slow answers", len(lengths), ""),
        Number("requests", requests, ""),
        Number("median think time", median, "s"),
        Number("95th percentile", high, "s"),
        Number("round trip", round_trip * 1e3, "ms"),
    )
    proof = Proof(
        _evidence(context, case), numbers, bounded_confidence(case.intervals), severity(case.seconds, context.waited_s)
    )
    return finding(context, KIND, case, words, proof)


def _spread(median: float, high: float, number: int) -> str:
    if number == 1:
        return duration(median)
    return f"{duration(median)} (median), {duration(high)} at the 95th percentile"


def _evidence(context: Context, case: Case) -> tuple[Evidence, ...]:
    worst = int(np.argmax(case.intervals.length_ns))
    unit, row = int(case.intervals.unit[worst]), int(case.intervals.flow[worst])
    exchange = context.account.exchanges[unit]
    acknowledged = (
        int(exchange["request_ack_frame"]) if exchange["request_ack_ns"] >= exchange["request_last_ns"] else 0
    )
    return evidence(
        context,
        row,
        (
            (
                int(exchange["request_last_frame"]),
                int(exchange["request_last_ns"]),
                f"Request, {exchange['request_bytes']:,} B",
            ),
            (
                acknowledged,
                int(exchange["request_ack_ns"]),
                "Its acknowledgement: the server has it",
            ),
            (int(exchange["response_first_frame"]), int(exchange["response_first_ns"]), "First byte of the response"),
        ),
    )


DETECTOR = Detector("slow_server", (KIND,), ("flows", "exchanges"), Settings, find)
