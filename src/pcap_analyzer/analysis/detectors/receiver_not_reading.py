"""Receivers that do not take their data: the sender has to stop because the receive window is used up.

Method: a pause in a transfer belongs to the receiver when everything sent is acknowledged and what comes next does not
fit into the announced window, or when the window is full and under half of its maximum on this connection: the program
does not empty its buffer. Windows are taken as the sender knew them when it fell silent. Reported by service and side
from `total_ms` on.
Source: RFC 9293 (3.8.6, managing the window), RFC 7323 (window scaling).
False alarms: a window of a connection that was open before the capture began cannot be scaled; there only a window of
0 counts. A receive window that is open but too small for the path is no slow reader.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

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
    pause_frames,
    severity,
    when,
)
from pcap_analyzer.analysis.intervals import Code
from pcap_analyzer.analysis.model import Category, Evidence, Finding, FindingKind, Number
from pcap_analyzer.analysis.quantities import count, duration
from pcap_analyzer.capture.tables import C2S, S2C, EventKind

KIND = FindingKind(
    id="receiver_not_reading",
    title="Receiver not reading",
    category=Category.RECEIVER_NOT_READING,
    advice="Ask whoever runs the receiving machine why its program reads so slowly: processor, disk, a paused program.",
)
MARKED = ("Last packet before the sender had to stop", "The sender goes on")


@dataclass(frozen=True)
class Settings:
    total_ms: float = setting(200, "waiting for a receiver is reported from this sum on", "judgement")


def find(context: Context, settings: Settings) -> Iterator[Finding]:
    intervals = context.account.intervals.of(Code.RECEIVER_NOT_READING)
    for side in (S2C, C2S):
        for case in by_service(context, intervals.where(intervals.side == side)):
            if case.seconds * 1e3 >= settings.total_ms:
                yield _report(context, case, side)


def _report(context: Context, case: Case, side: int) -> Finding:
    row = int(case.rows[0])
    server, client = context.names.server(row), context.names.client_host(row)
    reader, sender = (client, server) if side == S2C else (server, client)
    largest = int(context.flows["window_max"][case.rows, 1 - side].max())
    shut = int(context.flows["zero_windows"][case.rows, 1 - side].sum())
    longest = int(case.intervals.length_ns.max()) / 1e9
    waits = len(case.intervals)
    most = f" and was at most {largest:,} bytes on these connections" if largest else ""
    words = Words(
        title=f"{reader} stopped reading: {sender} had to wait {duration(case.seconds)}",
        explanation=(
            f"{sender} had data to send and the network would have taken it, but {reader} allowed no more: "
            f"{count(waits, 'wait')}, the longest {duration(longest)}. "
            f"Its window was closed {count(shut, 'time')}{most}.",
            when(context, case.intervals),
        ),
        next_step=f"{KIND.advice.rstrip('.')} ({reader}).",
    )
    numbers = (
        Number("waits", waits, ""),
        Number("longest wait", longest, "s"),
        Number("closed windows", shut, ""),
        Number("largest window", largest, "bytes"),
    )
    level = severity(case.seconds, context.waited_s)
    proof = Proof(_evidence(context, case), numbers, bounded_confidence(case.intervals), level)
    return finding(context, KIND, case, words, proof)


def _evidence(context: Context, case: Case) -> tuple[Evidence, ...]:
    """The wait that was longest: the last packet before it, what closed the window, the first packet after it."""
    worst = int(case.intervals.length_ns.argmax())
    row, begin = int(case.intervals.flow[worst]), int(case.intervals.start_ns[worst])
    around = pause_frames(context, row, begin, int(case.intervals.end_ns[worst]))
    frames = [(*one, what) for one, what in zip(around or (), MARKED, strict=False)]
    shut = context.events_of(np.array([row]), EventKind.ZERO_WINDOW)
    nearest = shut[abs(shut["time_ns"] - begin).argsort(kind="stable")[:1]]
    frames += [(int(one["frame"]), int(one["time_ns"]), "Window closed: the receiver takes no more") for one in nearest]
    flow = context.flows[row]
    return evidence(context, row, frames or [(int(flow["last_frame"]), int(flow["last_ns"]), LAST_PACKET)])


DETECTOR = Detector("receiver_not_reading", (KIND,), ("flows", "exchanges", "pauses", "events"), Settings, find)
