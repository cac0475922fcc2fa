"""One frame from the file: time, totals, decoding, duplicates, then its flow."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from pcap_analyzer.capture.kernel.codes cimport EVENT_CLOCK_LEAP, EVENT_CLOCK_STEP, EVENT_DUPLICATE_FRAME, OVER_MEMORY
from pcap_analyzer.capture.kernel.flows cimport create_flow, evict_idle, find_flow, make_key
from pcap_analyzer.capture.kernel.fragments cimport add_fragment
from pcap_analyzer.capture.kernel.icmp cimport follow_icmp
from pcap_analyzer.capture.kernel.legs cimport round_trip
from pcap_analyzer.capture.kernel.octets cimport stir
from pcap_analyzer.capture.kernel.records cimport Frame
from pcap_analyzer.capture.kernel.series cimport open_second
from pcap_analyzer.capture.kernel.state cimport Engine, Flow, NUMBERED, SIGNATURES, Side, Signature, add_event, hash_key
from pcap_analyzer.capture.kernel.tcp cimport follow_tcp, stream_of
from pcap_analyzer.capture.kernel.udp cimport follow_udp
from pcap_analyzer.capture.kernel.wire cimport (
    DECODED, Packet, SKIP_ETHERTYPE, SKIP_FRAGMENT, SKIP_LINK, SKIP_PROTOCOL, SKIP_RECORD, Skip, TCP, UDP, decode_link,
)

cdef enum:
    DUPLICATE_NS = 500000000        # with an IP id
    DUPLICATE_BARE_NS = 10000000    # without one, while no round trip is known
    LEAP_S = 86400                  # no capture of one machine is silent for a day: its clock is wrong, or files merged


cdef inline void count_numbered(uint32_t number, uint32_t *numbers, uint64_t *frames, uint32_t *count) noexcept nogil:
    """Count one frame of kind `number`; the last place takes what does not fit."""
    cdef uint32_t i = 0
    while i < count[0] and numbers[i] != number:
        i += 1
    if i == count[0]:
        if count[0] == NUMBERED:
            i = NUMBERED - 1
        else:
            numbers[i] = number
            count[0] += 1
    frames[i] += 1

cdef inline void note_link(Engine *e, uint32_t link) noexcept nogil:
    cdef uint32_t i
    for i in range(e.link_count):
        if e.links[i] == link:
            return
    if e.link_count < NUMBERED:
        e.links[e.link_count] = link
        e.link_count += 1

cdef inline void count_skip(Engine *e, const Packet *p, Skip skip) noexcept nogil:
    if skip == DECODED:
        return
    e.skipped[<int> skip] += 1
    if skip == SKIP_LINK:
        count_numbered(p.what, e.bad_links, e.bad_link_frames, &e.bad_link_count)
    elif skip == SKIP_ETHERTYPE:
        count_numbered(p.what, e.ethertypes, e.ethertype_frames, &e.ethertype_count)
    elif skip == SKIP_PROTOCOL:
        e.protocols[p.what & 0xFF] += 1

cdef inline void note_time(Engine *e, const Frame *frame) noexcept nogil:
    """A flow's time never goes back; a backward stamp is a fault of the clock. Frames without a time take the last."""
    cdef int64_t leap
    if not frame.timed:
        return
    if not e.timed:
        e.timed = True
        e.first_ns = e.now = frame.time
    elif frame.time < e.stamp:
        e.clock_steps += 1
        add_event(e, <uint64_t> 0xFFFFFFFFFFFFFFFF, EVENT_CLOCK_STEP, 0, e.frames, e.stamp - frame.time, e.frames - 1)
    e.stamp = frame.time
    if frame.time > e.now:
        leap = frame.time - e.now
        e.now = frame.time
        if leap > <int64_t> LEAP_S * 1000000000:
            add_event(e, <uint64_t> 0xFFFFFFFFFFFFFFFF, EVENT_CLOCK_LEAP, 0, e.frames, leap, e.frames - 1)

cdef inline uint64_t duplicate_of(
    Engine *e, const Packet *p, const Flow *f, const uint64_t *key, uint8_t side
) noexcept nogil:
    """The frame of which this one is a second capture, 0 if none; the frame is remembered."""
    cdef uint64_t word = <uint64_t> p.ip_id << 48 ^ <uint64_t> p.checksum << 32 ^ p.payload_length
    cdef uint64_t h = stir(stir(key[0], key[1]) ^ key[4], stir(key[2], key[3]) ^ word ^ <uint64_t> side << 31)
    cdef int64_t limit = DUPLICATE_NS
    cdef int64_t trip
    cdef Signature *s
    cdef int way
    if p.protocol == TCP:
        h = stir(h ^ p.seq ^ <uint64_t> p.flags << 48, <uint64_t> p.ack << 32 ^ p.ts_value)
    if p.ip_id == 0:
        if p.protocol != TCP or not p.timestamped:
            return 0
        trip = round_trip(f) if f != NULL else -1
        limit = trip // 2 if trip >= 0 else DUPLICATE_BARE_NS
    s = e.signatures + (h & (SIGNATURES // 2 - 1)) * 2
    for way in range(2):
        if s[way].hash == h and s[way].frame and e.now - s[way].time <= limit:
            return s[way].frame
    s[1] = s[0]
    s[0].hash = h
    s[0].time = e.now
    s[0].frame = p.frame
    return 0

cdef inline void follow_packet(Engine *e, Packet *p) noexcept nogil:
    """A TCP or UDP packet."""
    if e.held > e.memory_limit:
        evict_idle(e, p.frame, OVER_MEMORY)
    cdef uint64_t key[5]
    cdef uint8_t side = make_key(p, key)
    cdef uint64_t hash = hash_key(e, key)
    cdef Flow *f = find_flow(e, key, hash)
    cdef uint64_t first = duplicate_of(e, p, f, key, side)
    cdef Side *s
    if first and f != NULL:
        e.duplicate_frames += 1
        f.duplicate_frames += 1
        add_event(e, f.id, EVENT_DUPLICATE_FRAME, side ^ f.client_side, p.frame, 0, first)
    elif p.protocol == TCP:
        f = stream_of(e, p, f, key, hash, side)
    elif f == NULL:
        f = create_flow(e, p, key, hash, side)
    if f == NULL:
        return
    s = &f.sides[side]
    if s.frames + f.sides[1 - side].frames == 0:
        f.first_ns = e.now
        f.first_frame = p.frame
    f.last_ns = e.now
    f.last_frame = p.frame
    s.frames += 1
    s.wire_bytes += p.wire_length
    if p.ttl > s.ttl_max:
        s.ttl_max = p.ttl
    if first:
        return
    if p.payload_length:
        s.payload_bytes += p.payload_length
        s.payload_frames += 1
        e.second.payload_bytes[side ^ f.client_side] += p.payload_length
    if p.protocol == TCP:
        follow_tcp(e, f, p, side)
    else:
        follow_udp(e, f, p, side)

cdef inline void follow_frame(Engine *e, const Frame *frame) noexcept nogil:
    cdef Packet p
    cdef Skip skip
    memset(&p, 0, sizeof(Packet))
    e.frames += 1
    note_time(e, frame)
    open_second(e)
    p.frame = e.frames
    p.time = e.now
    p.wire_length = frame.original
    p.window_scale = -1
    e.wire_bytes += frame.original
    e.second.frames += 1
    e.second.wire_bytes += frame.original
    if frame.captured < frame.original:
        e.cut_frames += 1
    if e.link_count == 0 or e.links[0] != frame.link:
        note_link(e, frame.link)
    skip = decode_link(&p, frame.link, frame.data, frame.captured)
    if skip == SKIP_FRAGMENT:
        skip = add_fragment(e, &p)
    if skip != DECODED:
        count_skip(e, &p, skip)
    elif p.protocol == TCP:
        e.tcp_frames += 1
        follow_packet(e, &p)
    elif p.protocol == UDP:
        e.udp_frames += 1
        follow_packet(e, &p)
    else:
        count_skip(e, &p, follow_icmp(e, &p))

cdef inline void count_record(Engine *e) noexcept nogil:
    """A record without a packet has a number too."""
    e.frames += 1
    e.skipped[<int> SKIP_RECORD] += 1
