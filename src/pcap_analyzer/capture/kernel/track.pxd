"""The track of a flow with payload: made at the first one, freed with the flow."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from pcap_analyzer.capture.kernel.codes cimport NEVER
from pcap_analyzer.capture.kernel.exchanges cimport response_arrived
from pcap_analyzer.capture.kernel.hearing cimport hear, offset_of
from pcap_analyzer.capture.kernel.legs cimport find_pair
from pcap_analyzer.capture.kernel.payload cimport is_probe, take_payload
from pcap_analyzer.capture.kernel.segments cimport MAX_COPIES, push_ack
from pcap_analyzer.capture.kernel.state cimport Engine, Flow, Side, Track
from pcap_analyzer.capture.kernel.ways cimport AckState, Copy, Gap, STASH_SEGMENTS, Segment, Stashed, Way
from pcap_analyzer.capture.kernel.wire cimport ACK, FIN, Packet, RST, SYN

cdef inline bint make_track(Engine *e, Flow *f) noexcept nogil:
    cdef Track *t = <Track *> calloc(1, sizeof(Track))
    cdef Way *w
    cdef AckState *s
    cdef int side
    if t == NULL:
        e.out_of_memory = True
        return False
    f.track = t
    e.held += sizeof(Track)
    if f.pair == NULL:
        f.pair = find_pair(e, f)
    t.tls_start_ns = t.tls_server_hello_ns = t.tls_end_ns = t.tls_alert_ns = NEVER
    for side in range(2):
        w = &t.ways[side]
        w.last_run = w.loss_ns = w.loss_closed_ns = w.zero_ns = w.zero_event = NEVER
        w.known_acked = f.sides[side].acked if f.sides[side].has_ack else f.sides[side].top
        if f.sides[side].has_ack:
            s = push_ack(e, w, 0)
            if s == NULL:
                return False
            s.time = 0
            s.frame = 0
            s.acked = f.sides[side].acked
            s.edge = f.sides[side].edge
            s.window = f.sides[side].window
            s.moved = False
    return True

cdef inline uint64_t way_bytes(const Way *w) noexcept nogil:
    """What the arrays of one direction take: what was added to `Engine.held` for them."""
    cdef uint64_t size = w.segment_room * sizeof(Segment) + w.gap_room * sizeof(Gap) + w.ack_room * sizeof(AckState)
    if w.copies != NULL:
        size += MAX_COPIES * sizeof(Copy)
    if w.stash != NULL:
        size += STASH_SEGMENTS * sizeof(Stashed) + w.stash_bytes
    if w.hello != NULL:
        size += w.hello_length
    return size

cdef inline void free_track(Engine *e, Flow *f) noexcept nogil:
    cdef Way *w
    cdef int side
    cdef uint32_t i
    if f.track == NULL:
        return
    for side in range(2):
        w = &f.track.ways[side]
        e.held -= way_bytes(w)
        free(w.segments)
        free(w.gaps)
        free(w.acks)
        free(w.copies)
        free(w.hello)
        for i in range(w.stash_count):
            free(w.stash[i].bytes)
        free(w.stash)
    e.held -= sizeof(Track)
    free(f.track)
    f.track = NULL

cdef inline void settle_track(Engine *e, Flow *f) noexcept nogil:
    """The flow ends: a window still closed stays closed until its last packet."""
    cdef int side
    if f.track == NULL:
        return
    for side in range(2):
        if f.track.ways[side].zero_ns != NEVER:
            f.track.ways[side].zero_window_ns += f.last_ns - f.track.ways[side].zero_ns

cdef inline void follow_segment(Engine *e, Flow *f, const Packet *p, uint8_t side) noexcept nogil:
    """Acknowledgement first, as the sender knew what it acknowledges before it sent its own payload."""
    cdef Side *mine = &f.sides[side]
    cdef int64_t start
    hear(e, f, p, side)
    if p.payload_length and not p.flags & RST:
        if f.track == NULL and not make_track(e, f):
            return
        take_payload(e, f, p, side)
    elif f.track != NULL and p.payload_length == 0 and not p.flags & (SYN | FIN | RST):
        start = offset_of(mine, p.seq)
        if start == mine.top - 1:
            is_probe(e, f, p, side, start)
    if p.flags & FIN:
        mine.has_fin = True

cdef inline int64_t missing_response(const Flow *f) noexcept nogil:
    """Bytes of the response at hand still to come where framing tells, else NEVER."""
    if f.track == NULL or not f.track.turn.used or f.track.turn.response_high == 0:
        return NEVER
    if f.track.turn.framed_complete:
        return 0
    if f.track.turn.body_end < 0:
        return NEVER
    return max(<int64_t> 0, f.track.turn.body_end - response_arrived(f, &f.track.turn))
