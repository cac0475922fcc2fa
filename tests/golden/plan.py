"""What a conversation is made of: hosts, what they say and when, the path between them, and what goes wrong on it.

Times are integer nanoseconds; directions are the sender's index: `CLIENT` (0) or `SERVER` (1). Byte offsets count the
stream of one sender from 0; the SYN is at -1, the FIN one past the last byte.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

CLIENT, SERVER = 0, 1
US, MS, S = 1_000, 1_000_000, 1_000_000_000


class OnSyn(Enum):
    """What a server does with a connection request."""

    ACCEPT = "accept"
    REFUSE = "refuse"  # RST, no such port
    IGNORE = "ignore"  # a filter that drops silently


@dataclass(frozen=True)
class Reading:
    """How an application empties its receive buffer: at once, but from `stop_after_bytes` on not for `stop_ns`.

    With `every_ns` it reads at most `chunk_bytes` each time and waits so long in between.
    """

    stop_after_bytes: int | None = None
    stop_ns: int = 0
    chunk_bytes: int = 0
    every_ns: int = 0


@dataclass(frozen=True)
class Host:
    """One end with the settings of its TCP; the defaults are those of Linux."""

    address: str
    port: int
    ttl: int = 64  # as it arrives at the capture point
    mss: int = 1460
    window_scale: int | None = 7
    sack: bool = True
    timestamps: bool = True
    receive_buffer_bytes: int = 45 * 1448
    initial_window_segments: int = 10
    minimum_rto_ns: int = 200 * MS
    delayed_ack_ns: int = 40 * MS
    quick_acks: int = 4  # the first so many payload segments are acknowledged at once
    syn_retries: int = 6
    on_syn: OnSyn = OnSyn.ACCEPT
    accept_after_ns: int = 0  # how long the SYN-ACK takes
    reading: Reading = field(default_factory=Reading)
    probe_bytes: int = 0  # Linux probes a closed window with an old empty segment, Windows with one new byte
    keep_alive_ns: int | None = None
    rate_bps: int = 1_000_000_000


@dataclass(frozen=True)
class Message:
    """Bytes that one side sends once it has read everything that was said to it before, `think_ns` later.

    `stalls` are (offset, ns): the application stops so long before it writes the byte at that offset.
    """

    sender: int
    data: bytes
    think_ns: int = 0
    stalls: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Close:
    """One side closes once it has read everything; with `reset` by RST instead of FIN."""

    sender: int
    think_ns: int = 0
    reset: bool = False


Step = Message | Close


@dataclass(frozen=True)
class NetworkPath:
    """One-way delays between the ends and the capture point, and the processing jitter of both hosts."""

    client_ns: int
    server_ns: int
    jitter_ns: int = 15 * US

    def round_trip_ns(self) -> int:
        return 2 * (self.client_ns + self.server_ns)


@dataclass(frozen=True)
class Fault:
    """What happens to the packet that carries a byte: it is lost before or after the capture point, or late there.

    `copies` counts the packets that carry the byte: 0 is the original.
    """

    sender: int
    byte: int
    copies: tuple[int, ...] = (0,)
    lost_before_capture: bool = False
    lost_after_capture: bool = False
    late_ns: int = 0


@dataclass(frozen=True)
class Unreachable:
    """A router behind the capture point answers every packet of the client with an ICMP error (RFC 792)."""

    router: str
    code: int = 1  # host unreachable
    quoted_bytes: int = 548  # as much as fits into 576 bytes (RFC 1812, 4.3.2.3); 28 is the least (RFC 792)
    after_ns: int = 300 * US


@dataclass(frozen=True)
class Conversation:
    """One TCP connection from its first SYN on."""

    client: Host
    server: Host
    path: NetworkPath
    steps: tuple[Step, ...] = ()
    start_ns: int = 0
    faults: tuple[Fault, ...] = ()
    unreachable: Unreachable | None = None
    seed: int = 1
    lasts_ns: int = 600 * S  # nothing is simulated later than so long after the start
