"""What is wrong with the capture itself, and what each fault voids: capture quality comes before any verdict."""

from dataclasses import dataclass

import numpy as np

from pcap_analyzer.analysis.columns import Ints, Rows, gather
from pcap_analyzer.analysis.context import Context
from pcap_analyzer.analysis.model import QualityNote, Severity
from pcap_analyzer.analysis.paths import MS, S
from pcap_analyzer.analysis.quantities import count, duration, percent
from pcap_analyzer.analysis.waiting import is_tcp
from pcap_analyzer.capture.tables import CaptureFacts, EventKind

COUNTS = "exact counts and times"
#: By the name that the engine gives to a limit: what it bounds, and what is not whole where it was hit.
LIMITS = {
    "live flows": ("connections followed at the same time; the longest idle were closed early", COUNTS),
    "unacknowledged segments": ("data of one direction that waits for its acknowledgement", COUNTS),
    "open gaps": ("stretches of one direction that were not captured", COUNTS),
    "remembered acknowledgements": ("acknowledgements of one direction that are kept", COUNTS),
    "bytes ahead of a gap": (
        "to read a name or a status the bytes before it are needed, which this capture misses; later bytes are kept "
        "only so long",
        "server names, request lines and status codes of those connections only; all counts and times are whole",
    ),
    "datagrams under reassembly": ("packets sent in fragments that wait for their rest", COUNTS),
    "open DNS lookups": ("look-ups that wait for their answer", COUNTS),
    "host pairs": ("pairs of hosts whose round trips are kept", COUNTS),
    "undecided resends": ("resent packets of one direction that may prove needless", COUNTS),
    "memory of live flows": ("memory of connections followed; the longest idle were closed early", COUNTS),
}
LASTING_STEP_NS = 60 * S  # a backward step beyond this stops the time of a whole conversation
SLIGHT_STEP_NS = MS  # a backward step under this changes no figure that is shown
FILTERED_FRAMES = 50  # so many TCP frames, each with payload: some filter left the others out

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
    advice: str | None = None  # None: that of the kind

    @property
    def note(self) -> QualityNote:
        return QualityNote(self.what, self.voids, self.severity)


def faults(context: Context) -> tuple[Fault, ...]:
    """Every fault found, the worst first."""
    made = [*_file_faults(context), *_clock_faults(context), *_frame_faults(context), *_flow_faults(context)]
    return tuple(sorted(made, key=lambda fault: -fault.severity.rank))


def _whole(kind: str, what: str, voids: str, severity: Severity, display_filter: str) -> Fault:
    return Fault(kind, what, voids, severity, NO_FLOWS, (), display_filter)


def _events_of(context: Context, kind: EventKind) -> tuple[tuple[int, int, int], ...]:
    """Frame, time in ns and value of all events of a kind that belongs to no flow."""
    events = gather(context.tables.events, ("kind", "frame", "time_ns", "value"))
    chosen = events[events["kind"] == kind]
    return tuple((int(one["frame"]), int(one["time_ns"]), int(one["value"])) for one in chosen)


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
    return made + [limit_fault(facts, limit, times) for limit, times in sorted(facts.overflows.items())]


def limit_fault(facts: CaptureFacts, limit: str, times: int) -> Fault:
    """A limit that was hit: which, what it is there for, what is not whole because of it, and what to do."""
    meaning, voided = LIMITS[limit]
    what = f"A limit of the analysis was reached {count(times, 'time')}: {limit} ({meaning})"
    exact = voided == COUNTS
    since = f" from frame {facts.exact_until_frame:,} on" if exact and facts.exact_until_frame else ""
    advice = None if exact else "Nothing to do; where these names matter, capture again without a filter."
    return Fault("limit_reached", what, f"{voided}{since}", Severity.LOW, NO_FLOWS, (), "frame", advice=advice)


def _clock_faults(context: Context) -> list[Fault]:
    facts = context.tables.capture
    made = []
    if facts.clock_steps:
        steps, where = _events_of(context, EventKind.CLOCK_STEP), "Stamped before its predecessor"
        largest = max((value for _, _, value in steps), default=0)
        slight = largest < SLIGHT_STEP_NS
        much = "by less than 1 ms" if slight else f"by {duration(largest / 1e9)} at most"
        what = f"The clock of the capture went backwards {count(facts.clock_steps, 'time')}, {much}"
        voids = "durations across these moments: a backward step counts as no time"
        if largest >= LASTING_STEP_NS:
            voids = "durations from there on, until the stamps have caught up: meanwhile time stands still"
        shown, severity = tuple(one[:2] for one in steps[:3]), Severity.LOW if slight else Severity.MEDIUM
        made.append(Fault("clock_step", what, voids, severity, NO_FLOWS, shown, "frame", where))
    leaps = _events_of(context, EventKind.CLOCK_LEAP)
    if leaps:
        most = duration(max(value for _, _, value in leaps) / 1e9)
        what = (
            f"The clock of the capture leaps forward {count(len(leaps), 'time')}, by {most} at most: the clock was "
            "wrong, or files were merged"
        )
        voids, shown = "the time across these moments: it is nobody's waiting", tuple(one[:2] for one in leaps[:3])
        where = "Stamped more than a day after the frame before"
        made.append(Fault("clock_leap", what, voids, Severity.MEDIUM, NO_FLOWS, shown, "frame", where))
    return made


def _frame_faults(context: Context) -> list[Fault]:
    facts = context.tables.capture
    made = []
    if facts.duplicate_frames:
        share = facts.duplicate_frames / max(1, facts.frames)
        copies = count(facts.duplicate_frames, "frame was", "frames were")
        what = f"{copies} captured more than once ({percent(share)} of all)"
        voids = "nothing, because the copies were taken out before anything was measured"
        severity = Severity.LOW if share > 0.1 else Severity.INFO
        rows, frames = _by_events(context, EventKind.DUPLICATE_FRAME)
        by = None if len(rows) else "frame"
        made.append(Fault("duplicate_frames", what, voids, severity, rows, frames, by, "The same frame again"))
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
    if looks_filtered(flows):
        what = (
            f"The file looks filtered: each of its {int(flows['frames'][tcp].sum()):,} TCP frames carries data, those "
            "without (SYN, bare acknowledgement, close) are missing"
        )
        voids = "whatever the filter left out: set-ups and closes of connections, round trips, and why anybody waited"
        made.append(_whole("filtered", what, voids, Severity.MEDIUM, "tcp"))
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
        what = (
            f"No SYN of {count(len(middle), 'TCP connection')} is in the file: they were open before the capture "
            "began, or the file was filtered"
        )
        voids = "their set-up, and their window sizes, whose scale is told at the start only"
        made.append(
            _of_flows(context, "mid_stream", (what, voids), Severity.INFO, middle[np.argsort(-payload[middle])])
        )
    return made


def looks_filtered(flows: Rows) -> bool:
    """Whether a display or capture filter left out all TCP frames without payload."""
    tcp = is_tcp(flows)
    frames = int(flows["frames"][tcp].sum())
    return frames >= FILTERED_FRAMES and frames == int(flows["payload_frames"][tcp].sum())


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
