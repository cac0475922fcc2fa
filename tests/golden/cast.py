"""The hosts, places and usual talks that scenes are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tests.golden.plan import CLIENT, MS, SERVER, US, Close, Conversation, Host, Message, NetworkPath, S, Step
from tests.golden.speech import (
    TLS13,
    application_data,
    close_notify,
    http_get,
    http_response,
    tls12_handshake,
    tls13_handshake,
)

#: Monday, 2 March 2026, 09:00:00 UTC.
MORNING_NS = 1_772_442_000 * S

SHOP = "shop.example"
BROWSER = Host("192.0.2.10", 50_000, ttl=64)
SHOP_SERVER = Host("198.51.100.20", 80, ttl=57)

#: 30 ms round trip, captured on the client, on the server, and on the way.
AT_CLIENT = NetworkPath(30 * US, 15 * MS)
AT_SERVER = NetworkPath(15 * MS, 30 * US)
BETWEEN = NetworkPath(5 * MS, 10 * MS)


def talk(
    index: int,
    steps: Sequence[Step],
    path: NetworkPath,
    *,
    at_s: float,
    client: Host = BROWSER,
    server: Host = SHOP_SERVER,
) -> Conversation:
    """A connection that begins `at_s` after the morning; the index gives the client's port and the seed."""
    return Conversation(
        client=replace(client, port=client.port + index),
        server=server,
        path=path,
        steps=tuple(steps),
        start_ns=MORNING_NS + round(at_s * S),
        seed=1000 + index,
    )


def pages(
    thinks_ns: Sequence[int], *, body_bytes: int = 2_400, user_ns: int = 120 * MS, stem: str = "/page"
) -> list[Step]:
    """HTTP exchanges one after another, the server thinking so long about each, and a FIN by the client."""
    steps: list[Step] = []
    for number, think_ns in enumerate(thinks_ns, 1):
        steps.append(Message(CLIENT, http_get(SHOP, f"{stem}/{number}"), user_ns if number > 1 else 60 * US))
        steps.append(Message(SERVER, http_response(body_bytes), think_ns))
    return [*steps, Close(CLIENT, user_ns)]


def secret_pages(thinks_ns: Sequence[int], *, version: int = TLS13, body_bytes: int = 2_400) -> list[Step]:
    """The same over TLS, after a full handshake; the client ends with close_notify and FIN."""
    handshake = tls13_handshake if version == TLS13 else tls12_handshake
    steps: list[Step] = [*handshake(SHOP)]
    for number, think_ns in enumerate(thinks_ns, 1):
        steps.append(Message(CLIENT, application_data(380, 100 + number), 120 * MS if number > 1 else 90 * US))
        steps.append(Message(SERVER, application_data(body_bytes, 200 + number), think_ns))
    return [*steps, Message(CLIENT, close_notify(version), 120 * MS), Close(CLIENT, 20 * US)]
