"""Servers that think long, and three things that only look so."""

from dataclasses import replace

from pcap_analyzer.analysis.model import Category, Cause, Party
from tests.golden.cast import AT_CLIENT, AT_SERVER, BETWEEN, BROWSER, SHOP_SERVER, pages, secret_pages, talk
from tests.golden.golden import Golden
from tests.golden.plan import MS, NetworkPath, S
from tests.golden.speech import TLS12

SLOW_MS = (900, 1100, 40, 1000, 35, 1300)
SLOW_S = 2 * sum(thought for thought in SLOW_MS) / 1000
THINKS = [thought * MS for thought in SLOW_MS]
FAST = [20 * MS, 25 * MS, 18 * MS, 30 * MS, 22 * MS]

SERVER_TLS = replace(SHOP_SERVER, port=443)
BROWSER6 = replace(BROWSER, address="2001:db8:1::10")
SERVER6 = replace(SHOP_SERVER, address="2001:db8:2::20")
LAZY_TLS = replace(SERVER_TLS, quick_acks=0)  # acknowledges requests only after 40 ms
FAR = NetworkPath(30_000, 200 * MS)
KEEPING_ALIVE = replace(BROWSER, keep_alive_ns=15 * S)


def _slow(name: str, story: str, golden: Golden) -> Golden:
    return replace(
        golden,
        name=name,
        story=story,
        cause=Cause.SERVER_THINKING,
        party=Party.SERVER,
        category=Category.SERVER_THINKING,
        seconds=SLOW_S,
    )


_EMPTY = Golden("slow_server", "", "")

GOLDENS = (
    _slow(
        "fires-http-at-client",
        "HTTP, captured on the client: 12 requests on two connections, the server thinks 0.9 to 1.3 s about 8 of them.",
        replace(_EMPTY, conversations=tuple(talk(n, pages(THINKS), AT_CLIENT, at_s=9 * n) for n in (0, 1))),
    ),
    _slow(
        "fires-tls13-at-server",
        "The same thinking over TLS 1.3, captured on the server.",
        replace(
            _EMPTY,
            conversations=tuple(
                talk(n, secret_pages(THINKS), AT_SERVER, at_s=9 * n, server=SERVER_TLS) for n in (0, 1)
            ),
        ),
    ),
    _slow(
        "fires-tls12-in-between-delayed-acks",
        "The same over TLS 1.2, captured on the way; the server acknowledges requests 40 ms late.",
        replace(
            _EMPTY,
            conversations=tuple(
                talk(n, secret_pages(THINKS, version=TLS12), BETWEEN, at_s=9 * n, server=LAZY_TLS) for n in (0, 1)
            ),
        ),
    ),
    _slow(
        "fires-http-ipv6-in-between",
        "The same over HTTP and IPv6, captured on the way.",
        replace(
            _EMPTY,
            conversations=tuple(
                talk(n, pages(THINKS), BETWEEN, at_s=9 * n, client=BROWSER6, server=SERVER6) for n in (0, 1)
            ),
        ),
    ),
    replace(
        _EMPTY,
        name="silent-long-round-trip",
        story="A healthy server 400 ms away, captured on the client: every wait is the way.",
        cause=Cause.NETWORK_DELAY,
        conversations=tuple(talk(n, pages(FAST), FAR, at_s=9 * n) for n in (0, 1)),
    ),
    replace(
        _EMPTY,
        name="silent-idle-keep-alive",
        story="Quick exchanges, two minutes of keep-alives, one more quick exchange.",
        cause=Cause.NONE,
        party=Party.NOBODY,
        flags=frozenset({"keep_alive", "keep_alive_ack"}),
        conversations=(
            talk(0, pages([20 * MS, 25 * MS], user_ns=120 * S), BETWEEN, at_s=0, client=KEEPING_ALIVE),
            talk(1, pages(FAST), BETWEEN, at_s=20),
        ),
    ),
    replace(
        _EMPTY,
        name="silent-slow-user",
        story="A healthy server and a user who reads 4 s before each click.",
        cause=Cause.NONE,
        party=Party.NOBODY,
        conversations=tuple(talk(n, pages(FAST, user_ns=4 * S), AT_SERVER, at_s=25 * n) for n in (0, 1)),
    ),
)
