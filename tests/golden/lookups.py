"""DNS lookups past a capture point beside the client."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.golden.cast import BROWSER, MORNING_NS
from tests.golden.conversation import Seen
from tests.golden.plan import CLIENT, MS, SERVER, S
from tests.packets import DnsRecord, Ipv4, Udp, address_record, dns_query, dns_response

RESOLVER = "192.0.2.53"


@dataclass(frozen=True)
class Lookup:
    """One question; `answer_after_ns` counts from the last try, None: no answer comes.

    The same query is sent again `retry_ns` after the try before it.
    """

    name: str
    at_s: float
    answer_after_ns: int | None = 8 * MS
    kind: str = "A"
    rcode: str = "NOERROR"
    answers: Sequence[DnsRecord] = (address_record("198.51.100.20"),)
    tries: int = 1
    retry_ns: int = 5 * S
    port: int = 40_000

    def seen(self) -> list[Seen]:
        """Its packets; identifiers and ports follow from the name's place in time."""
        identifier = (round(self.at_s * 1000) * 7919 + len(self.name)) % 65_536
        query = dns_query(identifier, self.name, self.kind)
        start_ns = MORNING_NS + round(self.at_s * S)
        last_ns = start_ns + (self.tries - 1) * self.retry_ns
        port = self.port + identifier % 20_000
        packets = [
            Seen(time_ns, CLIENT, Ipv4(BROWSER.address, RESOLVER, Udp(port, 53, query), identification=number))
            for number, time_ns in enumerate(range(start_ns, last_ns + 1, self.retry_ns), identifier % 60_000 + 1)
        ]
        if self.answer_after_ns is not None:
            response = dns_response(query, self.answers, rcode=self.rcode)
            body = Udp(53, port, response)
            packet = Ipv4(RESOLVER, BROWSER.address, body, ttl=63, identification=identifier % 50_000 + 7)
            packets.append(Seen(last_ns + self.answer_after_ns, SERVER, packet))
        return packets


def lookups(*several: Lookup) -> tuple[Seen, ...]:
    """The packets of all, ordered by time."""
    return tuple(sorted((seen for one in several for seen in one.seen()), key=lambda seen: seen.time_ns))
