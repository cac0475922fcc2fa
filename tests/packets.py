"""Builds packets and capture files byte by byte, with the standard library alone: the same input gives the same bytes.

    segment = Tcp(51000, 443, seq=1000, flags="S", options=mss_option(1460))
    frame = Frame(1_700_000_000_000_000_000, ethernet(Ipv4("192.0.2.1", "198.51.100.2", segment)))
    write_pcapng(path, [frame])

Checksums and lengths are right unless a header is given another one by name.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address

from tests.capture_files import (
    LINK_ETHERNET,
    LINK_LOOP,
    LINK_NULL,
    LINK_RAW,
    LINK_SLL,
    LINK_SLL2,
    Frame,
    Interface,
    Order,
    Pcapng,
    pcapng_blocks,
    write_pcap,
    write_pcapng,
)
from tests.dns_messages import DnsRecord, address_record, dns_query, dns_response, name_record

__all__ = [
    "LINK_ETHERNET",
    "LINK_LOOP",
    "LINK_NULL",
    "LINK_RAW",
    "LINK_SLL",
    "LINK_SLL2",
    "DnsRecord",
    "Frame",
    "Icmp",
    "Icmpv6",
    "Interface",
    "Ipv4",
    "Ipv6",
    "Pcapng",
    "Tcp",
    "Udp",
    "address_record",
    "checksum",
    "dns_query",
    "dns_response",
    "ethernet",
    "extension",
    "fragment_extension",
    "icmp_error",
    "icmpv6_error",
    "mss_option",
    "name_record",
    "null",
    "padded_options",
    "pcapng_blocks",
    "raw",
    "sack_option",
    "sack_permitted_option",
    "sll",
    "sll2",
    "timestamps_option",
    "window_scale_option",
    "write_pcap",
    "write_pcapng",
]

FLAG_BITS = {"F": 0x01, "S": 0x02, "R": 0x04, "P": 0x08, "A": 0x10, "U": 0x20, "E": 0x40, "C": 0x80}
TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58
FRAGMENT = 44
ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_VLAN, ETHERTYPE_QINQ = 0x0800, 0x86DD, 0x8100, 0x88A8
CLIENT_MAC, SERVER_MAC = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f">{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


# --- transport ---------------------------------------------------------------------------------


def mss_option(mss: int) -> bytes:
    return struct.pack(">BBH", 2, 4, mss)


def window_scale_option(shift: int) -> bytes:
    return struct.pack(">BBB", 3, 3, shift)


def sack_permitted_option() -> bytes:
    return b"\x04\x02"


def sack_option(blocks: Sequence[tuple[int, int]]) -> bytes:
    """`blocks` are (left, right) edges, absolute sequence numbers (RFC 2018); at most four."""
    edges = b"".join(struct.pack(">II", left & 0xFFFFFFFF, right & 0xFFFFFFFF) for left, right in blocks)
    return struct.pack(">BB", 5, 2 + len(edges)) + edges


def timestamps_option(value: int, echo: int) -> bytes:
    return struct.pack(">BBII", 8, 10, value & 0xFFFFFFFF, echo & 0xFFFFFFFF)


def padded_options(*options: bytes) -> bytes:
    """The options one after another, filled up with NOPs to a multiple of four bytes."""
    joined = b"".join(options)
    return b"\x01" * (-len(joined) % 4) + joined


@dataclass(frozen=True)
class Tcp:
    """A TCP segment (RFC 9293); `flags` are letters of FSRPAUEC, `window` is as it stands in the header (unscaled)."""

    source_port: int
    destination_port: int
    seq: int = 0
    ack: int = 0
    flags: str = "A"
    window: int = 65535
    options: bytes = b""
    payload: bytes = b""
    urgent: int = 0
    checksum: int | None = None

    protocol = TCP

    def encode(self, pseudo_header: bytes) -> bytes:
        """The bytes of the segment; `pseudo_header` holds both addresses only."""
        options = self.options + b"\0" * (-len(self.options) % 4)
        bits = sum(FLAG_BITS[letter] for letter in self.flags)
        ports = struct.pack(">HHII", self.source_port, self.destination_port, self.seq % 2**32, self.ack % 2**32)
        middle = struct.pack(">BBH", (5 + len(options) // 4) << 4, bits, self.window)
        tail = struct.pack(">H", self.urgent) + options + self.payload
        value = self.checksum
        if value is None:
            value = _transport_checksum(pseudo_header, TCP, ports + middle + b"\0\0" + tail)
        return ports + middle + struct.pack(">H", value) + tail


@dataclass(frozen=True)
class Udp:
    """A UDP datagram (RFC 768)."""

    source_port: int
    destination_port: int
    payload: bytes = b""
    checksum: int | None = None

    protocol = UDP

    def encode(self, pseudo_header: bytes) -> bytes:
        ports = struct.pack(">HHH", self.source_port, self.destination_port, 8 + len(self.payload))
        value = self.checksum
        if value is None:
            value = _transport_checksum(pseudo_header, UDP, ports + b"\0\0" + self.payload) or 0xFFFF
        return ports + struct.pack(">H", value) + self.payload


@dataclass(frozen=True)
class Icmp:
    """An ICMP message (RFC 792); `rest` is the second word, `payload` what follows: in an error the quoted packet."""

    type: int
    code: int = 0
    rest: int = 0
    payload: bytes = b""

    protocol = ICMP

    def encode(self, _pseudo_header: bytes) -> bytes:
        tail = struct.pack(">I", self.rest) + self.payload
        value = checksum(struct.pack(">BBH", self.type, self.code, 0) + tail)
        return struct.pack(">BBH", self.type, self.code, value) + tail


@dataclass(frozen=True)
class Icmpv6:
    """An ICMPv6 message (RFC 4443)."""

    type: int
    code: int = 0
    rest: int = 0
    payload: bytes = b""

    protocol = ICMPV6

    def encode(self, pseudo_header: bytes) -> bytes:
        tail = struct.pack(">I", self.rest) + self.payload
        value = _transport_checksum(pseudo_header, ICMPV6, struct.pack(">BBH", self.type, self.code, 0) + tail)
        return struct.pack(">BBH", self.type, self.code, value) + tail


Transport = Tcp | Udp | Icmp | Icmpv6


def _transport_checksum(pseudo_header: bytes, protocol: int, segment: bytes) -> int:
    # The sum over the IPv6 pseudo header equals that over the IPv4 one: the same fields, only wider.
    return checksum(pseudo_header + struct.pack(">II", len(segment), protocol) + segment)


# --- network -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ipv4:
    """An IPv4 packet (RFC 791); `offset` counts bytes and is a multiple of eight; `protocol` is needed for bytes."""

    source: str
    destination: str
    body: Transport | bytes
    protocol: int | None = None
    ttl: int = 64
    identification: int = 0
    dont_fragment: bool = True
    more_fragments: bool = False
    offset: int = 0
    options: bytes = b""
    tos: int = 0
    total_length: int | None = None

    def encode(self) -> bytes:
        addresses = IPv4Address(self.source).packed + IPv4Address(self.destination).packed
        body = self.body if isinstance(self.body, bytes) else self.body.encode(addresses)
        options = self.options + b"\0" * (-len(self.options) % 4)
        length = 20 + len(options) + len(body) if self.total_length is None else self.total_length
        bits = self.dont_fragment << 14 | self.more_fragments << 13 | self.offset // 8
        head = struct.pack(">BBHHH", 0x45 + len(options) // 4, self.tos, length, self.identification, bits)
        middle = struct.pack(">BB", self.ttl, self._protocol())
        value = checksum(head + middle + b"\0\0" + addresses + options)
        return head + middle + struct.pack(">H", value) + addresses + options + body

    def fragments(self, size: int) -> list[Ipv4]:
        """The packet in fragments that carry `size` bytes each (a multiple of eight), in order."""
        whole = self.encode()[20 + len(self.options) + -len(self.options) % 4 :]
        starts = range(0, len(whole), size)
        return [
            replace(
                self,
                body=whole[start : start + size],
                protocol=self._protocol(),
                dont_fragment=False,
                more_fragments=start + size < len(whole),
                offset=start,
            )
            for start in starts
        ]

    def _protocol(self) -> int:
        if self.protocol is not None:
            return self.protocol
        assert not isinstance(self.body, bytes), "bytes need a protocol"
        return self.body.protocol


@dataclass(frozen=True)
class Ipv6:
    """An IPv6 packet (RFC 8200); `extensions` are (header type, body after its first byte) in order."""

    source: str
    destination: str
    body: Transport | bytes
    protocol: int | None = None
    hop_limit: int = 64
    extensions: tuple[tuple[int, bytes], ...] = ()
    payload_length: int | None = None

    def encode(self) -> bytes:
        addresses = IPv6Address(self.source).packed + IPv6Address(self.destination).packed
        if isinstance(self.body, bytes):
            assert self.protocol is not None, "bytes need a protocol"
            body, following = self.body, self.protocol
        else:
            body, following = self.body.encode(addresses), self.body.protocol
        for kind, rest in reversed(self.extensions):
            body, following = bytes([following]) + rest + body, kind
        length = len(body) if self.payload_length is None else self.payload_length
        return struct.pack(">IHBB", 6 << 28, length, following, self.hop_limit) + addresses + body


def extension(kind: int, data: bytes = b"\x01\x04\0\0\0\0") -> tuple[int, bytes]:
    """A hop-by-hop (0), routing (43) or destination (60) header.

    `data` is 6, 14, 22 ... bytes; by default one PadN option.
    """
    assert len(data) % 8 == 6, "extension headers are multiples of eight bytes"
    return kind, bytes([(len(data) + 2) // 8 - 1]) + data


def fragment_extension(offset: int, identification: int, *, more: bool) -> tuple[int, bytes]:
    """The fragment header; `offset` counts bytes and is a multiple of eight."""
    return FRAGMENT, struct.pack(">BHI", 0, offset | more, identification)


Packet = Ipv4 | Ipv6 | bytes


def _network(packet: Packet) -> tuple[int, bytes]:
    data = packet if isinstance(packet, bytes) else packet.encode()
    return ETHERTYPE_IPV6 if data[:1] and data[0] >> 4 == 6 else ETHERTYPE_IPV4, data


def icmp_error(kind: int, code: int, quoted: Packet, *, rest: int = 0, quoted_bytes: int = 28) -> Icmp:
    """An ICMP error that quotes the first bytes of a packet; `rest` is the MTU in "fragmentation needed"."""
    return Icmp(kind, code, rest, _network(quoted)[1][:quoted_bytes])


def icmpv6_error(kind: int, code: int, quoted: Packet, *, rest: int = 0) -> Icmpv6:
    """An ICMPv6 error that quotes as much of a packet as fits into 1,280 bytes."""
    return Icmpv6(kind, code, rest, _network(quoted)[1][: 1280 - 48])


# --- link --------------------------------------------------------------------------------------


def ethernet(
    packet: Packet,
    *,
    source: bytes = CLIENT_MAC,
    destination: bytes = SERVER_MAC,
    vlans: Sequence[int] = (),
    ethertype: int | None = None,
) -> bytes:
    """An Ethernet II frame without FCS and padding; the outer of two or more VLAN tags is an 802.1ad tag."""
    known, data = _network(packet)
    tags = b"".join(
        struct.pack(">HH", ETHERTYPE_QINQ if depth < len(vlans) - 1 else ETHERTYPE_VLAN, vlan)
        for depth, vlan in enumerate(vlans)
    )
    return destination + source + tags + struct.pack(">H", known if ethertype is None else ethertype) + data


def sll(packet: Packet, *, outgoing: bool = False) -> bytes:
    """Linux cooked capture, version 1: LINKTYPE_LINUX_SLL."""
    ethertype, data = _network(packet)
    return struct.pack(">HHH8sH", 4 if outgoing else 0, 1, 6, CLIENT_MAC, ethertype) + data


def sll2(packet: Packet, *, outgoing: bool = False, interface: int = 2) -> bytes:
    """Linux cooked capture, version 2: LINKTYPE_LINUX_SLL2."""
    ethertype, data = _network(packet)
    return struct.pack(">HHIHBB8s", ethertype, 0, interface, 1, 4 if outgoing else 0, 6, CLIENT_MAC) + data


def null(packet: Packet, *, order: Order = "little", ipv6_family: int = 30) -> bytes:
    """BSD loopback: LINKTYPE_NULL in the capturing host's order, LINKTYPE_LOOP with `order="big"`."""
    ethertype, data = _network(packet)
    return (2 if ethertype == ETHERTYPE_IPV4 else ipv6_family).to_bytes(4, order) + data


def raw(packet: Packet) -> bytes:
    """No link layer: LINKTYPE_RAW."""
    return _network(packet)[1]
