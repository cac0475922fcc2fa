"""Reassembly of IPv4 and IPv6 fragments (RFC 791, RFC 8200): a datagram counts at the fragment that completes it.

The engine owns `DATAGRAMS` buffers of 64 KiB, made at first use. The longest untouched one gives way, counted.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcmp, memcpy, memset

from pcap_analyzer.capture.kernel.codes cimport OVER_FRAGMENTS
from pcap_analyzer.capture.kernel.state cimport DATAGRAMS, DATAGRAM_BYTES, Datagram, Engine, overflow
from pcap_analyzer.capture.kernel.wire cimport Packet, SKIP_FRAGMENT, Skip, decode_transport

cdef enum:
    UNITS = DATAGRAM_BYTES // 8

cdef inline Datagram *find_datagram(Engine *e, const Packet *p) noexcept nogil:
    """The datagram that the fragment belongs to, or a fresh one; NULL when memory is out."""
    cdef int size = 4 if p.version == 4 else 16
    cdef Datagram *d
    cdef Datagram *oldest = &e.datagrams[0]
    cdef int i
    for i in range(DATAGRAMS):
        d = &e.datagrams[i]
        if d.used and d.id == p.fragment_id and d.version == p.version and d.protocol == p.protocol \
                and memcmp(d.addresses, p.source, 2 * size) == 0:
            return d
        if oldest.used and (not d.used or d.touched < oldest.touched):
            oldest = d
    if oldest.used:
        overflow(e, OVER_FRAGMENTS, p.frame)
    if oldest.bytes == NULL:
        oldest.bytes = <uint8_t *> malloc(DATAGRAM_BYTES)
        oldest.have = <uint8_t *> malloc(UNITS)
        if oldest.bytes == NULL or oldest.have == NULL:
            e.out_of_memory = True
            return NULL
    memset(oldest.have, 0, UNITS)
    oldest.used = True
    oldest.id = p.fragment_id
    oldest.version = p.version
    oldest.protocol = p.protocol
    memcpy(oldest.addresses, p.source, 2 * size)
    oldest.length = -1
    oldest.pieces = 0
    oldest.held = 0
    oldest.captured = 0
    return oldest

cdef inline Skip add_fragment(Engine *e, Packet *p) noexcept nogil:
    """DECODED once `p` describes the whole datagram, SKIP_FRAGMENT before, another reason where it is broken."""
    cdef uint32_t length = p.segment_length
    cdef uint32_t start = p.fragment_offset
    cdef Datagram *d
    cdef uint32_t unit
    cdef Skip skip
    if start + length > DATAGRAM_BYTES or (p.more_fragments and length % 8) or length == 0:
        return SKIP_FRAGMENT
    d = find_datagram(e, p)
    if d == NULL:
        return SKIP_FRAGMENT
    d.touched = p.frame
    d.pieces += 1
    if not p.more_fragments and d.length < 0:
        d.length = start + length
    if p.segment_captured < length:
        memset(d.bytes + start, 0, length)
    memcpy(d.bytes + start, p.segment, p.segment_captured)
    for unit in range(start // 8, (start + length + 7) // 8):
        d.held += 1 - d.have[unit]
        d.have[unit] = 1
    if start == 0:
        d.captured = p.segment_captured
    elif p.segment_captured == length and d.captured >= start:
        d.captured = max(d.captured, start + length)
    if d.length < 0 or d.held < (d.length + 7) // 8:
        return SKIP_FRAGMENT
    d.used = False
    # Its earlier fragments were counted as such when they came.
    e.skipped[<int> SKIP_FRAGMENT] -= d.pieces - 1
    p.segment = d.bytes
    p.segment_length = <uint32_t> d.length
    p.segment_captured = min(d.captured, p.segment_length)
    skip = decode_transport(p)
    return skip

cdef inline void free_datagrams(Engine *e) noexcept nogil:
    cdef int i
    for i in range(DATAGRAMS):
        free(e.datagrams[i].bytes)
        free(e.datagrams[i].have)
