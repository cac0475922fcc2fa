"""The decision table: findings and waiting to one cause, a party and a confidence. wording.py says it in words.

Steps, the first that holds: the capture cannot tell; an attack; connections or look-ups that fail; nothing to complain
of; the largest counted waiting by wall clock.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pcap_analyzer.analysis import blame
from pcap_analyzer.analysis.columns import Ints, address_keys, group
from pcap_analyzer.analysis.context import Context
from pcap_analyzer.analysis.failed_services import FailedService, failed_services
from pcap_analyzer.analysis.failures import half_open, initiators, without_payload
from pcap_analyzer.analysis.findings import worst_flows
from pcap_analyzer.analysis.intervals import Code
from pcap_analyzer.analysis.model import Cause, Confidence, Party
from pcap_analyzer.analysis.paths import MS, S
from pcap_analyzer.analysis.waiting import is_tcp
from pcap_analyzer.capture.tables import Tables

MOSTLY = 0.5
IMMEDIATE_NS = 100 * MS  # Nielsen 1993: what people feel as immediate
NOTICED_NS = 3 * S  # in one category on one flow, or as the sum of what exceeds 100 ms
FEW_UNITS = 3
SCAN_TARGETS, FLOOD_ATTEMPTS = 15, 50  # judgement
DUPLICATES, MISSED_BYTES, UNKNOWN_SHARE = 0.1, 0.01, 0.25


@dataclass(frozen=True)
class Decision:
    """What the table decided, with the figures that its sentence needs."""

    cause: Cause
    party: Party
    confidence: Confidence
    code: Code | None = None  # the category of waiting that it is about
    seconds: float | None = None
    rows: Ints | None = None  # flows that it is about, worst first
    failed: FailedService | None = None
    p95_s: float | None = None  # counted waiting per exchange, connect, handshake, look-up


def decide(context: Context) -> Decision:
    """The first step of the table that holds."""
    failed = failed_services(context)
    return (
        _capture(context)
        or _attack(context)
        or _too_little(context, failed)
        or (_failure(failed[0]) if failed else None)
        or _nothing(context)
        or _largest(context)
    )


def _capture(context: Context) -> Decision | None:
    flows, paths = context.flows, context.account.paths
    payload = flows["payload_bytes"].sum(axis=1).astype(np.int64)
    half = paths.one_sided & (payload > 0)
    if payload[half].sum() > MOSTLY * payload[is_tcp(flows)].sum():
        rows = np.flatnonzero(half)
        return Decision(Cause.ONE_SIDED_CAPTURE, Party.CAPTURE, Confidence.HIGH, rows=rows[np.argsort(-payload[rows])])
    facts = context.tables.capture
    faulty = bool(facts.cut_frames or facts.interface_drops or flows["acked_unseen_bytes"].any() or facts.damage)
    unknown = context.account.intervals.of(Code.UNKNOWN)
    if faulty and unknown.wall_ns() / 1e9 > MOSTLY * context.waited_s:
        cause = Cause.TRUNCATED_FILE if facts.damage else Cause.CAPTURE_INCOMPLETE
        return Decision(cause, Party.CAPTURE, Confidence.HIGH, Code.UNKNOWN, unknown.wall_ns() / 1e9)
    return None


def _attack(context: Context) -> Decision | None:
    flows = context.flows
    attempts = int(initiators(flows).sum())
    scanning = np.flatnonzero(without_payload(flows))
    if len(scanning) >= SCAN_TARGETS:
        sources = group(*address_keys(flows["client_ip"][scanning]))[1]
        targets = group(sources, context.names.service_of[scanning])[0]
        counts = np.bincount(sources[targets])
        source = int(np.argmax(counts))
        if counts[source] >= SCAN_TARGETS and counts[source] > MOSTLY * attempts:
            return Decision(Cause.PORT_SCAN, Party.CLIENT, Confidence.HIGH, rows=scanning[sources == source])
    waiting = np.flatnonzero(half_open(flows))
    if len(waiting) >= FLOOD_ATTEMPTS:
        services = context.names.service_of[waiting]
        counts = np.bincount(services)
        service = int(np.argmax(counts))
        if counts[service] >= FLOOD_ATTEMPTS and counts[service] > MOSTLY * attempts:
            return Decision(Cause.FLOOD, Party.CLIENT, Confidence.HIGH, rows=waiting[services == service])
    return None


def _too_little(context: Context, failed: tuple[FailedService, ...]) -> Decision | None:
    flows, account = context.flows, context.account
    dialled = int(((flows["syn_ns"] >= 0) | (flows["synack_ns"] >= 0)).sum())
    units = len(account.exchanges) + len(account.lookups) + dialled + int((flows["tls_start_ns"] >= 0).sum())
    if (units < FEW_UNITS and _span_ns(context.tables) < S and not failed) or (units == 0 and not failed):
        return Decision(Cause.INSUFFICIENT_DATA, Party.CAPTURE, Confidence.LOW)
    return None


def _span_ns(tables: Tables) -> int:
    return (tables.capture.last_ns or 0) - (tables.capture.first_ns or 0)


def _failure(failed: FailedService) -> Decision:
    confidence = Confidence.HIGH if failed.same >= FEW_UNITS else Confidence.MEDIUM
    return Decision(failed.cause, failed.party, confidence, seconds=failed.seconds, rows=failed.rows, failed=failed)


def _nothing(context: Context) -> Decision | None:
    """Everybody is served at once: nothing to complain of, unless the capture itself is."""
    units = context.account.unit_counted_ns()
    noticed = bool((context.account.flow_ns[:, : Code.CLIENT_THINKING] >= NOTICED_NS).any())
    if len(units) == 0:
        return None if noticed else Decision(Cause.INSUFFICIENT_DATA, Party.CAPTURE, Confidence.LOW)
    p95 = int(np.sort(units)[int(0.95 * len(units))])
    excess = int(np.maximum(0, units - IMMEDIATE_NS).sum())
    if p95 >= IMMEDIATE_NS or excess >= NOTICED_NS or noticed:
        return None
    fault = _capture_fault(context)
    if fault is not None:
        return Decision(fault, Party.CAPTURE, Confidence.HIGH, p95_s=p95 / 1e9)
    unknown = context.account.intervals.of(Code.UNKNOWN).wall_ns() / 1e9
    if unknown > UNKNOWN_SHARE * context.waited_s:
        return Decision(Cause.INSUFFICIENT_DATA, Party.UNKNOWN, Confidence.LOW, Code.UNKNOWN, unknown)
    return Decision(Cause.NONE, Party.NOBODY, Confidence.HIGH, p95_s=p95 / 1e9)


def _capture_fault(context: Context) -> Cause | None:
    """The worst fault of a capture that shows nothing else."""
    facts, flows = context.tables.capture, context.flows
    if facts.duplicate_frames > DUPLICATES * facts.frames:
        return Cause.CAPTURE_DUPLICATES
    if facts.damage is not None:
        return Cause.TRUNCATED_FILE
    unseen = int(flows["acked_unseen_bytes"].sum())
    return Cause.CAPTURE_INCOMPLETE if unseen > MISSED_BYTES * int(flows["payload_bytes"].sum()) else None


def _largest(context: Context) -> Decision:
    """The category with most counted waiting, by wall clock, and who is to blame for it."""
    ranking = blame.rank(context)
    top = ranking.top
    intervals = context.account.counted_of([top])
    blamed = blame.who(context, top, intervals)
    alike = blame.alike(context, top, blamed, ranking)
    if len(alike) > 1:
        intervals = context.account.counted_of(alike)
        ranking = blame.rank(context, alike)
    confidence = ranking.confidence(context, intervals)
    party = blamed.party if ranking.unchanged or confidence is not Confidence.LOW else Party.UNKNOWN
    if blamed.cause is Cause.INSUFFICIENT_DATA:
        confidence, party = Confidence.LOW, Party.UNKNOWN
    on_flows = intervals.where(intervals.flow >= 0)
    return Decision(blamed.cause, party, confidence, top, intervals.wall_ns() / 1e9, worst_flows(on_flows))
