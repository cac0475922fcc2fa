"""What an acknowledgement says about the other side's data.

It frees segments and gives leg samples (Karn's rule, pure ACKs only), shows bytes that were never captured, loss
beyond the capture point (three duplicates, SACK), spurious resends (D-SACK, RFC 2883; timestamps, RFC 3522) and
the window.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

from pcap_analyzer.capture.kernel.codes cimport (
    EVENT_ACKED_UNSEEN, EVENT_DUPLICATE_ACK, EVENT_SPURIOUS, EVENT_ZERO_WINDOW, KIND_SPURIOUS, NEVER,
)
from pcap_analyzer.capture.kernel.exchanges cimport hear_request, undo_response
from pcap_analyzer.capture.kernel.late cimport (
    clear_pause_hole, set_event_kind, set_event_value, set_pause_kind,
)
from pcap_analyzer.capture.kernel.legs cimport add_leg, least_leg
from pcap_analyzer.capture.kernel.octets cimport mix
from pcap_analyzer.capture.kernel.segments cimport drop_copy, pop_segment, push_ack, segment_at
from pcap_analyzer.capture.kernel.state cimport Engine, Flow, Side, add_event
from pcap_analyzer.capture.kernel.ways cimport AckState, Copy, ECHOES, Echo, Gap, Segment, Way
from pcap_analyzer.capture.kernel.wire cimport ACK, FIN, Packet, RST, SYN

cdef enum:
    FULL_SEGMENT = 1460     # while no MSS was announced
    TIMESTAMP_BYTES = 12
    DSACK_NS = 3000000000   # a D-SACK comes no later
    KEEP_ACKS_NS = 4000000  # states kept at least, beyond one and a half legs

cdef inline int64_t offset_of(const Side *s, uint32_t seq) noexcept nogil:
    """Stream offset of a sequence number, within 2 GiB of the highest one seen."""
    return s.top + <int32_t> (seq - s.base - <uint32_t> s.top)

cdef inline uint32_t full_segment(const Flow *f, uint8_t side) noexcept nogil:
    """Payload of the largest segment that `side` takes, the timestamp option deducted."""
    return (f.sides[side].mss if f.sides[side].mss > TIMESTAMP_BYTES else FULL_SEGMENT) - TIMESTAMP_BYTES

cdef inline uint32_t granted_window(const Flow *f, const Packet *p, uint8_t side) noexcept nogil:
    if p.flags & SYN or f.sides[side].window_scale < 0 or f.sides[1 - side].window_scale < 0:
        return p.window
    return <uint32_t> p.window << f.sides[side].window_scale

cdef inline void note_zero_window(Engine *e, Flow *f, const Packet *p, uint8_t side) noexcept nogil:
    """An episode begins with a window of 0 and ends with the first other one; its row is completed then."""
    cdef Way *w = &f.track.ways[side]
    if p.window == 0:
        if w.zero_ns == NEVER:
            w.zero_ns = e.now
            w.zero_windows += 1
            w.zero_event = add_event(e, f.id, EVENT_ZERO_WINDOW, side ^ f.client_side, p.frame, NEVER, 0)
    elif w.zero_ns != NEVER:
        w.zero_window_ns += e.now - w.zero_ns
        set_event_value(e, w.zero_event, e.now - w.zero_ns)
        w.zero_ns = NEVER

cdef inline void note_unseen(Engine *e, Flow *f, const Packet *p, uint8_t side, int64_t acked) noexcept nogil:
    """`side` acknowledged bytes of the other side above everything captured."""
    cdef Side *o = &f.sides[1 - side]
    cdef Way *w
    cdef Gap *gap
    cdef int64_t missing = acked - o.top
    if missing <= (1 if o.has_fin else 0):
        return
    if f.track == NULL:
        o.top = acked
        return
    w = &f.track.ways[1 - side]
    if missing == 1:
        # A FIN that was not captured, or the byte of a window probe that was taken.
        if w.probed:
            o.top = acked
        return
    w.acked_unseen += missing
    if o.frames:
        add_event(e, f.id, EVENT_ACKED_UNSEEN, 1 - side ^ f.client_side, p.frame, missing, 0)
    o.top = acked

cdef inline void acknowledge_gaps(Engine *e, Flow *f, uint8_t data_side, int64_t acked) noexcept nogil:
    """Gaps that the receiver acknowledges unfilled were not captured; they were no loss."""
    cdef Way *w = &f.track.ways[data_side]
    cdef uint32_t i
    cdef bint any_new = False
    for i in range(w.gap_count):
        if not w.gaps[i].acked and w.gaps[i].end <= acked:
            w.gaps[i].acked = True
            w.acked_unseen += w.gaps[i].end - w.gaps[i].start
            set_event_kind(e, w.gaps[i].event, EVENT_ACKED_UNSEEN)
            any_new = True
    if any_new:
        settle_doubts(e, w)

cdef inline void settle_doubts(Engine *e, Way *w) noexcept nogil:
    """The gap on which earlier pauses were said to hold a loss was none."""
    cdef uint32_t i
    for i in range(w.doubts):
        clear_pause_hole(e, w.doubtful[i])
    w.doubts = 0

cdef inline void free_segments(
    Engine *e, Flow *f, uint8_t side, int64_t acked, int64_t before, bint pure
) noexcept nogil:
    """Segments that the acknowledgement covers; the newest one sent once gives a leg sample of `side`."""
    cdef Way *w = &f.track.ways[1 - side]
    cdef Segment *s
    cdef int64_t sent = NEVER
    cdef uint32_t full = full_segment(f, side)
    while w.segment_count:
        s = segment_at(w, 0)
        if s.start + s.length > acked:
            break
        if s.frame and s.copies == 1 and not s.filled:
            sent = s.time
        pop_segment(w)
    if sent != NEVER and pure:
        add_leg(e, f, side, e.now - sent, acked - before >= 2 * <int64_t> full)

cdef inline bint shown_spurious(const Copy *c, const Packet *p, int64_t now, int64_t leg) noexcept nogil:
    """The acknowledgement that covers a resend answers the original: by its timestamp echo, or it comes too soon."""
    if c.timestamped and p.timestamped and c.first_ts != c.ts_value and <int32_t> (p.ts_echo - c.first_ts) <= 0:
        return True
    return leg >= 0 and now - c.time < leg // 2

cdef inline void judge_copies(
    Engine *e, Flow *f, const Packet *p, uint8_t side, int64_t acked, int64_t low, int64_t high
) noexcept nogil:
    """Decide resends that the acknowledgement covers; [low, high) is its D-SACK block, empty if there is none."""
    cdef Way *w = &f.track.ways[1 - side]
    cdef int64_t leg = least_leg(f, side)
    cdef uint32_t i = 0
    cdef Copy *c
    cdef bint spurious
    while i < w.copy_count:
        c = w.copies + i
        spurious = c.start >= low and c.end <= high
        if not spurious and not c.covered and c.end <= acked:
            spurious = shown_spurious(c, p, e.now, leg)
            c.covered = True
        if spurious:
            set_event_kind(e, c.event, EVENT_SPURIOUS)
            set_pause_kind(e, c.pause, KIND_SPURIOUS)
            w.retransmitted_frames -= 1
            w.retransmitted_bytes -= c.bytes
            w.spurious_frames += 1
            undo_response(f, c)
        if spurious or e.now - c.time > <int64_t> DSACK_NS:
            drop_copy(w, i)
        else:
            i += 1

cdef inline bint came_late(Way *w) noexcept nogil:
    """What the receiver waits for was missing here already: the gap at the capture point tells about it."""
    cdef Segment *s
    if w.segment_count == 0:
        return False
    s = segment_at(w, 0)
    return s.frame == 0 or s.filled

cdef inline void note_loss_signs(
    Engine *e, Flow *f, const Packet *p, uint8_t side, int64_t acked, bint again
) noexcept nogil:
    """Three duplicates or a SACK block above the acknowledgement say that a segment is missing at the receiver."""
    cdef Way *w = &f.track.ways[1 - side]
    cdef Side *o = &f.sides[1 - side]
    cdef int64_t until = NEVER
    cdef int64_t edge
    cdef int i
    if again:
        w.duplicate_run += 1
        f.track.ways[side].duplicate_acks += 1
        if w.duplicate_run == 3:
            add_event(e, f.id, EVENT_DUPLICATE_ACK, side ^ f.client_side, p.frame, acked, 0)
            until = o.top
    for i in range(p.sacks):
        edge = offset_of(o, p.sack[2 * i])
        if edge > acked:
            until = max(until, offset_of(o, p.sack[2 * i + 1]))
    if until > acked and not came_late(w):
        if w.loss_ns == NEVER:
            w.loss_ns = e.now
        w.loss_until = max(w.loss_until, until)

cdef inline void note_echo(Engine *e, Flow *f, const Packet *p, uint8_t side, int64_t acked) noexcept nogil:
    """Remember when a timestamp of `side` first passed: the other side's next data echoes it."""
    cdef Way *w = &f.track.ways[1 - side]
    cdef Echo *last = &w.echoes[(w.echo_count - 1) % ECHOES]
    if not p.timestamped or (w.echo_count and last.ts_value == p.ts_value):
        return
    last = &w.echoes[w.echo_count % ECHOES]
    w.echo_count += 1
    last.ts_value = p.ts_value
    last.time = e.now
    last.acked = acked

cdef inline void remember_state(
    Engine *e, Flow *f, const Packet *p, uint8_t side, int64_t acked, uint32_t window, bint moved
) noexcept nogil:
    """Append to the states about the other side's data; unmoved repetitions are left out."""
    cdef Side *o = &f.sides[1 - side]
    cdef Way *w = &f.track.ways[1 - side]
    cdef AckState *s
    if not moved and window == o.window:
        return
    s = push_ack(e, w, KEEP_ACKS_NS + max(<int64_t> 0, least_leg(f, 1 - side)) * 3 // 2)
    if s == NULL:
        return
    s.time = e.now
    s.frame = p.frame
    s.acked = max(o.acked, acked)
    s.edge = max(o.edge, acked + window)
    s.window = window
    s.moved = moved

cdef inline void hear_details(
    Engine *e, Flow *f, const Packet *p, uint8_t side, int64_t acked, uint32_t window
) noexcept nogil:
    """The part that needs the flow's track."""
    cdef Side *o = &f.sides[1 - side]
    cdef Way *w = &f.track.ways[1 - side]
    cdef bint plain = p.payload_length == 0 and not p.flags & (SYN | FIN)
    cdef int64_t low = 0
    cdef int64_t high = 0
    cdef uint64_t print_ = 0
    cdef int i
    cdef bint same = o.has_ack and acked == o.acked and window == o.window
    cdef bint again = plain and same and o.top > o.acked and not w.probed
    if p.sacks:
        low = offset_of(o, p.sack[0])
        high = offset_of(o, p.sack[1])
        for i in range(p.sacks):
            print_ = mix(print_ ^ p.sack[2 * i], <uint64_t> p.sack[2 * i + 1] | <uint64_t> 0x9E3779B900000001)
        if high > acked and not (p.sacks > 1 and offset_of(o, p.sack[2]) <= low and high <= offset_of(o, p.sack[3])):
            low = high = 0
    remember_state(
        e, f, p, side, acked, window,
        acked > o.acked or acked + window > o.edge or (p.sacks and print_ != w.sack_print),
    )
    w.sack_print = print_
    if acked > o.acked:
        w.duplicate_run = 0
        w.probed = False
        free_segments(e, f, side, acked, o.acked, plain)
        if w.gap_count:
            acknowledge_gaps(e, f, 1 - side, acked)
        if w.loss_ns != NEVER and acked >= w.loss_until:
            w.loss_closed_ns = e.now
            w.loss_closed_sign_ns = w.loss_ns
            w.loss_ns = NEVER
        if plain:
            hear_request(e, f, p, side, acked)
    if not p.flags & SYN and (again or p.sacks):
        note_loss_signs(e, f, p, side, acked, again)
    if w.copy_count:
        judge_copies(e, f, p, side, acked, low, high)
    note_echo(e, f, p, side, acked)

cdef inline void hear(Engine *e, Flow *f, const Packet *p, uint8_t side) noexcept nogil:
    """`side` sent the packet: its window, and what it acknowledges of the other side's data."""
    cdef Side *o = &f.sides[1 - side]
    cdef uint32_t window = granted_window(f, p, side)
    cdef int64_t acked
    if window > f.sides[side].window_max:
        f.sides[side].window_max = window
    if not p.flags & ACK or p.flags & RST:
        return
    acked = offset_of(o, p.ack)
    if o.has_ack and acked < o.acked - (1 << 30):
        return
    if acked > o.top:
        note_unseen(e, f, p, side, acked)
    if f.track != NULL:
        hear_details(e, f, p, side, acked, window)
        if not p.flags & (SYN | FIN):
            note_zero_window(e, f, p, side)
    if not o.has_ack:
        o.has_ack = True
        o.acked = acked
        o.edge = acked + window
    o.acked = max(o.acked, acked)
    o.edge = max(o.edge, acked + window)
    o.window = window
