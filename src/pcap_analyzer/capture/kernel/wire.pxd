"""Link, network and transport headers: one validated step a layer.

Each step checks the length of its layer once and then reads fields freely. A step that cannot go on says why by
returning a `Skip`; nothing raises. Offsets are named beside the header they describe.
"""

from libc.stdint cimport int8_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from pcap_analyzer.capture.kernel.octets cimport be16, be32, half, word

cdef enum Flag:
    FIN = 0x01
    SYN = 0x02
    RST = 0x04
    PSH = 0x08
    ACK = 0x10

cdef enum:
    ICMP = 1
    TCP = 6
    UDP = 17
    ICMPV6 = 58
    MAX_SACK = 4
    MAX_TAGS = 8        # VLAN tags followed in one frame
    MAX_EXTENSIONS = 16  # IPv6 extension headers followed in one packet

#: Why a frame is no TCP or UDP packet. SKIP_LINK, SKIP_ETHERTYPE and SKIP_PROTOCOL carry a number in `Packet.what`.
cdef enum Skip:
    DECODED = 0
    SKIP_LINK
    SKIP_ETHERTYPE
    SKIP_PROTOCOL
    SKIP_SHORT_LINK
    SKIP_SHORT_IPV4
    SKIP_SHORT_IPV6
    SKIP_IP_VERSION
    SKIP_FRAGMENT       # held for reassembly: counted as a fragment, not as a fault
    SKIP_SHORT_TCP
    SKIP_TCP_OFFSET
    SKIP_SHORT_UDP
    SKIP_SHORT_ICMP
    SKIP_ICMP           # echo and the like: nothing to follow
    SKIP_EXTENSIONS
    SKIP_QUOTE
    SKIP_NOT_IP         # control frames of the link layer
    SKIP_RECORD         # a record of the file that holds no packet
    SKIP_COUNT

cdef enum LinkType:
    LINK_NULL = 0
    LINK_ETHERNET = 1
    LINK_RAW_BSD = 12
    LINK_RAW_OPENBSD = 14
    LINK_RAW = 101
    LINK_LOOP = 108
    LINK_SLL = 113
    LINK_IPV4 = 228
    LINK_IPV6 = 229
    LINK_SLL2 = 276

cdef enum:
    ETHERNET_TYPE = 12
    ETHERNET_HEADER = 14
    VLAN_TAG = 4
    SLL_TYPE = 14
    SLL_HEADER = 16
    SLL2_HEADER = 20
    TYPE_IPV4 = 0x0800
    TYPE_ARP = 0x0806
    TYPE_VLAN = 0x8100
    TYPE_IPV6 = 0x86DD
    TYPE_QINQ = 0x88A8
    TYPE_QINQ_OLD = 0x9100
    IPV4_LENGTH = 2
    IPV4_ID = 4
    IPV4_FRAGMENT = 6
    IPV4_TTL = 8
    IPV4_PROTOCOL = 9
    IPV4_SOURCE = 12
    IPV4_HEADER = 20
    IPV6_LENGTH = 4
    IPV6_NEXT = 6
    IPV6_HOPS = 7
    IPV6_SOURCE = 8
    IPV6_HEADER = 40
    TCP_SEQ = 4
    TCP_ACK = 8
    TCP_OFFSET = 12
    TCP_FLAGS = 13
    TCP_WINDOW = 14
    TCP_CHECKSUM = 16
    TCP_HEADER = 20
    UDP_LENGTH = 4
    UDP_CHECKSUM = 6
    UDP_HEADER = 8
    ICMP_HEADER = 8

#: One decoded frame. Pointers are into the read buffer or a reassembled datagram: valid while the frame is handled.
cdef struct Packet:
    uint64_t frame
    int64_t time            # ns, never before the frame before it
    uint32_t wire_length
    uint32_t what           # number that goes with a Skip
    # network
    const uint8_t *ip
    uint32_t ip_captured
    const uint8_t *source
    const uint8_t *target
    uint8_t version
    uint8_t protocol
    uint8_t ttl
    uint16_t ip_id          # 0 for IPv6
    bint fragment
    bint more_fragments
    bint fragment_whole     # the fragment's bytes were all captured
    uint32_t fragment_id
    uint32_t fragment_offset
    # transport
    const uint8_t *segment
    uint32_t segment_captured
    uint32_t segment_length  # by the IP header
    uint16_t source_port
    uint16_t target_port
    uint16_t checksum
    uint32_t seq
    uint32_t ack
    uint16_t window
    uint8_t flags
    const uint8_t *payload
    uint32_t payload_captured
    uint32_t payload_length
    # TCP options
    bint timestamped
    uint32_t ts_value
    uint32_t ts_echo
    uint16_t mss            # 0: absent
    int8_t window_scale     # -1: absent
    uint8_t sacks
    uint32_t sack[2 * MAX_SACK]

cdef inline Skip decode_ethertype(Packet *p, const uint8_t *d, uint32_t n, uint32_t kind) noexcept nogil:
    """Follow VLAN tags from the two bytes `kind` that stand before `d`, then the network layer."""
    cdef int tags = 0
    while kind == TYPE_VLAN or kind == TYPE_QINQ or kind == TYPE_QINQ_OLD:
        if n < VLAN_TAG or tags == MAX_TAGS:
            return SKIP_SHORT_LINK
        kind = be16(d + 2)
        d += VLAN_TAG
        n -= VLAN_TAG
        tags += 1
    if kind == TYPE_IPV4:
        return decode_ipv4(p, d, n)
    if kind == TYPE_IPV6:
        return decode_ipv6(p, d, n)
    p.what = kind
    # Below 0x600 the field is a length: IEEE 802.3 with LLC (spanning tree, CDP).
    return SKIP_ETHERTYPE if kind >= 0x600 else SKIP_NOT_IP

cdef inline Skip decode_ip(Packet *p, const uint8_t *d, uint32_t n) noexcept nogil:
    """IP without a link header: the first half-byte tells the version."""
    if n < 1:
        return SKIP_SHORT_LINK
    if d[0] >> 4 == 4:
        return decode_ipv4(p, d, n)
    if d[0] >> 4 == 6:
        return decode_ipv6(p, d, n)
    return SKIP_IP_VERSION

cdef inline Skip decode_link(Packet *p, uint32_t link, const uint8_t *d, uint32_t n) noexcept nogil:
    """Set the network and, for a whole TCP, UDP or ICMP header, the transport fields of `p`."""
    if link == LINK_ETHERNET:
        if n < ETHERNET_HEADER:
            return SKIP_SHORT_LINK
        return decode_ethertype(p, d + ETHERNET_HEADER, n - ETHERNET_HEADER, be16(d + ETHERNET_TYPE))
    if link == LINK_SLL:
        if n < SLL_HEADER:
            return SKIP_SHORT_LINK
        return decode_ethertype(p, d + SLL_HEADER, n - SLL_HEADER, be16(d + SLL_TYPE))
    if link == LINK_SLL2:
        if n < SLL2_HEADER:
            return SKIP_SHORT_LINK
        return decode_ethertype(p, d + SLL2_HEADER, n - SLL2_HEADER, be16(d))
    if link == LINK_RAW or link == LINK_RAW_BSD or link == LINK_RAW_OPENBSD or link == LINK_IPV4 or link == LINK_IPV6:
        return decode_ip(p, d, n)
    if link == LINK_NULL or link == LINK_LOOP:
        # The address family is in the byte order of the capturing host and differs by system: IP's own version decides.
        return decode_ip(p, d + 4, n - 4) if n > 4 else SKIP_SHORT_LINK
    p.what = link
    return SKIP_LINK

cdef inline Skip decode_ipv4(Packet *p, const uint8_t *d, uint32_t n) noexcept nogil:
    """RFC 791. A total length of 0 is segmentation offload: the frame tells the length."""
    if n < IPV4_HEADER:
        return SKIP_SHORT_IPV4
    if d[0] >> 4 != 4:
        return SKIP_IP_VERSION
    cdef uint32_t header = (d[0] & 15) * 4
    cdef uint32_t total = be16(d + IPV4_LENGTH)
    cdef uint32_t fragment = be16(d + IPV4_FRAGMENT)
    if header < IPV4_HEADER or n < header:
        return SKIP_SHORT_IPV4
    if total == 0 or total < header:
        total = n if total == 0 else header
    p.ip = d
    p.ip_captured = n
    p.version = 4
    p.ttl = d[IPV4_TTL]
    p.protocol = d[IPV4_PROTOCOL]
    p.ip_id = be16(d + IPV4_ID)
    p.source = d + IPV4_SOURCE
    p.target = d + IPV4_SOURCE + 4
    p.segment = d + header
    p.segment_length = total - header
    p.segment_captured = min(n, total) - header if min(n, total) > header else 0
    if fragment & 0x3FFF:
        p.fragment = True
        p.more_fragments = (fragment & 0x2000) != 0
        p.fragment_offset = (fragment & 0x1FFF) * 8
        p.fragment_id = p.ip_id
        return SKIP_FRAGMENT
    return decode_transport(p)

cdef inline Skip decode_ipv6(Packet *p, const uint8_t *d, uint32_t n) noexcept nogil:
    """RFC 8200, with the extension headers that carry a length. A payload length of 0 is a jumbogram or offload."""
    if n < IPV6_HEADER:
        return SKIP_SHORT_IPV6
    if d[0] >> 4 != 6:
        return SKIP_IP_VERSION
    cdef uint32_t length = be16(d + IPV6_LENGTH)
    cdef uint32_t left
    cdef uint32_t size
    cdef uint8_t following = d[IPV6_NEXT]
    cdef int headers = 0
    p.ip = d
    p.ip_captured = n
    p.version = 6
    p.ttl = d[IPV6_HOPS]
    p.ip_id = 0
    p.source = d + IPV6_SOURCE
    p.target = d + IPV6_SOURCE + 16
    left = n - IPV6_HEADER
    if length == 0:
        length = left
    d += IPV6_HEADER
    left = min(left, length)
    while following in (0, 43, 44, 51, 60, 135, 139, 140):
        if left < 8 or headers == MAX_EXTENSIONS:
            return SKIP_SHORT_IPV6 if left < 8 else SKIP_EXTENSIONS
        size = 8 if following == 44 else (d[1] + 2) * 4 if following == 51 else (d[1] + 1) * 8
        if size > left or size > length:
            return SKIP_SHORT_IPV6
        if following == 44 and be16(d + 2) & 0xFFF9:
            p.fragment = True
            p.more_fragments = d[3] & 1
            p.fragment_offset = be16(d + 2) & 0xFFF8
            p.fragment_id = be32(d + 4)
        following = d[0]
        d += size
        left -= size
        length -= size
        headers += 1
        if p.fragment:
            break
    p.protocol = following
    p.segment = d
    p.segment_length = length
    p.segment_captured = left
    return SKIP_FRAGMENT if p.fragment else decode_transport(p)

cdef inline Skip decode_transport(Packet *p) noexcept nogil:
    if p.protocol == TCP:
        return decode_tcp(p)
    if p.protocol == UDP:
        return decode_udp(p)
    if p.protocol == ICMP or p.protocol == ICMPV6:
        return DECODED if p.segment_captured >= ICMP_HEADER else SKIP_SHORT_ICMP
    p.what = p.protocol
    return SKIP_PROTOCOL

cdef inline Skip decode_tcp(Packet *p) noexcept nogil:
    """RFC 9293. The payload's length comes from the IP header; the options that were captured are read."""
    cdef const uint8_t *d = p.segment
    if p.segment_captured < TCP_HEADER:
        return SKIP_SHORT_TCP
    cdef uint32_t header = (d[TCP_OFFSET] >> 4) * 4
    if header < TCP_HEADER or header > p.segment_length:
        return SKIP_TCP_OFFSET
    p.source_port = be16(d)
    p.target_port = be16(d + 2)
    p.seq = be32(d + TCP_SEQ)
    p.ack = be32(d + TCP_ACK)
    p.flags = d[TCP_FLAGS]
    p.window = be16(d + TCP_WINDOW)
    p.checksum = be16(d + TCP_CHECKSUM)
    p.payload = d + header
    p.payload_length = p.segment_length - header
    p.payload_captured = p.segment_captured - header if p.segment_captured > header else 0
    if header > TCP_HEADER:
        decode_tcp_options(p, d + TCP_HEADER, min(header, p.segment_captured) - TCP_HEADER)
    return DECODED

cdef inline void decode_tcp_options(Packet *p, const uint8_t *d, uint32_t n) noexcept nogil:
    """MSS, window scale, SACK (RFC 2018), timestamps (RFC 7323)."""
    cdef uint32_t at = 0
    cdef uint32_t size
    cdef uint32_t block
    # The layout that nearly every segment of an established connection has: NOP, NOP, timestamps.
    if n == 12 and be32(d) == 0x0101080A:
        p.timestamped = True
        p.ts_value = be32(d + 4)
        p.ts_echo = be32(d + 8)
        return
    while at < n and d[at] != 0:
        if d[at] == 1:
            at += 1
            continue
        if at + 1 >= n:
            return
        size = d[at + 1]
        if size < 2 or at + size > n:
            return
        if d[at] == 2 and size == 4:
            p.mss = be16(d + at + 2)
        elif d[at] == 3 and size == 3:
            p.window_scale = <int8_t> min(<int> d[at + 2], 14)
        elif d[at] == 5:
            p.sacks = 0
            block = at + 2
            while block + 8 <= at + size and p.sacks < MAX_SACK:
                p.sack[2 * p.sacks] = be32(d + block)
                p.sack[2 * p.sacks + 1] = be32(d + block + 4)
                p.sacks += 1
                block += 8
        elif d[at] == 8 and size == 10:
            p.timestamped = True
            p.ts_value = be32(d + at + 2)
            p.ts_echo = be32(d + at + 6)
        at += size

cdef inline Skip decode_udp(Packet *p) noexcept nogil:
    """RFC 768. A UDP length of 0 is a jumbogram or offload: IP tells the length."""
    cdef const uint8_t *d = p.segment
    if p.segment_captured < UDP_HEADER or p.segment_length < UDP_HEADER:
        return SKIP_SHORT_UDP
    cdef uint32_t length = be16(d + UDP_LENGTH)
    if length < UDP_HEADER or length > p.segment_length:
        length = p.segment_length
    p.source_port = be16(d)
    p.target_port = be16(d + 2)
    p.checksum = be16(d + UDP_CHECKSUM)
    p.payload = d + UDP_HEADER
    p.payload_length = length - UDP_HEADER
    p.payload_captured = min(p.segment_captured, length) - UDP_HEADER
    return DECODED

cdef inline void load_address(const uint8_t *address, uint8_t version, uint64_t *low, uint64_t *high) noexcept nogil:
    """An address as two words in memory order; IPv4 leaves the second one 0."""
    if version == 4:
        low[0] = half(address)
        high[0] = 0
    else:
        low[0] = word(address)
        high[0] = word(address + 8)
