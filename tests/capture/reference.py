"""A slow decoder in plain Python: the kernel's oracle for framing and headers.

It reads a whole file at once, builds objects for each packet and shares no code with the package.
"""

from __future__ import annotations

import gzip
import struct
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

RAW_LINKS = (12, 14, 101, 228, 229)
EXTENSIONS = (0, 43, 44, 51, 60, 135, 139, 140)


@dataclass(frozen=True)
class Record:
    """One record of the file as it stands there."""

    number: int
    time_ns: int
    link: int
    data: bytes
    wire_bytes: int


@dataclass(frozen=True)
class Decoded:
    """One TCP or UDP packet; `seq`, `ack` and `flags` are 0 for UDP."""

    number: int
    protocol: int
    source: tuple[bytes, int]
    target: tuple[bytes, int]
    payload_bytes: int
    wire_bytes: int
    seq: int = 0
    ack: int = 0
    flags: int = 0


@dataclass
class Totals:
    """What both directions of a conversation carried, by its unordered pair of endpoints."""

    frames: dict[tuple[bytes, int], int] = field(default_factory=lambda: defaultdict(int))
    wire_bytes: dict[tuple[bytes, int], int] = field(default_factory=lambda: defaultdict(int))
    payload_bytes: dict[tuple[bytes, int], int] = field(default_factory=lambda: defaultdict(int))


def records(path: Path) -> Iterator[Record]:
    """Every record up to the end of the file or the first one that is not whole."""
    raw = path.read_bytes()
    if raw[:2] == b"\x1f\x8b":
        raw = gzip.decompress(raw)
    yield from _pcapng(raw) if raw[:4] == b"\x0a\x0d\x0d\x0a" else _pcap(raw)


def _pcap(raw: bytes) -> Iterator[Record]:
    order, unit = {
        b"\xd4\xc3\xb2\xa1": ("<", 1000),
        b"\xa1\xb2\xc3\xd4": (">", 1000),
        b"\x4d\x3c\xb2\xa1": ("<", 1),
        b"\xa1\xb2\x3c\x4d": (">", 1),
    }[raw[:4]]
    link = struct.unpack_from(order + "I", raw, 20)[0] & 0xFFFF
    at, number = 24, 0
    while at + 16 <= len(raw):
        seconds, fraction, captured, wire_bytes = struct.unpack_from(order + "IIII", raw, at)
        if at + 16 + captured > len(raw):
            return
        number += 1
        yield Record(number, seconds * 10**9 + fraction * unit, link, raw[at + 16 : at + 16 + captured], wire_bytes)
        at += 16 + captured


def _pcapng(raw: bytes) -> Iterator[Record]:
    at, number, order = 0, 0, "<"
    interfaces: list[tuple[int, int, int, int]] = []
    while at + 12 <= len(raw):
        if raw[at : at + 4] == b"\x0a\x0d\x0d\x0a":
            order = ">" if raw[at + 8 : at + 12] == b"\x1a\x2b\x3c\x4d" else "<"
            interfaces = []
        kind, size = struct.unpack_from(order + "II", raw, at)
        body = raw[at + 8 : at + size - 4]
        if size < 12 or at + size > len(raw):
            return
        if kind == 1:
            interfaces.append(_interface(body, order))
        elif kind in (2, 6):
            layout = "HHIIII" if kind == 2 else "IIIII"
            first, *_, high, low, captured, wire_bytes = struct.unpack_from(order + layout, body)
            link, _, per_second, offset_ns = interfaces[first]
            seconds, rest = divmod(high << 32 | low, per_second)
            number += 1
            time_ns = seconds * 10**9 + rest * 10**9 // per_second + offset_ns
            yield Record(number, time_ns, link, body[20 : 20 + captured], wire_bytes)
        elif kind == 3:
            wire_bytes = struct.unpack_from(order + "I", body)[0]
            captured = min(wire_bytes, interfaces[0][1] or wire_bytes)
            number += 1
            yield Record(number, 0, interfaces[0][0], body[4 : 4 + captured], wire_bytes)
        at += size


def _interface(body: bytes, order: str) -> tuple[int, int, int, int]:
    """Link type, snap length, ticks a second, offset in ns."""
    link, _, snap = struct.unpack_from(order + "HHI", body)
    per_second, offset_ns, at = 10**6, 0, 8
    while at + 4 <= len(body):
        code, length = struct.unpack_from(order + "HH", body, at)
        value = body[at + 4 : at + 4 + length]
        if code == 9:
            per_second = 2 ** (value[0] & 127) if value[0] & 128 else 10 ** value[0]
        elif code == 14:
            offset_ns = struct.unpack(order + "q", value)[0] * 10**9
        elif code == 0:
            break
        at += 4 + (length + 3) // 4 * 4
    return link, snap, per_second, offset_ns


def decode(record: Record) -> Decoded | None:
    """The packet in a record, where it is an unfragmented TCP or UDP packet with a whole header."""
    packet = _network(record.link, record.data)
    if not packet:
        return None
    found = _ipv4(packet) if packet[0] >> 4 == 4 else _ipv6(packet) if packet[0] >> 4 == 6 else None
    if found is None:
        return None
    protocol, source, target, segment, length = found
    if protocol == 6:
        return _tcp(record, source, target, segment, length)
    if protocol == 17 and len(segment) >= 8 and length >= 8:
        ports = struct.unpack_from(">HH", segment)
        told = struct.unpack_from(">H", segment, 4)[0]
        size = told if 8 <= told <= length else length
        return Decoded(record.number, 17, (source, ports[0]), (target, ports[1]), size - 8, record.wire_bytes)
    return None


def _tcp(record: Record, source: bytes, target: bytes, segment: bytes, length: int) -> Decoded | None:
    if len(segment) < 20:
        return None
    ports = struct.unpack_from(">HH", segment)
    seq, ack, offset, flags = struct.unpack_from(">IIBB", segment, 4)
    header = (offset >> 4) * 4
    if header < 20 or header > length:
        return None
    return Decoded(
        record.number, 6, (source, ports[0]), (target, ports[1]), length - header, record.wire_bytes, seq, ack, flags
    )


def _network(link: int, data: bytes) -> bytes:
    """The IP packet in a frame, empty where there is none."""
    if link == 1:
        return _ethertype(data[14:], data[12:14]) if len(data) >= 14 else b""
    if link == 113:
        return _ethertype(data[16:], data[14:16]) if len(data) >= 16 else b""
    if link == 276:
        return _ethertype(data[20:], data[:2]) if len(data) >= 20 else b""
    if link in (0, 108):
        return data[4:]
    return data if link in RAW_LINKS else b""


def _ethertype(data: bytes, kind: bytes) -> bytes:
    while kind in (b"\x81\x00", b"\x88\xa8", b"\x91\x00"):
        kind, data = data[2:4], data[4:]
    version = {b"\x08\x00": 4, b"\x86\xdd": 6}.get(kind)
    return data if version and data and data[0] >> 4 == version else b""


def _ipv4(packet: bytes) -> tuple[int, bytes, bytes, bytes, int] | None:
    if len(packet) < 20:
        return None
    header = (packet[0] & 15) * 4
    total = int.from_bytes(packet[2:4], "big") or len(packet)
    if header < 20 or len(packet) < header or int.from_bytes(packet[6:8], "big") & 0x3FFF:
        return None
    total = max(total, header)
    return packet[9], packet[12:16], packet[16:20], packet[header:total], total - header


def _ipv6(packet: bytes) -> tuple[int, bytes, bytes, bytes, int] | None:
    if len(packet) < 40:
        return None
    length = int.from_bytes(packet[4:6], "big") or len(packet) - 40
    following, rest = packet[6], packet[40 : 40 + length]
    for _ in range(16):
        if following not in EXTENSIONS:
            return following, packet[8:24], packet[24:40], rest, length
        if len(rest) < 8 or (following == 44 and int.from_bytes(rest[2:4], "big") & 0xFFF9):
            return None
        size = 8 if following == 44 else (rest[1] + 2) * 4 if following == 51 else (rest[1] + 1) * 8
        if size > len(rest):
            return None
        following, rest, length = rest[0], rest[size:], length - size
    return None


def totals(path: Path) -> dict[tuple[int, frozenset[tuple[bytes, int]]], Totals]:
    """Sums for each conversation, over all connections between the same endpoints."""
    found: dict[tuple[int, frozenset[tuple[bytes, int]]], Totals] = defaultdict(Totals)
    for record in records(path):
        packet = decode(record)
        if packet is None:
            continue
        sums = found[packet.protocol, frozenset((packet.source, packet.target))]
        sums.frames[packet.source] += 1
        sums.wire_bytes[packet.source] += packet.wire_bytes
        sums.payload_bytes[packet.source] += packet.payload_bytes
    return dict(found)
