"""Builds DNS messages (RFC 1035): queries and answers; no name compression except for the owner of each record."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "HTTPS": 65}
RCODES = {"NOERROR": 0, "FORMERR": 1, "SERVFAIL": 2, "NXDOMAIN": 3, "NOTIMP": 4, "REFUSED": 5}
RESPONSE, TRUNCATED, RECURSION_DESIRED, RECURSION_AVAILABLE = 0x8000, 0x0200, 0x0100, 0x0080


def encoded_name(name: str) -> bytes:
    """Labels with their lengths; the root is the empty name."""
    labels = [label.encode("ascii") for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


@dataclass(frozen=True)
class DnsRecord:
    """A resource record; `owner` None points to the name in question."""

    type: str
    data: bytes
    ttl_s: int = 300
    owner: str | None = None

    def encode(self) -> bytes:
        owner = b"\xc0\x0c" if self.owner is None else encoded_name(self.owner)
        return owner + struct.pack(">HHIH", TYPES[self.type], 1, self.ttl_s, len(self.data)) + self.data


def address_record(address: str, *, owner: str | None = None) -> DnsRecord:
    """An A or AAAA record."""
    parsed = ip_address(address)
    return DnsRecord("A" if parsed.version == 4 else "AAAA", parsed.packed, owner=owner)


def name_record(kind: str, target: str) -> DnsRecord:
    """A record that holds a name: CNAME, NS or PTR."""
    return DnsRecord(kind, encoded_name(target))


def dns_query(identifier: int, name: str, kind: str = "A") -> bytes:
    """A query that asks for recursion."""
    header = struct.pack(">HHHHHH", identifier, RECURSION_DESIRED, 1, 0, 0, 0)
    return header + encoded_name(name) + struct.pack(">HH", TYPES[kind], 1)


def dns_response(
    query: bytes, answers: Sequence[DnsRecord] = (), *, rcode: str = "NOERROR", truncated: bool = False
) -> bytes:
    """The answer to `query`, whose identifier and question it repeats."""
    (identifier,) = struct.unpack_from(">H", query)
    flags = RESPONSE | RECURSION_DESIRED | RECURSION_AVAILABLE | RCODES[rcode] | (TRUNCATED if truncated else 0)
    header = struct.pack(">HHHHHH", identifier, flags, 1, len(answers), 0, 0)
    return header + query[12:] + b"".join(answer.encode() for answer in answers)
