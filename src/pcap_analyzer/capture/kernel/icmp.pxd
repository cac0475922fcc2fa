"""ICMP and ICMPv6 errors (RFC 792, RFC 4443): an event on the flow that they quote."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from pcap_analyzer.capture.kernel.codes cimport EVENT_FRAGMENTATION, EVENT_TIME_EXCEEDED, EVENT_UNREACHABLE, EventCode
from pcap_analyzer.capture.kernel.dns cimport refuse_lookups
from pcap_analyzer.capture.kernel.flows cimport create_flow, find_flow, make_key
from pcap_analyzer.capture.kernel.octets cimport be16, be32
from pcap_analyzer.capture.kernel.state cimport Engine, Flow, add_event, hash_key
from pcap_analyzer.capture.kernel.wire cimport (
    DECODED, ICMP, ICMP_HEADER, IPV4_HEADER, IPV4_PROTOCOL, IPV4_SOURCE, IPV6_HEADER, IPV6_NEXT, IPV6_SOURCE, Packet,
    SKIP_ICMP, SKIP_QUOTE, Skip, TCP, UDP,
)

cdef enum:
    UNREACHABLE = 3
    TIME_EXCEEDED = 11
    FRAGMENTATION_CODE = 4
    V6_UNREACHABLE = 1
    V6_TOO_BIG = 2
    V6_TIME_EXCEEDED = 3
    QUOTED = 8          # what RFC 792 promises: ports, and the sequence number of TCP
    NUMBERED_TCP = 16   # TShark gives a stream number to a quote from so many bytes on

cdef inline bint read_quote(const Packet *p, Packet *quote) noexcept nogil:
    """Addresses, ports and, for TCP, the sequence number of the packet that an error quotes."""
    cdef const uint8_t *d = p.segment + ICMP_HEADER
    cdef uint32_t n = p.segment_captured - ICMP_HEADER
    cdef uint32_t header
    memset(quote, 0, sizeof(Packet))
    quote.frame = p.frame
    if n < IPV4_HEADER:
        return False
    if d[0] >> 4 == 4:
        quote.version = 4
        header = (d[0] & 15) * 4
        quote.protocol = d[IPV4_PROTOCOL]
        quote.source = d + IPV4_SOURCE
        quote.target = d + IPV4_SOURCE + 4
    elif d[0] >> 4 == 6 and n >= IPV6_HEADER:
        quote.version = 6
        header = IPV6_HEADER
        quote.protocol = d[IPV6_NEXT]
        quote.source = d + IPV6_SOURCE
        quote.target = d + IPV6_SOURCE + 16
    else:
        return False
    if quote.protocol != TCP and quote.protocol != UDP:
        return False
    if header < IPV4_HEADER or n < header + QUOTED:
        return False
    quote.segment_captured = n - header
    quote.source_port = be16(d + header)
    quote.target_port = be16(d + header + 2)
    quote.seq = be32(d + header + 4) if quote.protocol == TCP else 0
    return True

cdef inline uint64_t quoted_frame(const Flow *f, const Packet *quote, uint8_t side) noexcept nogil:
    """The frame of the quoted packet where it is a SYN, else 0: unknown."""
    if quote.protocol == TCP and side == f.client_side and f.syn_count and quote.seq == f.sides[side].isn:
        return f.syn_last_frame
    return 0

cdef inline EventCode error_kind(const Packet *p, int64_t *value) noexcept nogil:
    """The event that an error stands for and its value; 0 for other messages."""
    cdef uint8_t kind = p.segment[0]
    cdef uint8_t code = p.segment[1]
    value[0] = kind << 8 | code
    if p.protocol == ICMP:
        if kind == UNREACHABLE and code == FRAGMENTATION_CODE:
            value[0] = be16(p.segment + 6)
            return EVENT_FRAGMENTATION
        if kind == UNREACHABLE:
            return EVENT_UNREACHABLE
        return EVENT_TIME_EXCEEDED if kind == TIME_EXCEEDED else <EventCode> 0
    if kind == V6_TOO_BIG:
        value[0] = be32(p.segment + 4)
        return EVENT_FRAGMENTATION
    if kind == V6_UNREACHABLE:
        return EVENT_UNREACHABLE
    return EVENT_TIME_EXCEEDED if kind == V6_TIME_EXCEEDED else <EventCode> 0

cdef inline Skip follow_icmp(Engine *e, const Packet *p) noexcept nogil:
    cdef Packet quote
    cdef uint64_t key[5]
    cdef uint64_t hash
    cdef uint8_t side
    cdef int64_t value = 0
    cdef EventCode kind = error_kind(p, &value)
    cdef Flow *f
    if <int> kind == 0:
        return SKIP_ICMP
    if not read_quote(p, &quote):
        return SKIP_QUOTE
    side = make_key(&quote, key)
    hash = hash_key(e, key)
    f = find_flow(e, key, hash)
    if f == NULL and quote.protocol == TCP and quote.segment_captured < NUMBERED_TCP:
        return SKIP_QUOTE
    if f == NULL:
        # TShark numbers a stream for the quote alone; such a flow without frames gets no row.
        f = create_flow(e, &quote, key, hash, side)
        if f == NULL:
            return DECODED
    add_event(e, f.id, kind, 1 - (side ^ f.client_side), p.frame, value, quoted_frame(f, &quote, side))
    if quote.protocol == UDP and kind == EVENT_UNREACHABLE:
        refuse_lookups(e, f)
    return DECODED
