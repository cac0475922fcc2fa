"""Makes examples/slow-checkout.pcapng: `python -m examples.make_example`. The same bytes each time; no real traffic.

Two people shop, captured on their office's gateway for 100 s. For 40 s the shop's API thinks about 1.9 s before every
answer. Beside it: quick look-ups, pages and pictures, three lost segments of pictures, and one download whose reader
stops for 2.5 s.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

from tests.golden.cast import MORNING_NS
from tests.golden.conversation import Seen, merged, simulate
from tests.golden.golden import whole
from tests.golden.plan import (
    CLIENT,
    MS,
    SERVER,
    US,
    Close,
    Conversation,
    Fault,
    Host,
    Message,
    NetworkPath,
    Reading,
    S,
    Step,
)
from tests.golden.speech import application_data, close_notify, http_get, http_response, tls13_handshake
from tests.packets import Ipv4, Udp, address_record, dns_query, dns_response

EXAMPLE = Path(__file__).with_name("slow-checkout.pcapng")
FIRST, SECOND, RESOLVER = "10.8.3.52", "10.8.3.61", "10.8.0.53"
WWW, API, PICTURES, FILES = "www.shop.example", "api.shop.example", "img.shop.example", "files.shop.example"
ADDRESSES = {WWW: "203.0.113.10", API: "203.0.113.17", PICTURES: "203.0.113.30", FILES: "203.0.113.31"}
ON_THE_GATEWAY = NetworkPath(400 * US, 11 * MS, jitter_ns=60 * US)
SLOW_FROM_S, SLOW_UNTIL_S, ENDS_S = 28.0, 68.0, 98.0


def main() -> None:
    EXAMPLE.write_bytes(encode())


def encode() -> bytes:
    """The capture file."""
    return whole(merged([*(simulate(plan) for plan in conversations()), *lookups()]))


def conversations() -> Iterator[Conversation]:
    """All connections, with the ports 49,200 and up."""
    plans: list[tuple[str, str, int, float, Sequence[Step]]] = [
        (FIRST, WWW, 443, 0.06, secret_steps(WWW, [(40, 7_000), (35, 4_200), (50, 5_400)], user_s=21.0)),
        (SECOND, WWW, 443, 6.31, secret_steps(WWW, [(45, 7_000), (38, 4_100)], user_s=17.0)),
        (FIRST, API, 443, 3.02, api_steps(3.02, seed=1)),
        (FIRST, API, 443, 3.40, api_steps(3.40, seed=2)),
        (SECOND, API, 443, 9.11, api_steps(9.11, seed=3)),
        (FIRST, PICTURES, 80, 0.52, picture_steps([9_000, 6_500, 8_000])),
        (FIRST, PICTURES, 80, 0.53, picture_steps([7_000, 9_000])),
        (SECOND, PICTURES, 80, 6.80, picture_steps([9_000, 6_500, 8_000])),
    ]
    for index, (client, name, port, at_s, steps) in enumerate(plans):
        yield replace(connection(index, client, name, port, at_s), steps=tuple(steps), faults=faults(index))
    reader = connection(len(plans), SECOND, FILES, 80, 74.2)
    stopping = replace(
        reader.client, receive_buffer_bytes=10 * 1448, window_scale=2, reading=Reading(11_584, 2500 * MS)
    )
    yield replace(reader, client=stopping, steps=tuple(picture_steps([34_000], host=FILES, target="/invoice.pdf")))


def connection(index: int, client: str, name: str, port: int, at_s: float) -> Conversation:
    """A connection without words yet."""
    return Conversation(
        client=Host(client, 49_200 + 13 * index, ttl=64),
        server=Host(ADDRESSES[name], port, ttl=56),
        path=ON_THE_GATEWAY,
        start_ns=MORNING_NS + round(at_s * S),
        seed=4711 + index,
    )


def faults(index: int) -> tuple[Fault, ...]:
    """Three segments of pictures are lost between the servers and the gateway."""
    lost = {5: (11_500,), 7: (2_500, 17_500)}
    return tuple(Fault(SERVER, byte, lost_before_capture=True) for byte in lost.get(index, ()))


def secret_steps(name: str, answers: Sequence[tuple[int, int]], *, user_s: float) -> list[Step]:
    """TLS 1.3 and one exchange for each (think time in ms, bytes)."""
    steps: list[Step] = [*tls13_handshake(name)]
    for number, (think_ms, body_bytes) in enumerate(answers):
        steps.append(Message(CLIENT, application_data(520, number), round(user_s * S) if number else 90 * US))
        steps.append(Message(SERVER, application_data(body_bytes, 50 + number), think_ms * MS))
    return [*steps, Message(CLIENT, close_notify(), 2 * S), Close(CLIENT, 20 * US)]


def api_steps(starts_s: float, *, seed: int) -> list[Step]:
    """Calls of the API until the end, a click every second or so; how long it thinks depends on when it is asked."""
    random = Random(seed)
    steps: list[Step] = [*tls13_handshake(API, seed=seed)]
    now_s = starts_s + 0.06
    number = 0
    while now_s < ENDS_S - 3:
        user_s = random.uniform(0.7, 1.9) if number else 0.0001
        now_s += user_s
        slow = SLOW_FROM_S <= now_s < SLOW_UNTIL_S
        think_s = random.uniform(1.5, 2.3) if slow else random.uniform(0.035, 0.075)
        now_s += think_s + 0.024
        steps.append(Message(CLIENT, application_data(random.randrange(260, 420), number), round(user_s * S)))
        answer = application_data(random.randrange(300, 900), 9 + number)
        steps.append(Message(SERVER, answer, round(think_s * S)))
        number += 1
    return [*steps, Message(CLIENT, close_notify(), 1 * S), Close(CLIENT, 20 * US)]


def picture_steps(sizes: Sequence[int], *, host: str = PICTURES, target: str = "/p") -> list[Step]:
    """Files over HTTP, one after another."""
    steps: list[Step] = []
    for number, size in enumerate(sizes):
        path = f"{target}/{number}.jpg" if target == "/p" else target
        steps.append(Message(CLIENT, http_get(host, path), 6 * MS))
        steps.append(Message(SERVER, http_response(size, content_type="application/octet-stream"), 9 * MS))
    return [*steps, Close(CLIENT, 5 * S)]


def lookups() -> Iterator[list[Seen]]:
    """Every name is looked up once by each client, A and AAAA; there is no IPv6 address."""
    asked = [(FIRST, WWW, 0.02), (FIRST, PICTURES, 0.49), (FIRST, API, 2.99)]
    asked += [(SECOND, WWW, 6.27), (SECOND, PICTURES, 6.76), (SECOND, API, 9.08), (SECOND, FILES, 74.16)]
    for number, (client, name, at_s) in enumerate(asked):
        for kind, answers in (("A", [address_record(ADDRESSES[name])]), ("AAAA", [])):
            identifier = 9_173 * (2 * number + (kind == "A") + 1) % 65_536
            query = dns_query(identifier, name, kind)
            asks = Udp(51_000 + identifier % 9_000, 53, query)
            answer = Udp(53, asks.source_port, dns_response(query, answers))
            start_ns = MORNING_NS + round(at_s * S) + (0 if kind == "A" else 90 * US)
            yield [
                Seen(start_ns, CLIENT, Ipv4(client, RESOLVER, asks, identification=identifier)),
                Seen(start_ns + 7 * MS, SERVER, Ipv4(RESOLVER, client, answer, ttl=63, identification=number + 900)),
            ]


if __name__ == "__main__":
    main()
