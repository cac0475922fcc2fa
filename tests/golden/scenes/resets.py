"""Connections cut by RST before the response was complete, and browsers that only tidy up with RST."""

from collections.abc import Sequence
from dataclasses import replace

from pcap_analyzer.analysis.model import Cause, Party
from tests.golden.cast import BETWEEN, SHOP, pages, talk
from tests.golden.conversation import Seen
from tests.golden.golden import Golden, whole
from tests.golden.plan import CLIENT, MS, SERVER, US, Close, Conversation, Message, Step
from tests.golden.speech import http_get, http_response
from tests.packets import Ipv4, Tcp

QUICK = [15 * MS, 18 * MS]
PROMISED = http_response(30_000)

BROKEN_OFF: list[Step] = [
    Message(CLIENT, http_get(SHOP, "/catalogue"), 60 * US),
    Message(SERVER, PROMISED[:9_000], 15 * MS),
    Close(SERVER, 60 * MS, reset=True),
]


def _broken_off(count: int) -> tuple[Conversation, ...]:
    return tuple(talk(n, BROKEN_OFF, BETWEEN, at_s=2 * n) for n in range(count))


def _resets_from_nearby(seen: Sequence[Seen]) -> bytes:
    """A box on the way writes the RST: its TTL is not the server's."""
    return whole([replace(one, packet=_nearer(one.packet)) for one in seen])


def _nearer(packet: object) -> Ipv4:
    assert isinstance(packet, Ipv4)
    is_reset = isinstance(packet.body, Tcp) and "R" in packet.body.flags
    return replace(packet, ttl=253, identification=0) if is_reset else packet


GOLDENS = (
    Golden(
        "resets",
        "fires-in-the-middle-of-responses",
        "The server resets three connections after 9,000 of 30,000 promised bytes; two others are fine.",
        cause=Cause.RESET,
        party=Party.SERVER,
        conversations=(
            *_broken_off(3),
            talk(5, pages(QUICK), BETWEEN, at_s=1),
            talk(6, pages(QUICK), BETWEEN, at_s=9),
        ),
    ),
    Golden(
        "resets",
        "fires-from-the-way",
        "The same, but the RST comes with a TTL that the server never used: a box on the way sent it.",
        cause=Cause.RESET,
        conversations=(*_broken_off(3), talk(5, pages(QUICK), BETWEEN, at_s=9)),
        finish=_resets_from_nearby,
    ),
    Golden(
        "resets",
        "silent-after-complete-responses",
        "The client closes five connections by RST once it has read every response.",
        cause=Cause.NONE,
        party=Party.NOBODY,
        conversations=tuple(
            talk(n, [*pages(QUICK)[:-1], Close(CLIENT, 150 * MS, reset=True)], BETWEEN, at_s=2 * n) for n in range(5)
        ),
    ),
)
