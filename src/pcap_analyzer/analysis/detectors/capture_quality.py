"""Faults of the capture itself, each with what it voids: they come before any other conclusion.

Method: read from the file itself are where it is cut or damaged, which frames were captured short, and what the
capturing machine says it dropped. Counted while reading are times that run backwards, frames that appear more than
once, bytes that were acknowledged but are not in the file, connections seen in one direction only, and those whose SYN
is not in the file. A file of at least 50 TCP frames each of which carries data was filtered.
Source: the pcapng specification (interface statistics); Wireshark's tcp.analysis.ack_lost_segment; Paxson: Automated
Packet Trace Analysis of TCP Implementations, SIGCOMM 1997, for what filters drop, add and stamp wrongly.
False alarms: frames are captured short on purpose to spare the payload; asymmetric routes show one direction only
although nothing is wrong with the network.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pcap_analyzer.analysis import filters
from pcap_analyzer.analysis.context import Context
from pcap_analyzer.analysis.detector import Detector, setting
from pcap_analyzer.analysis.findings import evidence, example_filter, flow_refs
from pcap_analyzer.analysis.model import Confidence, Evidence, Finding, FindingKind
from pcap_analyzer.analysis.quality import Fault, faults


def _kind(name: str, title: str, advice: str) -> FindingKind:
    return FindingKind(id=name, title=title, category=None, advice=advice)


AGAIN = (
    "If this file was exported or filtered, export it again without a filter; else capture again with a larger buffer, "
    "a capture filter that keeps whole connections, or on a faster machine."
)
KINDS = (
    _kind(
        "truncated_file", "File cut short", "Copy the file again, or let the capturing program end before you take it."
    ),
    _kind(
        "cut_frames",
        "Frames captured short",
        "Capture whole frames where their contents matter; frame.cap_len < frame.len shows the short ones.",
    ),
    _kind("missing_frames", "Frames missing from the capture", AGAIN),
    _kind("limit_reached", "A limit of the analysis was reached", "Analyse a shorter part of the capture."),
    _kind(
        "clock_step",
        "Clock stepped back",
        "Let the capturing machine's clock be corrected gradually (NTP slewing), not in steps; frame.time_delta < 0 "
        "shows most of them.",
    ),
    _kind(
        "clock_leap",
        "Clock leapt forward",
        "Set the capturing machine's clock before capturing; analyse files that were merged one by one.",
    ),
    _kind("duplicate_frames", "Frames captured more than once", "Mirror one direction a port, or use editcap -d."),
    _kind("undecoded", "Frames that are not understood", "Nothing to do, unless these frames are what you look for."),
    _kind("one_sided", "One direction missing", "Capture where both directions pass, and mirror both."),
    _kind(
        "filtered",
        "File looks filtered",
        "Export the file again without a filter: all packets, not the displayed ones; or capture without one.",
    ),
    _kind(
        "mid_stream",
        "Connections without their start",
        "Start capturing before the connections are made, and export all packets, not the displayed ones.",
    ),
)


@dataclass(frozen=True)
class Settings:
    example_count: float = setting(
        20, "flows that a filter of these findings names at most", "judgement: people read it"
    )


def find(context: Context, settings: Settings) -> Iterator[Finding]:
    for fault in faults(context):
        yield _report(context, fault, int(settings.example_count))


def _report(context: Context, fault: Fault, flows: int) -> Finding:
    kind = next(kind for kind in KINDS if kind.id == fault.kind)
    proof = _evidence(context, fault)
    return Finding(
        kind=kind.id,
        category=None,
        severity=fault.severity,
        confidence=Confidence.HIGH,
        title=fault.what,
        explanation=(f"What it voids: {fault.voids}.",),
        seconds=None,
        flow_count=len(fault.rows),
        flows=flow_refs(context, fault.rows),
        evidence=proof,
        display_filter=fault.display_filter or filters.by_ports(context, fault.rows[:flows]),
        example_filter=example_filter(context, proof),
        next_step=fault.advice or kind.advice,
    )


def _evidence(context: Context, fault: Fault) -> tuple[Evidence, ...]:
    if fault.events and len(fault.rows) == 0:
        return tuple(Evidence(frame, time_ns / 1e9, fault.shows) for frame, time_ns in fault.events)
    if fault.events:
        return tuple(
            one
            for (frame, time_ns), row in zip(fault.events, _rows_of(fault), strict=True)
            for one in evidence(context, row, ((frame, time_ns, fault.shows),))
        )
    facts = context.tables.capture
    last = facts.damage.frame if facts.damage is not None else facts.frames
    return (Evidence(max(1, last), (facts.last_ns or 0) / 1e9, fault.shows),)


def _rows_of(fault: Fault) -> list[int]:
    """The flow of each event: one flow's events, or the first frame of several flows."""
    several = fault.kind in ("one_sided", "mid_stream")
    rows = fault.rows[: len(fault.events)] if several else np.repeat(fault.rows[:1], len(fault.events))
    return [int(row) for row in rows]


DETECTOR = Detector("capture_quality", KINDS, ("flows", "events"), Settings, find)
