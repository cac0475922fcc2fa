"""Healthy traffic, badly captured."""

from collections.abc import Sequence
from dataclasses import replace

from pcap_analyzer.analysis.model import Cause, Party
from tests.golden.cast import AT_SERVER, BETWEEN, MORNING_NS, pages, talk
from tests.golden.conversation import Seen
from tests.golden.golden import Golden, pcapng, whole
from tests.golden.plan import CLIENT, MS, S
from tests.packets import Frame, Interface, Ipv4, Tcp, ethernet

ROUTER_MAC = bytes.fromhex("0200000000fe")
QUICK = [15 * MS, 18 * MS, 20 * MS]
_HEALTHY = tuple(talk(n, pages(QUICK, body_bytes=3_200), BETWEEN, at_s=2 * n) for n in range(3))
_AT_SERVER = tuple(talk(n, pages(QUICK, body_bytes=3_200), AT_SERVER, at_s=2 * n) for n in range(3))


def _cut_file(seen: Sequence[Seen]) -> bytes:
    return whole(seen)[:-700]


def _short_frames(seen: Sequence[Seen]) -> bytes:
    return pcapng([one.frame() for one in seen], Interface(snaplen=96))


def _dropping(seen: Sequence[Seen]) -> bytes:
    """Every eighth frame that carries a full segment is missing; the interface counted them."""
    full = [one for one in seen if isinstance(one.packet.body, Tcp) and len(one.packet.body.payload) >= 1_400]
    dropped = {one.time_ns for one in full[3::8]}
    kept = [one.frame() for one in seen if one.time_ns not in dropped]
    return pcapng(kept, Interface(drops=len(dropped)))


def _twice(seen: Sequence[Seen]) -> bytes:
    """A mirror port copies every frame on its way in and again on its way out, 4 µs later."""
    return whole(
        sorted(
            (copy for one in seen for copy in (one, replace(one, time_ns=one.time_ns + 4_000))),
            key=lambda one: one.time_ns,
        )
    )


def _twice_across_a_router(seen: Sequence[Seen]) -> bytes:
    """Captured before and behind a router: the second copy has a VLAN tag, other addresses of the link, a lower TTL."""
    frames = []
    for one in seen:
        assert isinstance(one.packet, Ipv4)
        routed = replace(one.packet, ttl=one.packet.ttl - 1)
        copy = Frame(one.time_ns + 25_000, ethernet(routed, source=ROUTER_MAC, vlans=(120,)))
        frames += [one.frame(), copy]
    return pcapng(sorted(frames, key=lambda frame: frame.time_ns))


def _one_side(seen: Sequence[Seen]) -> bytes:
    return whole([one for one in seen if one.sender == CLIENT])


def _from_the_middle(seen: Sequence[Seen]) -> bytes:
    """The capture was started 0.3 s after the first connection, whose handshake and the others' are missing."""
    return whole([one for one in seen if one.time_ns >= MORNING_NS + 300 * MS])


def _clock_set_back(seen: Sequence[Seen]) -> bytes:
    """The clock was set back by 2 s in the pause before the third connection."""
    return whole(
        [replace(one, time_ns=one.time_ns - (2 * S if one.time_ns >= MORNING_NS + 4 * S else 0)) for one in seen]
    )


GOLDENS = (
    Golden(
        "capture_quality",
        "fires-cut-file",
        "The file ends in the middle of a packet block.",
        cause=Cause.TRUNCATED_FILE,
        party=Party.CAPTURE,
        conversations=_HEALTHY,
        finish=_cut_file,
    ),
    Golden(
        "capture_quality",
        "fires-short-frames",
        "Frames were cut at 96 bytes.",
        conversations=_HEALTHY,
        finish=_short_frames,
    ),
    Golden(
        "capture_quality",
        "fires-interface-drops",
        "The interface dropped some full segments and says so; both ends received them.",
        cause=Cause.CAPTURE_INCOMPLETE,
        party=Party.CAPTURE,
        flags=frozenset({"lost_segment", "ack_lost_segment"}),
        conversations=_AT_SERVER,
        finish=_dropping,
    ),
    Golden(
        "capture_quality",
        "fires-duplicates",
        "Every frame was captured twice, 4 µs apart.",
        cause=Cause.CAPTURE_DUPLICATES,
        party=Party.CAPTURE,
        flags=frozenset({"retransmission", "duplicate_ack", "out_of_order"}),
        conversations=_HEALTHY[:2],
        finish=_twice,
    ),
    Golden(
        "capture_quality",
        "fires-duplicates-across-a-router",
        "Every frame was captured on both sides of a router, in one file.",
        cause=Cause.CAPTURE_DUPLICATES,
        party=Party.CAPTURE,
        flags=frozenset({"retransmission", "duplicate_ack", "out_of_order"}),
        conversations=_HEALTHY[:2],
        finish=_twice_across_a_router,
    ),
    Golden(
        "capture_quality",
        "fires-one-side",
        "Only the packets of the client were captured.",
        cause=Cause.ONE_SIDED_CAPTURE,
        party=Party.CAPTURE,
        conversations=_HEALTHY,
        finish=_one_side,
    ),
    Golden(
        "capture_quality",
        "fires-started-in-mid-stream",
        "The capture begins after the connections: one runs on without its handshake.",
        conversations=tuple(talk(n, pages(QUICK, body_bytes=3_200), BETWEEN, at_s=0.05 * n) for n in range(3)),
        finish=_from_the_middle,
    ),
    Golden(
        "capture_quality",
        "fires-clock-set-back",
        "The clock jumps back by 2 s between two connections.",
        conversations=_HEALTHY,
        finish=_clock_set_back,
    ),
    Golden(
        "capture_quality",
        "silent-clean",
        "The same conversations, captured whole.",
        cause=Cause.NONE,
        party=Party.NOBODY,
        conversations=_HEALTHY,
    ),
)
