"""What an analysis says: frozen dataclasses from a single finding up to the whole report.

Everything that people read is a rendering of `Report`; `report.json` is its fields, one to one. Nanoseconds become
seconds here (floats, six decimals); `None` means "not measured" and is never shown as zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

SCHEMA_VERSION = 1
RULES_VERSION = "2026.11"  # of the diagnosis; changes whenever the same capture may be judged differently


class Severity(StrEnum):
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for info up to 3 for high."""
        return ("info", "low", "medium", "high").index(self.value)


class Confidence(StrEnum):
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Category(StrEnum):
    """Where a nanosecond of an exchange or a flow went. The last two are not waiting."""

    DNS_LOOKUP = "dns_lookup"
    TCP_CONNECT = "tcp_connect"
    TLS_HANDSHAKE = "tls_handshake"
    SERVER_THINKING = "server_thinking"
    SERVER_STALL = "server_stall"
    REQUEST_TRANSFER = "request_transfer"
    RESPONSE_TRANSFER = "response_transfer"
    LOSS_RECOVERY = "loss_recovery"
    RECEIVER_NOT_READING = "receiver_not_reading"
    WINDOW_LIMITED = "window_limited"
    ACK_DELAY = "ack_delay"
    PATH_DELAY = "path_delay"
    UNKNOWN = "unknown"
    CLIENT_THINKING = "client_thinking"
    IDLE = "idle"

    @property
    def is_waiting(self) -> bool:
        return self not in (Category.CLIENT_THINKING, Category.IDLE)


class Cause(StrEnum):
    """The closed list of causes that a verdict can name."""

    NONE = "none"
    INSUFFICIENT_DATA = "insufficient_data"
    SERVER_THINKING = "server_thinking"
    SERVER_STALL = "server_stall"
    SERVER_NOT_ACCEPTING = "server_not_accepting"
    NO_RESPONSE = "no_response"
    RECEIVER_NOT_READING = "receiver_not_reading"
    WINDOW_LIMITED = "window_limited"
    NETWORK_LOSS = "network_loss"
    NETWORK_DELAY = "network_delay"
    CHATTY_APPLICATION = "chatty_application"
    REORDERING = "reordering"
    BANDWIDTH_LIMIT = "bandwidth_limit"
    BUFFERBLOAT = "bufferbloat"
    BLACKOUT = "blackout"
    CONNECT_REFUSED = "connect_refused"
    CONNECT_FILTERED = "connect_filtered"
    UNREACHABLE = "unreachable"
    SYN_LOSS = "syn_loss"
    RESET = "reset"
    IDLE_TIMEOUT = "idle_timeout"
    DNS_SLOW = "dns_slow"
    DNS_FAILURE = "dns_failure"
    TLS_SLOW = "tls_slow"
    TLS_FAILURE = "tls_failure"
    MTU_BLACK_HOLE = "mtu_black_hole"
    DELAYED_ACK = "delayed_ack"
    APP_ERRORS = "app_errors"
    MEDIA_QUALITY = "media_quality"
    CAPTURE_INCOMPLETE = "capture_incomplete"
    ONE_SIDED_CAPTURE = "one_sided_capture"
    CAPTURE_DUPLICATES = "capture_duplicates"
    TRUNCATED_FILE = "truncated_file"
    PORT_SCAN = "port_scan"
    FLOOD = "flood"


class Party(StrEnum):
    CLIENT = "client"
    SERVER = "server"
    NETWORK_CLIENT_SIDE = "network_client_side"
    NETWORK_SERVER_SIDE = "network_server_side"
    NETWORK = "network"
    RESOLVER = "resolver"
    CAPTURE = "capture"
    NOBODY = "nobody"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class FindingKind:
    """A sort of finding that a detector can report."""

    id: str  # "slow_server": unique over all detectors
    title: str  # "Slow server": what the kind is called in lists and docs
    category: Category | None  # the waiting it explains: gives the colour; None for facts without waiting
    advice: str  # the general next step, naming whom to ask


@dataclass(frozen=True)
class Evidence:
    """A frame that proves a finding."""

    frame: int
    time_s: float  # seconds since the epoch
    what: str  # "Request, 1,204 B, client to server"
    after_s: float | None = None  # since the evidence before it
    stream: int | None = None
    protocol: str | None = None  # "tcp", "udp": what `stream` counts


@dataclass(frozen=True)
class Number:
    """A measured value of a finding, with its unit in words."""

    name: str  # "median think time"
    value: float
    unit: str  # "s", "ms", "bytes", "%", "" for counts


@dataclass(frozen=True)
class FlowRef:
    """Names a flow to people and to Wireshark."""

    protocol: str  # "tcp", "udp"
    stream: int
    client: str  # "10.8.3.52:51834"
    server: str  # "shop-api.corp.example:8443", or the address where no name is known


@dataclass(frozen=True)
class Finding:
    """Something that happened, what it cost, and the proof."""

    kind: str  # FindingKind.id
    category: Category | None
    severity: Severity
    confidence: Confidence
    title: str  # one sentence with the subject and its number
    explanation: tuple[str, ...]  # paragraphs: how it was measured, when it began and ended, what it excludes
    seconds: float | None  # of waiting that it caused; None where it causes none or it was not measured
    flow_count: int
    flows: tuple[FlowRef, ...]  # the worst first, at most 20
    evidence: tuple[Evidence, ...]  # at least one
    display_filter: str  # Wireshark: all of it; names no frame number
    example_filter: str | None  # Wireshark: the example in `evidence`
    next_step: str  # names whom to ask and what for
    numbers: tuple[Number, ...] = ()


@dataclass(frozen=True)
class NotComputed:
    """A detector that failed or lacked its input: shown as such, never as zeros."""

    detector: str
    reason: str


@dataclass(frozen=True)
class WaitShare:
    """Seconds of one category: best value and bounds, low <= seconds <= high."""

    category: Category
    seconds: float  # wall clock: at least one flow waited so
    low: float
    high: float
    connection_seconds: float  # summed over flows


@dataclass(frozen=True)
class WaitingAccount:
    """Where the time of the capture went."""

    shares: tuple[WaitShare, ...]  # every category that occurs, largest first, those that are not waiting last
    wall_seconds: float  # at least one exchange, set-up or look-up waited
    connection_seconds: float
    exchanges: int
    connections: int
    lookups: int


@dataclass(frozen=True)
class RuledOut:
    """What it is not, with the number that shows it."""

    what: str  # "Not the network path", "Not DNS", "Not bandwidth"
    why: str


@dataclass(frozen=True)
class Verdict:
    """The answer in one sentence."""

    cause: Cause
    party: Party
    scope: str  # "server 10.20.4.17:8443", "all"
    confidence: Confidence
    severity: Severity
    headline: str  # "The server is slow"
    sentence: str  # with the name and the number
    detail: str  # one or two more sentences: what else was seen and what it excludes
    next_step: str
    ruled_out: tuple[RuledOut, ...] = ()
    share: float | None = None  # of all waiting, 0 to 1, where the cause is a category of waiting


@dataclass(frozen=True)
class QualityNote:
    """Something about the capture itself, and what it voids."""

    what: str
    voids: str
    severity: Severity


@dataclass(frozen=True)
class CaptureSummary:
    """The file as it was found."""

    name: str
    bytes: int
    format: str  # "pcapng", "pcap, gzip"
    link_types: tuple[str, ...]
    frames: int
    wire_bytes: int
    start_s: float | None  # seconds since the epoch
    duration_s: float | None
    hosts: int
    tcp_flows: int
    udp_flows: int
    vantage: str | None  # "near the client", "near the server", "in between"; None: cannot be told
    snap_length: int | None
    cut_frames: int
    interface_drops: int | None
    undecoded: dict[str, int] = field(default_factory=dict)
    overflows: dict[str, int] = field(default_factory=dict)
    damage: str | None = None
    exact_until_frame: int | None = None


@dataclass(frozen=True)
class FlowRow:
    """One line of the flows table."""

    protocol: str
    stream: int
    client: str
    server: str
    app: str
    diagnosis: str | None  # FindingKind.id of the finding that cost this flow most; None: no finding names it
    start_s: float  # since the first frame of the capture
    duration_s: float
    bytes_to_client: int
    bytes_to_server: int
    frames: int
    rtt_ms: float | None
    exchanges: int
    response_p95_s: float | None
    retransmitted: float | None  # share of payload frames, 0 to 1; None: no payload
    waiting_s: float | None  # None: not TCP; what UDP waits for is counted look-up by look-up
    waiting: dict[Category, float]  # connection seconds, all categories of this flow
    activity: tuple[int, ...]  # payload bytes in 30 equal parts of the capture, () where not known


@dataclass(frozen=True)
class Series:
    """One value a step for the timelines; None where nothing was measured in a step."""

    start_s: float
    step_s: float
    throughput_to_client_bps: tuple[float, ...]
    throughput_to_server_bps: tuple[float, ...]
    rtt_ms: tuple[float | None, ...]  # mean of the samples
    rtt_max_ms: tuple[float | None, ...]
    response_s: tuple[float | None, ...]  # mean
    response_max_s: tuple[float | None, ...]
    retransmissions: tuple[int, ...]
    connections: tuple[int, ...]


@dataclass(frozen=True)
class Report:
    """The result of an analysis. Bounded: at most 200 flows, 200 findings, 1,200 steps of a series."""

    schema_version: int
    tool_version: str
    rules_version: str
    capture: CaptureSummary
    verdict: Verdict
    waiting: WaitingAccount
    findings: tuple[Finding, ...]  # ranked: waiting caused, then severity
    not_computed: tuple[NotComputed, ...]
    quality: tuple[QualityNote, ...]
    flows: tuple[FlowRow, ...]  # most waiting first
    series: Series | None
    analysis_s: float  # wall clock that the analysis took
