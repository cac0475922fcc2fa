"""Words for the kernel's codes: why a file stops, why a frame was not followed, which limit was hit."""

#: By the code of `records.Fault`; `{value}` is the number that goes with it.
_DAMAGE = (
    "",
    "A record claims a length of {value} bytes, more than any capture tool writes.",
    "A block claims a length of {value} bytes, which cannot be.",
    "A block ends with a length of {value}, other than the one at its start.",
    "A block is too short for what it says it holds ({value} bytes).",
    "A packet names interface {value}, which the file has not described.",
    "A section header lacks its byte-order mark (found {value:#010x}).",
    "An interface has a time resolution that cannot be ({value}).",
    "The file describes more than {value} interfaces.",
)

#: By the code of `wire.Skip`; None where the kind is named by its number or is no fault.
UNDECODED_KINDS = (
    None,
    None,
    None,
    None,
    "short link header",
    "short IPv4 header",
    "short IPv6 header",
    "neither IPv4 nor IPv6",
    "fragment without the rest",
    "short TCP header",
    "impossible TCP header length",
    "short UDP header",
    "short ICMP header",
    "ICMP other than errors",
    "too many IPv6 extension headers",
    "ICMP error with an unreadable quote",
    "link-layer control frame",
    "record without a packet",
)

#: By the code of `state.Overflow`.
OVERFLOW_KINDS = (
    "live flows",
    "unacknowledged segments",
    "open gaps",
    "remembered acknowledgements",
    "bytes ahead of a gap",
    "datagrams under reassembly",
    "open DNS lookups",
    "host pairs",
    "undecided resends",
    "memory of live flows",
)

_ETHERTYPES = {
    0x0806: "ARP",
    0x8035: "RARP",
    0x8137: "IPX",
    0x8847: "MPLS",
    0x8848: "MPLS",
    0x8863: "PPPoE discovery",
    0x8864: "PPPoE session",
    0x888E: "802.1X",
    0x88CC: "LLDP",
    0x88E5: "MACsec",
    0x88F7: "PTP",
    0x9000: "loopback test",
}


def damage_sentence(code: int, value: int) -> str:
    """What is wrong with the file at the place where reading stopped."""
    return _DAMAGE[code].format(value=value)


def ethertype_name(ethertype: int) -> str:
    """The protocol that the number stands for, or the number."""
    return _ETHERTYPES.get(ethertype, f"EtherType {ethertype:#06x}")
