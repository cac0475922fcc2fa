"""Names that the capture gives, and addresses where it gives none."""

import pytest

from pcap_analyzer.analysis.context import build
from pcap_analyzer.analysis.naming import join, printable, text, without_port
from tests.analysis.rows import Rows, address, flow, lookup, tables


def answer(name: str, host: str, version: int = 4) -> Rows:
    row = lookup(name, address_count=1)
    row["addresses"][0, 0] = address(host)
    row["address_version"][0, 0] = version
    return row


def test_a_service_bears_the_name_that_most_of_its_flows_asked_for() -> None:
    flows = [
        flow(0, server_name=b"shop.example"),
        flow(1, server_name=b"img.example"),
        flow(2, server_name=b"shop.example"),
    ]
    assert build(tables(*flows)).names.server(1) == "shop.example:80"


def test_a_dns_answer_names_an_address() -> None:
    names = build(tables(flow(), answer("www.example", "10.0.0.2"))).names
    assert names.server(0) == "www.example:80"
    assert names.server_address(0) == "10.0.0.2"


def test_what_a_flow_asked_for_goes_before_dns() -> None:
    names = build(tables(flow(server_name=b"shop.example"), answer("cdn.example", "10.0.0.2"))).names
    assert names.server_host(0) == "shop.example"


def test_the_same_address_with_another_port_is_another_service() -> None:
    names = build(tables(flow(0, server_name=b"shop.example"), flow(1, port=8443))).names
    assert names.server(1) == "10.0.0.2:8443"


def test_addresses_of_version_6_stand_in_brackets_before_a_port() -> None:
    names = build(tables(flow(client="2001:db8::1", server="2001:db8::2", port=443))).names
    assert names.server(0) == "[2001:db8::2]:443"
    assert names.client_host(0) == "2001:db8::1"
    assert text(address("10.1.2.3"), 4) == "10.1.2.3"
    assert join("host", 80) == "host:80"


def test_what_is_not_printable_becomes_an_escape() -> None:
    assert printable(b"shop\x1b[31m.example") == "shop\\x1b[31m.example"
    assert printable("ĸ".encode()) == "\\xc4\\xb8"


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("shop.example", "shop.example"),
        ("shop.example:8080", "shop.example"),
        ("[2001:db8::1]:8080", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("shop.example:http", "shop.example:http"),
    ],
)
def test_a_host_header_names_its_port_once(host: str, name: str) -> None:
    assert without_port(host) == name
