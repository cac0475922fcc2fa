"""One TCP segment: connection facts, then what its payload and its acknowledgement mean.

Streams are numbered as TShark 4.4 does: a SYN or SYN-ACK with another sequence number, or on a closed stream, opens
a new one.
"""

from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t

from pcap_analyzer.capture.kernel.codes cimport (
    EVENT_PORT_REUSED, EVENT_RESET, EVENT_SYNACK_AGAIN, EVENT_SYN_AGAIN, NEVER, ROLE_CERTAIN,
)
from pcap_analyzer.capture.kernel.flows cimport create_flow, retire
from pcap_analyzer.capture.kernel.legs cimport add_leg
from pcap_analyzer.capture.kernel.services cimport learn_service
from pcap_analyzer.capture.kernel.state cimport Engine, Flow, Side, add_event
from pcap_analyzer.capture.kernel.track cimport follow_segment, missing_response
from pcap_analyzer.capture.kernel.wire cimport ACK, FIN, Packet, RST, SYN

cdef enum:
    COMPLETE_FIN = 16
    COMPLETE_RST = 32

cdef inline Flow *stream_of(
    Engine *e, const Packet *p, Flow *f, const uint64_t *key, uint64_t hash, uint8_t side
) noexcept nogil:
    """The packet's flow, where `f` is the newest of its tuple or NULL; a new one where TShark starts a new stream."""
    cdef uint64_t old_frame
    if f == NULL:
        return create_flow(e, p, key, hash, side)
    if p.flags & SYN and f.sides[side].has_isn and (
        p.seq != f.sides[side].isn or f.completeness & (COMPLETE_FIN | COMPLETE_RST)
    ):
        old_frame = f.last_frame
        retire(e, f, False)
        f = create_flow(e, p, key, hash, side)
        if f != NULL:
            add_event(e, f.id, EVENT_PORT_REUSED, side ^ f.client_side, p.frame, 0, old_frame)
    return f

cdef inline void note_base(Flow *f, const Packet *p, uint8_t side) noexcept nogil:
    cdef Side *mine = &f.sides[side]
    cdef Side *other = &f.sides[1 - side]
    if not mine.has_isn:
        mine.has_isn = True
        mine.isn = p.seq if p.flags & SYN else p.seq - 1
    if not other.has_isn and p.flags & ACK:
        other.has_isn = True
        other.isn = p.ack - 1
    if not mine.has_base or (p.flags & SYN and not mine.has_syn and mine.payload_frames == 0):
        mine.has_base = True
        mine.base = p.seq + (1 if p.flags & SYN else 0)
    if not other.has_base and p.flags & ACK and not p.flags & RST:
        other.has_base = True
        other.base = p.ack

cdef inline void note_syn(Engine *e, Flow *f, const Packet *p, uint8_t side) noexcept nogil:
    """A SYN or SYN-ACK: roles, options, set-up times."""
    cdef Side *mine = &f.sides[side]
    cdef Side *other = &f.sides[1 - side]
    cdef bint up = f.established_ns != NEVER
    if up and not p.flags & ACK:
        # The connection is up: whatever sends this, it is no try to make it.
        return
    mine.has_syn = True
    mine.mss = p.mss
    mine.window_scale = p.window_scale if p.window_scale >= 0 else -2
    if other.has_syn and (mine.window_scale < 0 or other.window_scale < 0):
        mine.window_scale = other.window_scale = -2
    f.role = ROLE_CERTAIN
    if p.flags & ACK:
        f.client_side = 1 - side
        if f.synack_count:
            add_event(e, f.id, EVENT_SYNACK_AGAIN, 1, p.frame, e.now - f.synack_last_ns, f.synack_last_frame)
            e.second.retransmissions += not up
        else:
            f.synack_ns = e.now
            f.synack_frame = p.frame
            learn_service(e, f)
            if f.syn_count == 1:
                add_leg(e, f, side, e.now - f.syn_ns, False)
        f.synack_count += not up
        f.synack_last_ns = e.now
        f.synack_last_frame = p.frame
        return
    f.client_side = side
    if f.syn_count:
        add_event(e, f.id, EVENT_SYN_AGAIN, 0, p.frame, e.now - f.syn_last_ns, f.syn_last_frame)
        e.second.retransmissions += 1
    else:
        f.syn_ns = e.now
        f.syn_frame = p.frame
    f.syn_count += 1
    f.syn_last_ns = e.now
    f.syn_last_frame = p.frame

cdef inline void note_established(Engine *e, Flow *f, const Packet *p) noexcept nogil:
    """The client's first ACK after the SYN-ACK."""
    f.established_ns = e.now
    f.established_frame = p.frame
    e.second.connections += 1
    if f.synack_count == 1 and p.payload_length == 0:
        add_leg(e, f, f.client_side, e.now - f.synack_ns, False)

cdef inline void note_reset(Engine *e, Flow *f, const Packet *p, uint8_t side) noexcept nogil:
    f.resets += 1
    e.second.resets += 1
    if f.reset_ns == NEVER:
        f.reset_ns = e.now
        f.reset_frame = p.frame
        f.reset_side = side
        f.reset_ttl = p.ttl
    add_event(e, f.id, EVENT_RESET, side ^ f.client_side, p.frame, missing_response(f), 0)

cdef inline void follow_tcp(Engine *e, Flow *f, const Packet *p, uint8_t side) noexcept nogil:
    note_base(f, p, side)
    if p.flags & SYN:
        note_syn(e, f, p, side)
    elif (
        f.established_ns == NEVER and f.synack_ns != NEVER and side == f.client_side
        and p.flags & ACK and not p.flags & RST
    ):
        note_established(e, f, p)
    follow_segment(e, f, p, side)
    if p.flags & FIN:
        if f.sides[side].fin_ns == NEVER:
            f.sides[side].fin_ns = e.now
        if p.flags & ACK:
            f.completeness |= COMPLETE_FIN
    if p.flags & RST:
        f.completeness |= COMPLETE_RST
        note_reset(e, f, p, side)
