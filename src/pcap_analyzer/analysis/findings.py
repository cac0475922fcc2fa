"""Turns groups of flows into findings: who is meant, the filter that shows them, the frames that prove it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pcap_analyzer.analysis import filters
from pcap_analyzer.analysis.columns import Ints, add_up
from pcap_analyzer.analysis.context import Context
from pcap_analyzer.analysis.intervals import Code, Intervals
from pcap_analyzer.analysis.model import Confidence, Evidence, Finding, FindingKind, FlowRef, Number, Severity
from pcap_analyzer.analysis.paths import TCP
from pcap_analyzer.analysis.quantities import duration

GROUPS = 30  # findings a kind: the worst services; a report is read by people
FLOWS_NAMED = 20
LAST_PACKET = "Last packet of the connection"


@dataclass(frozen=True)
class Case:
    """What one finding is about: flows of one service and the intervals of waiting that they have in common."""

    rows: Ints  # of the flow table, worst first
    intervals: Intervals
    seconds: float  # wall clock


@dataclass(frozen=True)
class Words:
    """What a finding says, apart from its numbers and its proof."""

    title: str
    explanation: tuple[str, ...]
    next_step: str


@dataclass(frozen=True)
class Proof:
    """Frames and figures of a finding."""

    evidence: tuple[Evidence, ...]
    numbers: tuple[Number, ...]
    confidence: Confidence
    severity: Severity
    display_filter: str | None = None  # None: the one of the service's flows, which shows everything


def by_service(context: Context, intervals: Intervals) -> Iterator[Case]:
    """Intervals of TCP flows gathered by service, the services that waited longest first, at most `GROUPS`."""
    services = context.names.service_of[intervals.flow]
    length = add_up(services, intervals.length_ns, int(services.max()) + 1 if len(services) else 0)
    for service in np.argsort(-length, kind="stable")[:GROUPS]:
        if length[service] <= 0:
            return
        chosen = intervals.where(services == service)
        yield Case(worst_flows(chosen), chosen, chosen.wall_ns() / 1e9)


def case_of(context: Context, rows: Ints, codes: Sequence[Code]) -> Case:
    """The given flows with what they waited in some categories."""
    intervals = context.account.intervals
    mine = intervals.where(np.isin(intervals.code, codes) & np.isin(intervals.flow, rows))
    waited = context.account.flow_ns[rows][:, list(codes)].sum(axis=1)
    return Case(worst_first(rows, waited), mine, mine.wall_ns() / 1e9)


def worst_flows(intervals: Intervals) -> Ints:
    """Rows of the flows that have part in the intervals, the longest sum first."""
    rows, place = np.unique(intervals.flow, return_inverse=True)
    return worst_first(rows, add_up(place, intervals.length_ns, len(rows)))


def worst_first(rows: Ints, waited_ns: Ints) -> Ints:
    """Rows in order of what they waited, the longest first."""
    ordered: Ints = rows[np.argsort(-waited_ns, kind="stable")]
    return ordered


def services_of(context: Context, rows: Ints) -> Iterator[Ints]:
    """Rows of the flow table by service, the services with most of them first, at most `GROUPS`."""
    services, counts = np.unique(context.names.service_of[rows], return_counts=True)
    for service in services[np.argsort(-counts, kind="stable")][:GROUPS]:
        yield rows[context.names.service_of[rows] == service]


def finding(context: Context, kind: FindingKind, case: Case, words: Words, proof: Proof) -> Finding:
    """A finding about TCP flows of one service; its seconds are None where the case has no intervals of waiting."""
    doubtful = proof.confidence is Confidence.LOW
    return Finding(
        kind=kind.id,
        category=kind.category,
        severity=Severity.MEDIUM if doubtful and proof.severity is Severity.HIGH else proof.severity,
        confidence=proof.confidence,
        title=f"Probably: {words.title}" if doubtful else words.title,
        explanation=words.explanation,
        seconds=round(case.seconds, 6) if len(case.intervals) else None,
        flow_count=len(case.rows),
        flows=flow_refs(context, case.rows),
        evidence=proof.evidence,
        display_filter=proof.display_filter or filters.of_service(context, case.rows),
        example_filter=example_filter(context, proof.evidence),
        next_step=words.next_step,
        numbers=proof.numbers,
    )


def flow_refs(context: Context, rows: Ints) -> tuple[FlowRef, ...]:
    """The flows as people and Wireshark name them, at most `FLOWS_NAMED`."""
    return tuple(
        FlowRef(
            protocol=filters.protocol(context.flows[row]),
            stream=int(context.flows["stream"][row]),
            client=context.names.client(row),
            server=context.names.server(row),
        )
        for row in rows[:FLOWS_NAMED].tolist()
    )


def example_filter(context: Context, proof: tuple[Evidence, ...]) -> str | None:
    """Wireshark: the one flow of the evidence."""
    streams = {(one.protocol, one.stream) for one in proof}
    if len(streams) != 1 or (None, None) in streams:
        return None
    name, stream = streams.pop()
    flows = context.flows
    rows = np.flatnonzero((flows["stream"] == stream) & ((flows["protocol"] == TCP) == (name == "tcp")))
    return filters.one_flow(context, int(rows[0]))


def evidence(context: Context, row: int, frames: Sequence[tuple[int, int, str]]) -> tuple[Evidence, ...]:
    """Frames (number, time in ns, what) of one flow in order of time; those that do not exist (0) are left out."""
    ordered = sorted((one for one in frames if one[0] > 0), key=lambda one: (one[1], one[0]))
    stream, protocol = int(context.flows["stream"][row]), filters.protocol(context.flows[row])
    before = [None, *(time_ns for _, time_ns, _ in ordered)]
    return tuple(
        Evidence(frame, time_ns / 1e9, what, _after_s(last, time_ns), stream, protocol)
        for (frame, time_ns, what), last in zip(ordered, before, strict=False)
    )


def longest_pause(context: Context, case: Case, marked: tuple[str, str]) -> tuple[Evidence, ...]:
    """The packets around the longest pause of a case; of an answer that broke off, its last packet and the flow's."""
    worst = int(case.intervals.length_ns.argmax())
    row = int(case.intervals.flow[worst])
    frames = pause_frames(context, row, int(case.intervals.start_ns[worst]), int(case.intervals.end_ns[worst]))
    flow = context.flows[row]
    if frames is None:
        exchange = context.account.exchanges[int(case.intervals.unit[worst])]
        spoken = (int(exchange["response_last_frame"]), int(exchange["response_last_ns"]), marked[0])
        return evidence(context, row, (spoken, (int(flow["last_frame"]), int(flow["last_ns"]), LAST_PACKET)))
    return evidence(
        context, row, tuple((frame, time_ns, what) for (frame, time_ns), what in zip(frames, marked, strict=True))
    )


def pause_frames(
    context: Context, row: int, start_ns: int, end_ns: int
) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """The packets (frame, time in ns) before and after the pause of a flow that holds an interval."""
    number = context.flows["flow"][row]
    for chunk in context.tables.pauses:
        around = (chunk["flow"] == number) & (chunk["start_ns"] <= start_ns) & (chunk["end_ns"] >= end_ns)
        for one in chunk[around][:1]:
            before, after = (int(one["start_frame"]), int(one["start_ns"])), (int(one["end_frame"]), int(one["end_ns"]))
            return before, after
    return None


def _after_s(before_ns: int | None, time_ns: int) -> float | None:
    return None if before_ns is None else round((time_ns - before_ns) / 1e9, 9)


def severity(seconds: float, waited_s: float) -> Severity:
    """Judgement: what share of all waiting a finding has, and whether anyone would notice."""
    share = seconds / waited_s if waited_s else 0.0
    if share >= 0.3 and seconds >= 1.0:
        return Severity.HIGH
    if share >= 0.1 and seconds >= 0.3:
        return Severity.MEDIUM
    return Severity.LOW


def bounded_confidence(intervals: Intervals) -> Confidence:
    """How much of the seconds is certain: what the low bound leaves of them."""
    total = float(intervals.length_ns.sum(dtype=np.float64))
    certain = float(intervals.low_ns.sum(dtype=np.float64)) / total if total else 0.0
    if certain >= 0.8:
        return Confidence.HIGH
    return Confidence.MEDIUM if certain >= 0.5 else Confidence.LOW


def since_start(context: Context, time_ns: int) -> str:
    """ "12.3 s": where in the capture something happened."""
    seconds = (time_ns - context.start_ns) / 1e9
    return f"{seconds:.1f} s" if seconds < 1000 else duration(seconds)


def when(context: Context, intervals: Intervals) -> str:
    """The sentence that says from when to when."""
    first, last = int(intervals.start_ns.min()), int(intervals.end_ns.max())
    return f"First seen {since_start(context, first)} into the capture, last at {since_start(context, last)}."
