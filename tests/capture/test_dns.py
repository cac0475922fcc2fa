"""Lookups: tries, answers, refusals."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from pcap_analyzer.capture.reader import read
from pcap_analyzer.capture.tables import App, Tables
from tests.capture.conversation import START_NS, after_start
from tests.packets import (
    Frame,
    Icmp,
    Ipv4,
    Udp,
    address_record,
    dns_query,
    dns_response,
    ethernet,
    icmp_error,
    name_record,
    write_pcap,
)

CLIENT, RESOLVER, OTHER = "192.0.2.1", "192.0.2.53", "192.0.2.54"


class Traffic:
    """Datagrams between a client and its resolvers."""

    def __init__(self) -> None:
        self._packets: list[tuple[float, Ipv4]] = []

    def asks(self, at_ms: float, query: bytes, *, to: str = RESOLVER, source_port: int = 5_000, port: int = 53) -> Ipv4:
        return self._add(at_ms, CLIENT, to, Udp(source_port, port, query))

    def answers(
        self, at_ms: float, answer: bytes, *, by: str = RESOLVER, target_port: int = 5_000, port: int = 53
    ) -> None:
        self._add(at_ms, by, CLIENT, Udp(port, target_port, answer))

    def refuses(self, at_ms: float, quoted: Ipv4) -> None:
        self._add(at_ms, RESOLVER, CLIENT, icmp_error(3, 3, quoted))

    def _add(self, at_ms: float, source: str, target: str, body: Udp | Icmp) -> Ipv4:
        packet = Ipv4(source, target, body, identification=len(self._packets) + 1)
        self._packets.append((at_ms, packet))
        return packet

    def tables(self, folder: Path) -> Tables:
        path = folder / "dns.pcap"
        frames = [Frame(START_NS + round(at * 1e6), ethernet(packet)) for at, packet in self._packets]
        write_pcap(path, frames, nanoseconds=True)
        return read(path)


def lookup(*answers: str, rcode: str = "NOERROR") -> tuple[bytes, bytes]:
    query = dns_query(77, "WWW.Example.")
    return query, dns_response(query, [address_record(address) for address in answers], rcode=rcode)


def test_a_lookup_keeps_its_name_answer_and_addresses(tmp_path: Path) -> None:
    traffic = Traffic()
    query = dns_query(77, "WWW.Example.")
    records = [name_record("CNAME", "b.example"), address_record("203.0.113.7"), address_record("203.0.113.8")]
    traffic.asks(0, query)
    traffic.answers(25, dns_response(query, records))
    tables = traffic.tables(tmp_path)
    row = tables.dns.rows()[0]
    assert (row["name"], row["query_type"], row["rcode"], row["tries"]) == (b"www.example", 1, 0, 1)
    assert (after_start(row["query_ns"]), after_start(row["answer_ns"])) == (0, 25)
    assert (row["query_frame"], row["answer_frame"], row["answers"], row["address_count"]) == (1, 2, 3, 2)
    assert row["addresses"][0][:4].tolist() == [203, 0, 113, 7]
    assert row["address_version"][:3].tolist() == [4, 4, 0]
    assert (row["client_ip"][:4].tolist(), row["server_ip"][:4].tolist()) == ([192, 0, 2, 1], [192, 0, 2, 53])
    assert tables.flows.rows()["app"].tolist() == [App.DNS]


def test_the_same_question_again_is_another_try_of_one_lookup(tmp_path: Path) -> None:
    traffic = Traffic()
    query, answer = lookup("203.0.113.7")
    traffic.asks(0, query)
    traffic.asks(1000, dns_query(78, "www.example"), to=OTHER, source_port=5_001)
    traffic.asks(3000, query)
    traffic.answers(3020, answer)
    row = traffic.tables(tmp_path).dns.rows()[0]
    assert (row["tries"], row["query_frame"], row["last_query_frame"]) == (3, 1, 3)
    assert (row["server_tries"], row["servers"]) == (2, 2)
    assert [after_start(row[n]) for n in ("query_ns", "last_query_ns", "answer_ns")] == [0, 3000, 3020]


def test_the_question_after_its_answer_is_a_new_lookup(tmp_path: Path) -> None:
    traffic = Traffic()
    query, answer = lookup("203.0.113.7")
    for start in (0, 100):
        traffic.asks(start, query)
        traffic.answers(start + 20, answer)
    assert traffic.tables(tmp_path).dns.rows()["tries"].tolist() == [1, 1]


def test_the_question_six_seconds_later_with_another_id_is_a_new_lookup(tmp_path: Path) -> None:
    traffic = Traffic()
    traffic.asks(0, dns_query(1, "www.example"))
    traffic.asks(6000, dns_query(2, "www.example"))
    rows = traffic.tables(tmp_path).dns.rows()
    assert (rows["tries"].tolist(), rows["rcode"].tolist(), rows["answer_ns"].tolist()) == ([1, 1], [-1, -1], [-1, -1])


@pytest.mark.parametrize("change", ["id", "port", "server"])
def test_an_answer_that_matches_no_try_is_none(tmp_path: Path, change: str) -> None:
    traffic = Traffic()
    query, answer = lookup("203.0.113.7")
    traffic.asks(0, query)
    traffic.asks(0, dns_query(1, "other.example"), to=OTHER, source_port=5_001)
    wrong = {"id": b"\0\0" + answer[2:]}.get(change, answer)
    by = OTHER if change == "server" else RESOLVER
    traffic.answers(20, wrong, by=by, target_port=5_001 if change == "port" else 5_000)
    assert traffic.tables(tmp_path).dns.rows()["rcode"].tolist() == [-1, -1]


@pytest.mark.parametrize(("rcode", "number"), [("SERVFAIL", 2), ("NXDOMAIN", 3)])
def test_failures_keep_their_code(tmp_path: Path, rcode: str, number: int) -> None:
    traffic = Traffic()
    query, answer = lookup(rcode=rcode)
    traffic.asks(0, query)
    traffic.answers(20, answer)
    assert traffic.tables(tmp_path).dns.rows()["rcode"].tolist() == [number]


def test_an_icmp_error_ends_the_lookup(tmp_path: Path) -> None:
    traffic = Traffic()
    asked = traffic.asks(0, lookup()[0])
    traffic.refuses(5, asked)
    row = traffic.tables(tmp_path).dns.rows()[0]
    assert (row["icmp"], row["rcode"], after_start(row["last_query_ns"])) == (True, -1, 5)


@pytest.mark.parametrize(("port", "app"), [(5353, App.MDNS), (5355, App.LLMNR)])
def test_multicast_names_are_labelled_as_such(tmp_path: Path, port: int, app: App) -> None:
    traffic = Traffic()
    traffic.asks(0, lookup()[0], to="224.0.0.251", port=port)
    assert traffic.tables(tmp_path).dns.rows()["app"].tolist() == [app]


def looping_name() -> bytes:
    return b"\0\1\1\0\0\1\0\0\0\0\0\0" + b"\xc0\x0c" + b"\0\1\0\1"


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\0" * 11,
        looping_name(),
        b"\0\1\1\0\0\1\0\0\0\0\0\0" + b"\x3f" + b"a" * 10,
        b"\0\1\1\0\0\1\0\0\0\0\0\0" + b"\xff\xff",
        b"\0\1\1\0\xff\xff\xff\xff\0\0\0\0" + b"\1a\0",
    ],
)
def test_broken_messages_are_no_lookups(tmp_path: Path, message: bytes) -> None:
    traffic = Traffic()
    traffic.asks(0, message)
    assert len(traffic.tables(tmp_path).dns) == 0


def test_more_open_lookups_than_places_close_the_oldest_and_count_it(tmp_path: Path) -> None:
    traffic = Traffic()
    names: Sequence[str] = [f"n{i}.example" for i in range(16_400)]
    for i, name in enumerate(names):
        traffic.asks(i / 1000, dns_query(i, name))
    tables = traffic.tables(tmp_path)
    rows = tables.dns.rows()
    assert tables.capture.overflows == {"open DNS lookups": 16}
    assert sorted(rows["name"].tolist()) == sorted(name.encode() for name in names)
    assert rows["name"][0] == b"n0.example"
