"""Silences inside a run, with what the sender knew just before it went on.

The sender's knowledge is the receiver's acknowledgements shifted by the sender's leg: what passed the capture point
at u reaches the sender, and shows in its packets here, at u + leg.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from pcap_analyzer.capture.kernel.codes cimport KIND_COPY, Kind, NEVER, OVER_ACKS
from pcap_analyzer.capture.kernel.legs cimport leg_now, queue_stands, round_trip
from pcap_analyzer.capture.kernel.rows cimport PauseRow, rows_add
from pcap_analyzer.capture.kernel.segments cimport ack_at, find_segment, first_ack_after, segment_at
from pcap_analyzer.capture.kernel.state cimport Engine, Flow, overflow
from pcap_analyzer.capture.kernel.ways cimport AckState, DOUBTS, Way
from pcap_analyzer.capture.kernel.wire cimport Packet

cdef enum:
    PAUSE_NS = 1000000

cdef inline bint scale_known(const Flow *f) noexcept nogil:
    return f.sides[0].window_scale != -1 and f.sides[1].window_scale != -1

cdef inline uint64_t find_release(Way *w, int64_t start, int64_t end, int64_t leg, int64_t trip) noexcept nogil:
    """Number of the state that let the sender go on, else one past the newest."""
    cdef uint64_t none = w.ack_base + w.ack_count
    cdef int64_t tolerance = max(<int64_t> PAUSE_NS, max(trip, 0) // 4)
    cdef uint64_t i
    if leg < 0:
        # The sender's leg is unknown: the last move inside the pause.
        i = first_ack_after(w, end)
        while i > w.ack_base and ack_at(w, i - 1).time > start:
            i -= 1
            if ack_at(w, i).moved:
                return i
        return none
    i = first_ack_after(w, max(end - leg - tolerance, start - leg))
    while i < none and ack_at(w, i).time <= min(end, end - leg + tolerance):
        if ack_at(w, i).moved:
            return i
        i += 1
    return none

cdef inline void fill_knowledge(Engine *e, Flow *f, Way *w, PauseRow *row, int64_t top, int64_t leg) noexcept nogil:
    """Release, flight and window as the sender knew them; `top` is the highest byte sent before the pause."""
    cdef uint64_t release = find_release(w, row.start_ns, row.end_ns, leg, round_trip(f))
    cdef uint64_t state
    cdef AckState *s
    row.release_ns = NEVER
    row.in_flight_bytes = NEVER
    row.window_room_bytes = NEVER
    if w.ack_count == 0:
        return
    if release < w.ack_base + w.ack_count:
        row.release_ns = ack_at(w, release).time
        row.release_frame = ack_at(w, release).frame
        state = release
    else:
        state = first_ack_after(w, row.end_ns - max(leg, 0))
    if state > w.ack_base:
        state -= 1
    elif w.ack_base:
        overflow(e, OVER_ACKS, row.end_frame)
    s = ack_at(w, state)
    row.in_flight_bytes = max(0, top - s.acked)
    row.window_room_bytes = s.edge - top
    row.window_bytes = s.window
    row.window_known = s.window == 0 or scale_known(f)

cdef inline void fill_hole(Engine *e, Way *w, PauseRow *row, int64_t start, int64_t leg) noexcept nogil:
    """Whether a loss stood open inside the pause, and its first sign.

    Gaps that were acknowledged are the capture's, and so are the others of a sender from which it missed packets.
    """
    cdef int64_t sign = NEVER
    cdef uint32_t open_gaps = 0
    cdef uint32_t i
    cdef int64_t found
    cdef bint doubtful
    for i in range(w.gap_count):
        if not w.gaps[i].acked and w.acked_unseen == 0:
            open_gaps += 1
            if sign < 0 or w.gaps[i].time < sign:
                sign = w.gaps[i].time
    doubtful = open_gaps == 1
    if w.loss_ns != NEVER:
        sign = w.loss_ns if sign < 0 else min(sign, w.loss_ns)
        doubtful = False
    elif w.loss_closed_ns > row.start_ns:
        sign = w.loss_closed_sign_ns if sign < 0 else min(sign, w.loss_closed_sign_ns)
        doubtful = False
    if row.next_kind == KIND_COPY:
        found = find_segment(w, start)
        doubtful = False
        if found < w.segment_count:
            # The acknowledgement of the copy before was due one leg of the receiver after it.
            sign = min(sign if sign >= 0 else row.end_ns, segment_at(w, found).time + max(leg, 0))
        elif sign < 0:
            sign = row.end_ns
    row.hole_open = sign >= 0
    row.hole_sign_ns = sign
    if doubtful and w.doubts < DOUBTS:
        w.doubtful[w.doubts] = e.rows[2].total - 1
        w.doubts += 1

cdef inline int64_t add_pause(
    Engine *e, Flow *f, const Packet *p, uint8_t side, int64_t start, Kind kind
) noexcept nogil:
    """The row for the silence that packet `p` (payload from offset `start`) ends; state is that before the packet."""
    cdef Way *w = &f.track.ways[side]
    cdef PauseRow *row = <PauseRow *> rows_add(&e.rows[2])
    if row == NULL:
        e.out_of_memory = True
        return -1
    row.flow = f.id
    row.exchange = f.track.turn.row.index
    row.direction = side ^ f.client_side
    row.start_ns = w.last_ns
    row.end_ns = e.now
    row.start_frame = w.last_frame
    row.end_frame = p.frame
    row.next_kind = kind
    row.next_bytes = p.payload_length
    row.last_bytes = w.last_bytes
    row.last_push = w.last_push
    row.leg_sender_ns = leg_now(e, f, side)
    row.leg_receiver_ns = leg_now(e, f, 1 - side)
    fill_knowledge(e, f, w, row, f.sides[side].top, row.leg_sender_ns)
    fill_hole(e, w, row, start, row.leg_receiver_ns)
    row.queue = queue_stands(e, f)
    row.after_loss = w.loss_peak > 0 and not row.queue
    row.flight_before_loss_bytes = w.loss_peak if row.after_loss else 0
    return e.rows[2].total - 1
