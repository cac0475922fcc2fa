"""Connections that come up late or never, and a Happy-Eyeballs loser, which is nobody's fault."""

from dataclasses import replace

from pcap_analyzer.analysis.model import Category, Cause, Party
from tests.golden.cast import AT_CLIENT, BETWEEN, BROWSER, SHOP_SERVER, pages, talk
from tests.golden.golden import Golden
from tests.golden.plan import CLIENT, MS, SERVER, Conversation, Fault, OnSyn, Unreachable

QUICK = [15 * MS, 18 * MS]
OTHER = replace(SHOP_SERVER, address="198.51.100.77")
REFUSING = replace(SHOP_SERVER, port=8443, on_syn=OnSyn.REFUSE)
FILTERED = replace(SHOP_SERVER, port=8443, on_syn=OnSyn.IGNORE)
BUSY = replace(SHOP_SERVER, accept_after_ns=800 * MS)
PATIENT = replace(BROWSER, syn_retries=3)  # SYNs at 0, 1, 3 and 7 s
SHOP6 = replace(SHOP_SERVER, address="2001:db8:2::20", on_syn=OnSyn.IGNORE)
BROWSER6 = replace(BROWSER, address="2001:db8:1::10", syn_retries=0)


def _healthy(index: int, at_s: float) -> Conversation:
    return talk(index, pages(QUICK), BETWEEN, at_s=at_s, server=OTHER)


def _syn_lost(index: int, at_s: float, sender: int, copies: tuple[int, ...]) -> Conversation:
    fault = Fault(sender, -1, copies, lost_after_capture=True)
    return replace(talk(index, pages(QUICK), BETWEEN, at_s=at_s), faults=(fault,))


def _unreachable(name: str, story: str, quoted_bytes: int) -> Golden:
    router = Unreachable("198.51.100.1", quoted_bytes=quoted_bytes)
    return Golden(
        "slow_connect",
        name,
        f"{story} Another server answers.",
        cause=Cause.UNREACHABLE,
        party=Party.NETWORK,
        conversations=(
            *(replace(talk(n, [], BETWEEN, at_s=2 * n), unreachable=router) for n in range(4)),
            _healthy(5, 1),
            _healthy(6, 5),
        ),
    )


GOLDENS = (
    Golden(
        "slow_connect",
        "fires-syn-loss",
        "Six connections: two lose a SYN, one loses two, one loses the SYN-ACK; two come up at once.",
        cause=Cause.SYN_LOSS,
        category=Category.TCP_CONNECT,
        seconds=1 + 1 + 3 + 1,
        flags=frozenset({"retransmission", "duplicate_ack"}),
        conversations=(
            _syn_lost(0, 0, CLIENT, (0,)),
            talk(1, pages(QUICK), BETWEEN, at_s=2),
            _syn_lost(2, 4, CLIENT, (0, 1)),
            talk(3, pages(QUICK), BETWEEN, at_s=8),
            _syn_lost(4, 10, CLIENT, (0,)),
            _syn_lost(5, 13, SERVER, (0,)),
        ),
    ),
    Golden(
        "slow_connect",
        "fires-refused",
        "Five connections to a closed port are refused, another server answers.",
        cause=Cause.CONNECT_REFUSED,
        party=Party.SERVER,
        conversations=(
            *(talk(n, [], BETWEEN, at_s=2 * n, server=REFUSING) for n in range(5)),
            _healthy(5, 1),
            _healthy(6, 5),
        ),
    ),
    Golden(
        "slow_connect",
        "fires-filtered",
        "Three connections to one port stay without any answer, four SYNs each; another server answers.",
        cause=Cause.CONNECT_FILTERED,
        party=Party.UNKNOWN,
        flags=frozenset({"retransmission"}),
        conversations=(
            *(talk(n, [], BETWEEN, at_s=16 * n, client=PATIENT, server=FILTERED) for n in range(3)),
            _healthy(5, 2),
            _healthy(6, 20),
        ),
    ),
    _unreachable("fires-unreachable", "A router answers four connections with ICMP host unreachable.", 548),
    _unreachable("fires-unreachable-short-quotes", "The same; the errors quote eight bytes of TCP, no more.", 28),
    Golden(
        "slow_connect",
        "fires-slow-accept",
        "Five connections to a server that sends its SYN-ACK after 0.8 s; requests are answered at once.",
        category=Category.TCP_CONNECT,
        seconds=5 * 0.83,
        conversations=tuple(talk(n, pages(QUICK), BETWEEN, at_s=3 * n, server=BUSY) for n in range(5)),
    ),
    Golden(
        "slow_connect",
        "silent-happy-eyeballs",
        "A SYN over IPv6 gets no answer and is given up for IPv4 after 250 ms, which answers at once.",
        cause=Cause.NONE,
        party=Party.NOBODY,
        conversations=(
            talk(0, [], AT_CLIENT, at_s=0, client=BROWSER6, server=SHOP6),
            talk(1, pages(QUICK), AT_CLIENT, at_s=0.25),
            talk(2, pages(QUICK), AT_CLIENT, at_s=3),
            talk(3, pages(QUICK), AT_CLIENT, at_s=5),
        ),
    ),
    Golden(
        "slow_connect",
        "silent-quick",
        "Five connections come up within one round trip of 30 ms.",
        cause=Cause.NONE,
        party=Party.NOBODY,
        conversations=tuple(talk(n, pages(QUICK), BETWEEN, at_s=2 * n) for n in range(5)),
    ),
)
