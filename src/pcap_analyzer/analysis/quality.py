"""What is wrong with the capture itself, and what each fault voids: capture quality comes before any verdict."""

from dataclasses import dataclass

import numpy as np

from pcap_analyzer.analysis.columns import Ints, gather
from pcap_analyzer.analysis.context import Context
from pcap_analyzer.analysis.model import QualityNote, Severity
from pcap_analyzer.analysis.quantities import count, percent
from pcap_analyzer.analysis.waiting import is_tcp
from pcap_analyzer.capture.tables import EventKind

NO_FLOWS: Ints = np.empty(0, np.int64)
FEW = 0.01  # a share of all frames or bytes under this is mentioned, but voids little


@dataclass(frozen=True)
class Fault:
    """One fault of the capture: what it is, what it voids, and where it shows."""

    kind: str
    what: str
    voids: str
    severity: Severity
    rows: Ints  # flows that it touches, the largest first; empty: the capture as a whole
    events: tuple[tuple[int, int], ...]  # frames that show it with their times in ns; empty: none is known
    display_filter: str | None  # None: by the flows
    shows: str = "Last whole frame"  # what those frames are

    @property
    def note(self) -> QualityNote:
        return QualityNote(self.what, self.voids, self.severity)


def faults(context: Context) -> tuple[Fault, ...]:
    """Every fault found, the worst first."""
    made = [*_file_faults(context), *_frame_faults(context), *_flow_faults(context)]
    return tuple(sorted(made, key=lambda fault: -fault.severity.rank))


def _whole(kind: str, what: str, voids: str, severity: Severity, display_filter: str) -> Fault:
    return Fault(kind, what, voids, severity, NO_FLOWS, (), display_filter)


def _clock_steps(context: Context) -> tuple[tuple[int, int], ...]:
    """The first few frames that are stamped before their predecessors; they belong to no flow."""
    events = gather(context.tables.events, ("kind", "frame", "time_ns"))
    steps = events[events["kind"] == EventKind.CLOCK_STEP][:3]
    return tuple((int(one["frame"]), int(one["time_ns"])) for one in steps)


def _file_faults(context: Context) -> list[Fault]:
    facts = context.tables.capture
    made = []
    if facts.damage is not None:
        what = f"The file is damaged or cut short after frame {facts.damage.frame:,}: {facts.damage.reason}"
        made.append(
            _whole("truncated_file", what, "everything after that frame: it was not analysed", Severity.HIGH, "frame")
        )
    if facts.cut_frames:
        share = facts.cut_frames / max(1, facts.frames)
        length = f" (snap length {facts.snap_length:,} bytes)" if facts.snap_length else ""
        frames = count(facts.cut_frames, "frame was", "frames were")
        what = f"{frames} captured shorter than sent ({percent(share)} of all){length}"
        voids = "what the missing bytes held: names, status codes, handshakes; times and sizes are whole"
        made.append(_whole("cut_frames", what, voids, Severity.LOW, "frame"))
    if facts.interface_drops:
        severity = Severity.MEDIUM if facts.interface_drops > FEW * facts.frames else Severity.LOW
        what = f"The capturing machine dropped {count(facts.interface_drops, 'frame')}"
        voids = "losses near these moments: a frame may be missing here and have reached its receiver"
        made.append(_whole("missing_frames", what, voids, severity, "frame"))
    for limit, times in sorted(facts.overflows.items()):
        what = f"A limit was reached {count(times, 'time')}: {limit}"
        since = f" from frame {facts.exact_until_frame:,} on" if facts.exact_until_frame else ""
        made.append(_whole("limit_reached", what, f"exact counts{since}", Severity.LOW, "frame"))
    return made


def _frame_faults(context: Context) -> list[Fault]:
    facts = context.tables.capture
    made = []
    if facts.clock_steps:
        what = f"The clock of the capture went backwards {count(facts.clock_steps, 'time')}"
        voids = "durations across these moments: a backward step counts as no time"
        steps, where = _clock_steps(context), "Stamped before its predecessor"
        made.append(Fault("clock_step", what, voids, Severity.MEDIUM, NO_FLOWS, steps, "frame", where))
    if facts.duplicate_frames:
        share = facts.duplicate_frames / max(1, facts.frames)
        what = f"{count(facts.duplicate_frames, 'frame was', 'frames were')} captured twice ({percent(share)} of all)"
        voids = "nothing, because the copies were taken out before anything was measured"
        severity = Severity.LOW if share > 0.1 else Severity.INFO
        rows, frames = _by_events(context, EventKind.DUPLICATE_FRAME)
        shown = None if len(rows) else "frame"
        made.append(Fault("duplicate_frames", what, voids, severity, rows, frames, shown, "The same frame again"))
    undecoded = sum(facts.undecoded.values())
    if undecoded > 0.5 * max(1, facts.frames):
        kinds = ", ".join(
            f"{kind} ({number:,})" for kind, number in sorted(facts.undecoded.items(), key=lambda one: -one[1])[:3]
        )
        what = f"{undecoded:,} of {facts.frames:,} frames are of kinds that are not understood: {kinds}"
        made.append(_whole("undecoded", what, "whatever those frames carried", Severity.MEDIUM, "frame"))
    return made


def _flow_faults(context: Context) -> list[Fault]:
    flows, paths = context.flows, context.account.paths
    tcp = is_tcp(flows)
    payload = flows["payload_bytes"].sum(axis=1).astype(np.int64)
    made = []
    half = np.flatnonzero(paths.one_sided & (payload > 0))
    if len(half):
        share = int(payload[half].sum()) / max(1, int(payload[tcp].sum()))
        what = (
            f"Only one direction was captured of {count(len(half), 'TCP connection')} ({percent(share)} of the bytes)"
        )
        voids = "response times, round trips and losses of those connections: they are shown as unknown"
        severity = Severity.HIGH if share > 0.5 else Severity.MEDIUM
        made.append(_of_flows(context, "one_sided", (what, voids), severity, half[np.argsort(-payload[half])]))
    unseen = flows["acked_unseen_bytes"].sum(axis=1).astype(np.int64)
    if unseen.any():
        share = int(unseen.sum()) / max(1, int(payload[tcp].sum() + unseen.sum()))
        rows, frames = _by_events(context, EventKind.ACKED_UNSEEN)
        what = f"{int(unseen.sum()):,} bytes ({percent(share)}) were acknowledged but never captured"
        voids = "waiting around these moments: it is shown as unknown, not as loss"
        severity = Severity.MEDIUM if share > FEW else Severity.LOW
        shown, where = None if len(rows) else "frame", "Here bytes turn out to be missing"
        made.append(Fault("missing_frames", what, voids, severity, rows, frames, shown, where))
    middle = np.flatnonzero(tcp & flows["mid_stream"] & (payload > 0))
    if len(middle):
        what = f"{count(len(middle), 'TCP connection was', 'TCP connections were')} already open when the capture began"
        voids = "their set-up, and their window sizes, whose scale is told at the start only"
        made.append(
            _of_flows(context, "mid_stream", (what, voids), Severity.INFO, middle[np.argsort(-payload[middle])])
        )
    return made


def _of_flows(context: Context, kind: str, words: tuple[str, str], severity: Severity, rows: Ints) -> Fault:
    first = context.flows[rows[:3]]
    frames = tuple((int(one["first_frame"]), int(one["first_ns"])) for one in first)
    return Fault(kind, *words, severity, rows, frames, None, "First frame of the connection in this capture")


def _by_events(context: Context, kind: EventKind) -> tuple[Ints, tuple[tuple[int, int], ...]]:
    """(flows with events of a kind, the flow with most of them first; the first such frames of that flow)."""
    chosen = context.events["kind"] == kind
    rows, counts = np.unique(context.event_row[chosen], return_counts=True)
    rows = rows[np.argsort(-counts, kind="stable")]
    shown = context.events[chosen & (context.event_row == rows[0])][:3] if len(rows) else context.events[:0]
    return rows, tuple((int(one["frame"]), int(one["time_ns"])) for one in shown)
