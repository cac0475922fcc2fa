"""The column contract: names, dtypes and units of every table that the kernel fills.

Rows are facts, never judgements. Conventions, for every column:

* Times `*_ns` are integer nanoseconds since the epoch, durations too; -1 means "never happened" or "not measured".
* Frames `*_frame` are Wireshark's frame numbers, 1-based over every record of the file; 0 means "none".
* Arrays of length two are indexed by direction: `C2S` (0) = sent by the client, `S2C` (1) = sent by the server.
* `leg` of a side is the round trip capture point -> that side -> capture point (RFC 6298 style sample, Karn's rule).
* Text is bytes of the wire, cut at the column's width, not decoded and not trusted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
import numpy.typing as npt

C2S, S2C = 0, 1
CHUNK_ROWS = 65_536


class Role(IntEnum):
    """How sure the kernel is which side is the client."""

    GUESSED = 0
    LIKELY = 1
    CERTAIN = 2


class App(IntEnum):
    """Application protocol, by its first bytes, else by a registered port (`flows.app_certain` tells which)."""

    UNKNOWN = 0
    HTTP = 1
    TLS = 2
    DNS = 3
    SSH = 4
    SMTP = 5
    FTP = 6
    IMAP = 7
    POP3 = 8
    SMB = 9
    POSTGRESQL = 10
    MYSQL = 11
    REDIS = 12
    LDAP = 13
    RDP = 14
    MDNS = 15
    LLMNR = 16
    QUIC = 17
    NTP = 18
    DHCP = 19
    SIP = 20
    RTP = 21
    MONGODB = 22
    TDS = 23
    HTTP2 = 24
    VNC = 25


class PacketKind(IntEnum):
    """What the payload packet that ends a pause brought: `pauses.next_kind`."""

    NEW = 0  # bytes above everything seen in this direction
    FILL = 1  # bytes never seen, below the highest seen: closes a gap at the capture point
    COPY = 2  # bytes seen before and not yet acknowledged: a retransmission
    SPURIOUS = 3  # bytes that were acknowledged already


class EventKind(IntEnum):
    """One row of `events` a thing that happened; `value` and `other_frame` mean what the comment says."""

    RETRANSMISSION = 1  # payload sent again, needed; value: ns since the copy before; other_frame: that copy
    SPURIOUS_RETRANSMISSION = 2  # payload sent again although acknowledged; value, other_frame as above
    OUT_OF_ORDER = 3  # a gap filled too soon for a loss; value: ns after the gap opened; other_frame: its opener
    GAP = 4  # payload above a hole at the capture point; value: missing bytes
    GAP_FILLED = 5  # the hole closed late enough to be a loss before the capture point; value: ns it stood open
    DUPLICATE_ACK = 6  # third duplicate in a row; value: acknowledgement number, relative
    ACKED_UNSEEN = 7  # bytes acknowledged that were never captured; value: bytes; direction: of those bytes
    ZERO_WINDOW = 8  # begins: this sender's receive window is 0; value: ns until it opened again (-1: never)
    WINDOW_PROBE = 9  # the peer probed a closed window
    KEEP_ALIVE = 10
    RESET = 11  # value: payload bytes of the response still missing where framing tells, else -1
    SYN_RETRANSMISSION = 12  # value: ns since the SYN before; other_frame: that SYN
    SYNACK_RETRANSMISSION = 13  # value: ns since the SYN-ACK before
    ICMP_UNREACHABLE = 14  # quotes this flow; value: type << 8 | code; other_frame: the quoted packet's, 0 unknown
    ICMP_TIME_EXCEEDED = 15  # as above
    FRAGMENTATION_NEEDED = 16  # value: next-hop MTU
    DUPLICATE_FRAME = 17  # same packet captured twice; other_frame: the first
    CLOCK_STEP = 18  # a frame stamped before its predecessor; value: ns backwards (flow = NO_FLOW)
    PORT_REUSED = 19  # a new connection on the same addresses and ports
    CLOCK_LEAP = 20  # a frame stamped more than a day after all before it; value: ns forward (flow = NO_FLOW)


NO_FLOW = 0xFFFF_FFFF_FFFF_FFFF

#: One row a TCP connection or UDP conversation, in order of creation; `flow` is the row's key everywhere else.
FLOWS = np.dtype(
    [
        ("flow", "<u8"),
        ("protocol", "u1"),  # IANA: 6 TCP, 17 UDP
        ("ip_version", "u1"),
        ("stream", "<u4"),  # Wireshark's tcp.stream or udp.stream
        ("client_ip", "u1", (16,)),  # network order; IPv4 in the first four bytes
        ("server_ip", "u1", (16,)),
        ("client_port", "<u2"),
        ("server_port", "<u2"),
        ("role", "u1"),  # Role
        ("app", "u1"),  # App
        ("app_certain", "?"),
        ("server_name", "S96"),  # TLS SNI or HTTP Host
        ("first_frame", "<u8"),
        ("last_frame", "<u8"),
        ("first_ns", "<i8"),
        ("last_ns", "<i8"),
        ("frames", "<u8", (2,)),
        ("wire_bytes", "<u8", (2,)),  # original lengths of the frames
        ("payload_bytes", "<u8", (2,)),  # transport payload, copies included
        ("payload_frames", "<u8", (2,)),
        ("ttl_max", "u1", (2,)),  # TTL or hop limit of that sender
        # --- TCP only; zeros or -1 for UDP
        ("syn_count", "<u4"),  # SYN without ACK, until the connection was up
        ("synack_count", "<u4"),  # until the connection was up; synack_last_ns goes on
        ("syn_frame", "<u8"),
        ("synack_frame", "<u8"),
        ("established_frame", "<u8"),
        ("syn_ns", "<i8"),  # first SYN
        ("syn_last_ns", "<i8"),
        ("synack_ns", "<i8"),
        ("synack_last_ns", "<i8"),
        ("established_ns", "<i8"),  # first ACK of the client after the SYN-ACK
        ("tls_start_ns", "<i8"),  # first byte of the ClientHello
        ("tls_server_hello_ns", "<i8"),
        ("tls_end_ns", "<i8"),  # last Finished
        ("tls_alert_ns", "<i8"),  # fatal or handshake alert, either side
        ("tls_version", "<u2"),  # negotiated: 0x0301 ... 0x0304; 0 unknown
        ("tls_start_frame", "<u8"),
        ("tls_end_frame", "<u8"),
        ("mss", "<u2", (2,)),  # as that side announced; 0 unknown
        ("window_scale", "i1", (2,)),  # shift; -1 unknown, -2 not used
        ("window_max", "<u8", (2,)),  # largest window that side announced, scaled where the scale is known
        ("leg_min_ns", "<i8", (2,)),  # [C2S]: leg of the client (Rc), [S2C]: leg of the server (Rs)
        ("leg_samples", "<u4", (2,)),
        ("fin_ns", "<i8", (2,)),  # first FIN of that side
        ("reset_ns", "<i8"),  # first RST
        ("reset_frame", "<u8"),
        ("reset_direction", "i1"),  # -1 none
        ("reset_ttl", "u1"),
        ("resets", "<u4"),
        ("retransmitted_frames", "<u8", (2,)),  # needed ones
        ("retransmitted_bytes", "<u8", (2,)),
        ("spurious_frames", "<u8", (2,)),
        ("out_of_order_frames", "<u8", (2,)),
        ("duplicate_acks", "<u8", (2,)),
        ("gaps", "<u8", (2,)),  # holes seen at the capture point that were losses before it
        ("acked_unseen_bytes", "<u8", (2,)),  # of that sender: acknowledged, never captured
        ("zero_windows", "<u4", (2,)),  # episodes in which that side announced 0
        ("zero_window_ns", "<i8", (2,)),
        ("keep_alives", "<u4"),
        ("duplicate_frames", "<u8"),
        ("exchanges", "<u4"),
        ("mid_stream", "?"),  # no SYN and no SYN-ACK seen
        ("evicted", "?"),  # left the table over the live-flow cap; later packets are another row
    ]
)

#: One row a request and its response (TRANSUM's generic turn), in order of the first request byte within a flow.
EXCHANGES = np.dtype(
    [
        ("flow", "<u8"),
        ("index", "<u4"),  # 0, 1, ... within the flow
        ("request_first_ns", "<i8"),  # -1: server speaks first, or the request was not captured
        ("request_last_ns", "<i8"),
        ("response_first_ns", "<i8"),  # -1: no response
        ("response_last_ns", "<i8"),
        ("next_request_ns", "<i8"),  # -1: last exchange of the flow
        ("request_first_frame", "<u8"),
        ("request_last_frame", "<u8"),
        ("response_first_frame", "<u8"),
        ("response_last_frame", "<u8"),
        ("request_ack_ns", "<i8"),  # the pure ACK that first covers the last request byte, before the response; -1 none
        ("request_ack_frame", "<u8"),
        ("request_copies", "<u4"),  # times the last request segment was sent again before it was acknowledged
        ("request_last_copy_ns", "<i8"),  # latest of those copies; -1 none
        ("leg_server_ns", "<i8"),  # smallest leg of the server known on this flow by then; -1 unknown
        ("leg_client_ns", "<i8"),
        ("request_bytes", "<u8"),
        ("response_bytes", "<u8"),
        ("request_frames", "<u8"),
        ("response_frames", "<u8"),
        ("status", "<u2"),  # HTTP status code; 0 unknown
        ("expected_bytes", "<i8"),  # response length where framing tells; -1 unknown
        ("complete", "?"),  # framing says complete, or unframed and followed by another request or a FIN
        ("label", "S96"),  # HTTP request line, else empty
    ]
)

#: One row a silence of at least 1 ms between two payload packets of one sender inside one run of an exchange.
PAUSES = np.dtype(
    [
        ("flow", "<u8"),
        ("exchange", "<u4"),
        ("direction", "u1"),  # who was silent: C2S or S2C
        ("start_ns", "<i8"),
        ("end_ns", "<i8"),
        ("start_frame", "<u8"),
        ("end_frame", "<u8"),
        ("next_kind", "u1"),  # PacketKind of the packet at the end
        ("next_bytes", "<u4"),
        ("last_bytes", "<u4"),
        ("last_push", "?"),  # the packet at the start had PSH
        # What the sender knew just before the release (spec: state), at the end where there was none.
        ("release_ns", "<i8"),  # when the ACK that moved ack, SACK or right edge and let it go on passed; -1 none
        ("release_frame", "<u8"),
        ("in_flight_bytes", "<i8"),  # sent and not acknowledged; -1 unknown
        ("window_room_bytes", "<i8"),  # right edge minus highest byte sent, may be negative
        ("window_bytes", "<u8"),  # last window announced by the receiver, scaled where known
        ("window_known", "?"),  # its scale is known, or it is 0
        ("hole_open", "?"),  # a loss stood open inside the pause: at C, or signalled by three dup ACKs or SACK
        ("hole_sign_ns", "<i8"),  # first sign of it; -1 none
        ("after_loss", "?"),  # the flight is still below 0.9 of the largest before the last loss
        ("flight_before_loss_bytes", "<u8"),  # that largest flight; 0 where after_loss does not hold
        ("queue", "?"),  # both legs together exceed their minima by max(R/2, 1 ms)
        ("leg_sender_ns", "<i8"),
        ("leg_receiver_ns", "<i8"),
    ]
)

#: One row an event; ordered by frame.
EVENTS = np.dtype(
    [
        ("flow", "<u8"),
        ("kind", "u1"),  # EventKind
        ("direction", "u1"),  # of the packet that shows it
        ("frame", "<u8"),
        ("time_ns", "<i8"),
        ("value", "<i8"),
        ("other_frame", "<u8"),
    ]
)

#: One row a DNS lookup: first query to the matching answer; tries of one lookup are counted in its row.
DNS = np.dtype(
    [
        ("client_ip", "u1", (16,)),
        ("server_ip", "u1", (16,)),
        ("ip_version", "u1"),
        ("server_port", "<u2"),
        ("app", "u1"),  # App.DNS, MDNS or LLMNR
        ("stream", "<u4"),  # udp.stream of the first query
        ("id", "<u2"),
        ("query_type", "<u2"),
        ("rcode", "i1"),  # -1: no answer
        ("truncated", "?"),
        ("icmp", "?"),  # an ICMP error answered it
        ("tries", "<u4"),
        ("server_tries", "<u4"),  # of them to `server_ip`, which was asked first
        ("servers", "u1"),  # different ones that were asked, of the last eight tries
        ("query_frame", "<u8"),
        ("last_query_frame", "<u8"),
        ("answer_frame", "<u8"),
        ("query_ns", "<i8"),
        ("last_query_ns", "<i8"),
        ("answer_ns", "<i8"),  # -1: none
        ("answers", "<u2"),
        ("address_count", "u1"),  # addresses kept below
        ("address_version", "u1", (8,)),
        ("addresses", "u1", (8, 16)),
        ("name", "S128"),  # presentation form, lower case
    ]
)

#: One row a second of the capture in which anything was seen, from its first frame on.
SERIES = np.dtype(
    [
        ("time_ns", "<i8"),  # start of the second, multiple of 1 s after the first frame
        ("frames", "<u8"),
        ("wire_bytes", "<u8"),
        ("payload_bytes", "<u8", (2,)),
        ("retransmissions", "<u4"),  # resent behind the capture point, gaps at it that were losses, SYNs again
        ("connections", "<u4"),  # connections established
        ("resets", "<u4"),
        ("exchanges", "<u4"),  # responses that began
        ("response_max_ns", "<i8"),  # last request byte to first response byte; -1 none
        ("response_sum_ns", "<i8"),
        ("leg_samples", "<u4"),
        ("leg_min_ns", "<i8"),  # -1 none
        ("leg_max_ns", "<i8"),
        ("leg_sum_ns", "<i8"),
    ]
)

TABLES: dict[str, np.dtype[np.void]] = {
    "flows": FLOWS,
    "exchanges": EXCHANGES,
    "pauses": PAUSES,
    "events": EVENTS,
    "dns": DNS,
    "series": SERIES,
}


class Table:
    """A sequence of chunks, each a structured array of at most `CHUNK_ROWS` rows of one dtype."""

    def __init__(
        self, dtype: np.dtype[np.void], chunks: Sequence[npt.NDArray[np.void]] = (), row_count: int | None = None
    ) -> None:
        """`row_count` spares chunks on disk from being read for their lengths."""
        self.dtype = dtype
        self._chunks = chunks
        self._row_count = row_count

    def __iter__(self) -> Iterator[npt.NDArray[np.void]]:
        return iter(self._chunks)

    def __len__(self) -> int:
        return sum(len(chunk) for chunk in self._chunks) if self._row_count is None else self._row_count

    def rows(self) -> npt.NDArray[np.void]:
        """All rows in one array: for small tables and for tests."""
        return np.concatenate(self._chunks) if self._chunks else np.empty(0, self.dtype)


@dataclass(frozen=True)
class Damage:
    """Where a file stops being readable, and why, in a sentence."""

    reason: str
    frame: int  # the last whole frame before the damage
    offset: int  # byte offset in the (decompressed) stream


@dataclass(frozen=True)
class CaptureFacts:
    """What the reader and the kernel know about the file as a whole."""

    format: str  # "pcap", "pcapng"
    compression: str | None  # "gzip"
    byte_order: str  # "little" or "big"
    link_types: tuple[str, ...]  # LINKTYPE names, in order of first use
    snap_length: int | None
    file_bytes: int  # read from disk
    stream_bytes: int  # after decompression
    frames: int
    wire_bytes: int
    first_ns: int | None
    last_ns: int | None
    cut_frames: int  # captured shorter than they were
    interface_drops: int | None  # None: the file does not say
    clock_steps: int
    duplicate_frames: int
    tcp_frames: int
    udp_frames: int
    undecoded: dict[str, int] = field(default_factory=dict)  # kind -> frames, "unknown link type 147", "short IPv4"
    overflows: dict[str, int] = field(default_factory=dict)  # limit -> times it was hit
    exact_until_frame: int | None = None  # first frame from which an overflow makes counts approximate
    damage: Damage | None = None


@dataclass(frozen=True)
class Tables:
    """Everything that the engine states about a capture: the only input of the analysis."""

    capture: CaptureFacts
    flows: Table
    exchanges: Table
    pauses: Table
    events: Table
    dns: Table
    series: Table
