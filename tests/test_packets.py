"""The builder is right where TShark says so: it decodes what was built, checks sums and lengths."""

import subprocess
from pathlib import Path

import pytest

from tests.needs import need
from tests.packets import (
    LINK_ETHERNET,
    LINK_LOOP,
    LINK_NULL,
    LINK_RAW,
    LINK_SLL,
    LINK_SLL2,
    Frame,
    Icmp,
    Interface,
    Ipv4,
    Ipv6,
    Pcapng,
    Tcp,
    Udp,
    address_record,
    dns_query,
    dns_response,
    ethernet,
    extension,
    fragment_extension,
    icmp_error,
    icmpv6_error,
    mss_option,
    name_record,
    null,
    padded_options,
    raw,
    sack_option,
    sack_permitted_option,
    sll,
    sll2,
    timestamps_option,
    window_scale_option,
    write_pcap,
    write_pcapng,
)

START_NS = 1_700_000_000_123_456_789
SYN = Tcp(
    51000,
    443,
    seq=0xFFFFFFFF,
    flags="S",
    options=padded_options(mss_option(1460), sack_permitted_option(), timestamps_option(7, 0), window_scale_option(7)),
)
PACKET = Ipv4("192.0.2.1", "198.51.100.2", SYN, identification=4711)
CHECKED = (
    "-o",
    "tcp.relative_sequence_numbers:FALSE",
    "-o",
    "ip.check_checksum:TRUE",
    "-o",
    "tcp.check_checksum:TRUE",
    "-o",
    "udp.check_checksum:TRUE",
)


def fields(path: Path, *names: str) -> list[list[str]]:
    """What TShark reads in each frame, sums checked."""
    need("tshark")
    wanted = [part for name in names for part in ("-e", name)]
    command = ["tshark", "-r", str(path), *CHECKED, "-T", "fields", *wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return [line.split("\t") for line in done.stdout.splitlines()]


def written(path: Path, *packets: bytes) -> Path:
    write_pcapng(path, [Frame(START_NS + 1_000_000 * number, packet) for number, packet in enumerate(packets)])
    return path


def test_tcp_over_ipv4_has_right_sums_and_options(tmp_path: Path) -> None:
    path = written(tmp_path / "a.pcapng", ethernet(PACKET))
    names = ("ip.checksum.status", "tcp.checksum.status", "ip.id", "tcp.seq_raw", "tcp.options.mss_val")
    more = ("tcp.options.wscale.shift", "tcp.options.timestamp.tsval", "tcp.flags.syn", "frame.time_epoch")
    expected = ["1", "1", "0x1267", "4294967295", "1460", "7", "7", "1", "1700000000.123456789"]
    assert fields(path, *names, *more) == [expected]


def test_tcp_over_ipv6_with_extension_headers_has_right_sums(tmp_path: Path) -> None:
    packet = Ipv6("2001:db8::1", "2001:db8::2", SYN, extensions=(extension(0), extension(60), extension(43, b"\0" * 6)))
    path = written(tmp_path / "a.pcapng", ethernet(packet))
    assert fields(path, "tcp.checksum.status", "tcp.dstport", "ipv6.nxt") == [["1", "443", "0"]]


def test_sack_blocks_are_edges(tmp_path: Path) -> None:
    segment = Tcp(443, 51000, seq=1, ack=2, options=padded_options(sack_option([(100, 200), (300, 400)])))
    path = written(tmp_path / "a.pcapng", ethernet(Ipv4("192.0.2.1", "192.0.2.2", segment)))
    assert fields(path, "tcp.options.sack_le", "tcp.options.sack_re") == [["100,300", "200,400"]]


def test_fragments_reassemble(tmp_path: Path) -> None:
    whole = Ipv4("192.0.2.1", "192.0.2.2", Udp(1000, 2000, bytes(3000)), identification=9)
    path = written(tmp_path / "a.pcapng", *(ethernet(part) for part in whole.fragments(1480)))
    assert fields(path, "ip.flags.mf", "udp.length", "udp.checksum.status") == [
        ["1", "", ""],
        ["1", "", ""],
        ["0", "3008", "1"],
    ]


def test_ipv6_fragments_reassemble(tmp_path: Path) -> None:
    whole = Ipv6("2001:db8::1", "2001:db8::2", Udp(1000, 2000, bytes(100))).encode()[40:]
    parts = [
        Ipv6("2001:db8::1", "2001:db8::2", whole[:64], 17, extensions=(fragment_extension(0, 5, more=True),)),
        Ipv6("2001:db8::1", "2001:db8::2", whole[64:], 17, extensions=(fragment_extension(64, 5, more=False),)),
    ]
    path = written(tmp_path / "a.pcapng", *(ethernet(part) for part in parts))
    assert [row[0] for row in fields(path, "udp.checksum.status")] == ["", "1"]


def test_icmp_errors_quote_the_packet(tmp_path: Path) -> None:
    packet6 = Ipv6("2001:db8::1", "2001:db8::2", SYN)
    error = Ipv4("198.51.100.2", "192.0.2.1", icmp_error(3, 13, PACKET))
    error6 = Ipv6("2001:db8::9", "2001:db8::1", icmpv6_error(1, 4, packet6))
    ping = Ipv4("192.0.2.1", "192.0.2.2", Icmp(8, 0, 0x0001_0002, b"abcdefgh"))
    path = written(tmp_path / "a.pcapng", ethernet(error), ethernet(error6), ethernet(ping))
    rows = fields(path, "icmp.type", "icmpv6.type", "tcp.srcport", "icmp.checksum.status", "icmpv6.checksum.status")
    assert rows == [["3", "", "51000", "1", ""], ["", "1", "51000", "", "1"], ["8", "", "", "1", ""]]


def test_dns_answers_repeat_the_question(tmp_path: Path) -> None:
    query = dns_query(77, "shop.example")
    answers = [name_record("CNAME", "shop.cdn.example"), address_record("192.0.2.7", owner="shop.cdn.example")]
    path = written(
        tmp_path / "a.pcapng",
        ethernet(Ipv4("192.0.2.1", "192.0.2.53", Udp(40000, 53, query))),
        ethernet(Ipv4("192.0.2.53", "192.0.2.1", Udp(53, 40000, dns_response(query, answers)))),
        ethernet(Ipv4("192.0.2.53", "192.0.2.1", Udp(53, 40000, dns_response(query, rcode="NXDOMAIN")))),
    )
    rows = fields(path, "dns.qry.name", "dns.flags.rcode", "dns.a", "udp.checksum.status", "_ws.malformed")
    assert rows == [
        ["shop.example", "", "", "1", ""],
        ["shop.example", "0", "192.0.2.7", "1", ""],
        ["shop.example", "3", "", "1", ""],
    ]


@pytest.mark.parametrize(
    ("linktype", "data"),
    [
        (LINK_ETHERNET, ethernet(PACKET)),
        (LINK_ETHERNET, ethernet(PACKET, vlans=(100,))),
        (LINK_ETHERNET, ethernet(PACKET, vlans=(100, 200))),
        (LINK_SLL, sll(PACKET)),
        (LINK_SLL2, sll2(PACKET)),
        (LINK_NULL, null(PACKET)),
        (LINK_LOOP, null(PACKET, order="big")),
        (LINK_RAW, raw(PACKET)),
    ],
)
def test_every_link_layer_leads_to_the_packet(tmp_path: Path, linktype: int, data: bytes) -> None:
    path = tmp_path / "a.pcap"
    write_pcap(path, [Frame(START_NS, data)], linktype=linktype)
    assert fields(path, "ip.id", "tcp.checksum.status") == [["0x1267", "1"]]


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize(("nanoseconds", "fraction"), [(False, "123456000"), (True, "123456789")])
def test_pcap_in_both_orders_and_resolutions(tmp_path: Path, order: str, nanoseconds: bool, fraction: str) -> None:
    path = tmp_path / "a.pcap"
    write_pcap(
        path,
        [Frame(START_NS, ethernet(PACKET))],
        order="big" if order == "big" else "little",
        nanoseconds=nanoseconds,
        snaplen=60,
    )
    assert fields(path, "frame.time_epoch", "frame.cap_len", "frame.len") == [[f"1700000000.{fraction}", "60", "74"]]


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize(
    ("tsresol", "tsoffset_s", "fraction"),
    [(9, None, "123456789"), (None, None, "123456000"), (9, 3600, "123456789"), (0x8A, None, "123046875")],
)
def test_pcapng_times_follow_the_interface(
    tmp_path: Path, order: str, tsresol: int | None, tsoffset_s: int | None, fraction: str
) -> None:
    path = tmp_path / "a.pcapng"
    write_pcapng(
        path,
        [Frame(START_NS, ethernet(PACKET))],
        order="big" if order == "big" else "little",
        interfaces=[Interface(tsresol=tsresol, tsoffset_s=tsoffset_s, drops=5)],
    )
    assert fields(path, "frame.time_epoch", "frame.len") == [[f"1700000000.{fraction}", "74"]]


def test_a_simple_packet_block_is_a_frame_of_the_first_interface(tmp_path: Path) -> None:
    writer, interface = Pcapng("little"), Interface(snaplen=60)
    blocks = [writer.section(), writer.interface(interface)]
    path = tmp_path / "a.pcapng"
    path.write_bytes(b"".join([*blocks, writer.simple_packet(Frame(0, ethernet(PACKET)), interface)]))
    assert fields(path, "frame.cap_len", "frame.len", "ip.id") == [["60", "74", "0x1267"]]
