"""Segments lost on either side of the capture point, and reordering, which is no loss.

The seconds are those by which the same conversations are shorter without the faults.
"""

from collections.abc import Sequence
from dataclasses import replace

from pcap_analyzer.analysis.model import Category, Cause, Party
from tests.golden.cast import AT_CLIENT, AT_SERVER, BETWEEN, SHOP, SHOP_SERVER, pages, talk
from tests.golden.golden import Golden
from tests.golden.plan import CLIENT, MS, SERVER, US, Close, Conversation, Fault, Host, Message, NetworkPath, Step
from tests.golden.speech import http_post, http_response

QUICK = [15 * MS, 18 * MS]
BODY = 8_500
TAIL_BYTE = len(http_response(BODY)) - 1  # of the first response
SECOND_TAIL_BYTE = 2 * len(http_response(BODY)) - 1

UPLOAD: list[Step] = [
    Message(CLIENT, http_post(SHOP, "/upload", bytes(9_000)), 60 * US),
    Message(SERVER, http_response(120, status="201 Created"), 12 * MS),
    Close(CLIENT, 50 * MS),
]


def _downloads(path: NetworkPath, faults: Sequence[Fault], *, server: Host = SHOP_SERVER) -> tuple[Conversation, ...]:
    """Two connections that suffer, one after another, and a healthy one."""
    suffering = (
        replace(talk(n, pages(QUICK, body_bytes=BODY), path, at_s=12 * n, server=server), faults=tuple(faults))
        for n in (0, 1)
    )
    return (*suffering, talk(2, pages(QUICK), path, at_s=25, server=server))


def _lost(name: str, story: str, *, party: Party, seconds: float, flags: set[str]) -> Golden:
    return Golden(
        "packet_loss",
        name,
        story,
        cause=Cause.NETWORK_LOSS,
        party=party,
        category=Category.LOSS_RECOVERY,
        seconds=seconds,
        flags=frozenset(flags),
    )


def _lost_after(sender: int, byte: int, copies: Sequence[int] = (0,)) -> Fault:
    return Fault(sender, byte, tuple(copies), lost_after_capture=True)


def _lost_before(sender: int, byte: int, copies: Sequence[int] = (0,)) -> Fault:
    return Fault(sender, byte, tuple(copies), lost_before_capture=True)


GOLDENS = (
    replace(
        _lost(
            "fires-downstream-behind-capture",
            "Captured on the server: the third segment of both responses is lost towards the client, "
            "and its copy in the second: once a fast retransmission, once a timeout.",
            party=Party.NETWORK_CLIENT_SIDE,
            seconds=0.851,
            flags={"retransmission", "fast_retransmission", "duplicate_ack"},
        ),
        conversations=_downloads(
            AT_SERVER, [_lost_after(SERVER, 3000), _lost_after(SERVER, len(http_response(BODY)) + 3000, (0, 1))]
        ),
    ),
    replace(
        _lost(
            "fires-downstream-before-capture",
            "The same losses, captured on the client: the segments never pass the capture point.",
            party=Party.NETWORK_SERVER_SIDE,
            seconds=0.851,
            flags={"lost_segment", "duplicate_ack", "retransmission"},
        ),
        conversations=_downloads(
            AT_CLIENT, [_lost_before(SERVER, 3000), _lost_before(SERVER, len(http_response(BODY)) + 3000, (0, 1))]
        ),
    ),
    replace(
        _lost(
            "fires-upstream-upload",
            "Captured on the client: two uploads lose their second segment and its copy towards the server.",
            party=Party.NETWORK_SERVER_SIDE,
            seconds=0.520,
            flags={"retransmission", "fast_retransmission", "duplicate_ack"},
        ),
        conversations=tuple(
            replace(talk(n, UPLOAD, AT_CLIENT, at_s=6 * n), faults=(_lost_after(CLIENT, 2000, (0, 1)),)) for n in (0, 1)
        ),
    ),
    replace(
        _lost(
            "fires-timeout-back-off",
            "Captured on the server: the end of the first response is lost three times on its way to the client.",
            party=Party.NETWORK_CLIENT_SIDE,
            seconds=3.552,
            flags={"retransmission"},
        ),
        conversations=_downloads(AT_SERVER, [_lost_after(SERVER, TAIL_BYTE, (0, 1, 2))]),
    ),
    replace(
        _lost(
            "fires-tail-before-capture",
            "Captured on the way: the last segment of both responses is lost twice between server and capture point.",
            party=Party.NETWORK_SERVER_SIDE,
            seconds=3.241,
            flags=set(),
        ),
        conversations=_downloads(
            BETWEEN, [_lost_before(SERVER, TAIL_BYTE, (0, 1)), _lost_before(SERVER, SECOND_TAIL_BYTE, (0, 1))]
        ),
    ),
    replace(
        _lost(
            "fires-without-sack",
            "The losses of the first capture between ends that know no SACK, captured on the way.",
            party=Party.NETWORK_CLIENT_SIDE,
            seconds=1.670,
            flags={"retransmission", "duplicate_ack"},
        ),
        conversations=_downloads(
            BETWEEN,
            [_lost_after(SERVER, 3000), _lost_after(SERVER, len(http_response(BODY)) + 3000, (0, 1))],
            server=replace(SHOP_SERVER, sack=False),
        ),
    ),
    Golden(
        "packet_loss",
        "silent-reordering",
        "Captured on the client: single segments arrive one or two places late, none is lost.",
        cause=Cause.NONE,
        party=Party.NOBODY,
        flags=frozenset({"lost_segment", "out_of_order", "duplicate_ack"}),
        conversations=_downloads(
            AT_CLIENT,
            [Fault(SERVER, 3000, late_ns=20 * US), Fault(SERVER, len(http_response(BODY)) + 6000, late_ns=30 * US)],
        ),
    ),
    Golden(
        "packet_loss",
        "silent-clean",
        "The same conversations without any fault.",
        cause=Cause.NONE,
        party=Party.NOBODY,
        conversations=_downloads(AT_CLIENT, []),
    ),
)
