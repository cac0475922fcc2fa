"""Payload of one direction: new, filling a gap, or sent again; and what each of them means.

A gap that closes before 0.9 of the round trip, or in the order of the IP ids, is reordering and no loss
(RFC 8985's window; Jaiswal et al., 2007).
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from pcap_analyzer.capture.kernel.codes cimport (
    APP_HTTP, EVENT_GAP, EVENT_GAP_FILLED, EVENT_KEEP_ALIVE, EVENT_OUT_OF_ORDER, EVENT_RETRANSMISSION, EVENT_SPURIOUS,
    EVENT_WINDOW_PROBE, KIND_COPY, KIND_FILL, KIND_NEW, KIND_SPURIOUS, Kind, NEVER,
)
from pcap_analyzer.capture.kernel.exchanges cimport place_payload
from pcap_analyzer.capture.kernel.hearing cimport full_segment, offset_of, settle_doubts
from pcap_analyzer.capture.kernel.late cimport set_event_kind
from pcap_analyzer.capture.kernel.legs cimport add_leg, least_leg, round_trip
from pcap_analyzer.capture.kernel.parsers cimport parse_payload, sniff
from pcap_analyzer.capture.kernel.pauses cimport PAUSE_NS, add_pause
from pcap_analyzer.capture.kernel.segments cimport (
    ack_at, drop_gap, find_segment, forget_gaps, insert_gap, push_copy, push_segment, segment_at, unseen_bytes,
)
from pcap_analyzer.capture.kernel.state cimport Engine, Flow, Side, TLS_DONE, TLS_HELLO, Track, add_event
from pcap_analyzer.capture.kernel.ways cimport Copy, ECHOES, Echo, Gap, Segment, Way
from pcap_analyzer.capture.kernel.wire cimport FIN, PSH, Packet, RST, SYN

cdef enum:
    REORDERED_NS = 3000000      # while no round trip is known: Wireshark's 3 ms
    SLOW_START_NS = 1000000000  # RFC 6298's minimum timeout: after it slow start begins anew
    LATE_CAPTURE_NS = 1000000000  # what a capture stores later than this after its neighbours it has lost
    ID_STEPS = 8                # steps of the IP id that make its order count
    ID_DISTANCE = 1000

cdef inline bint is_probe(Engine *e, Flow *f, const Packet *p, uint8_t side, int64_t start) noexcept nogil:
    """Keep-alives (RFC 9293, 3.8.4) and probes of a closed window are no payload."""
    cdef Side *mine = &f.sides[side]
    cdef Way *w = &f.track.ways[side]
    if p.payload_length > 1 or p.flags & (SYN | FIN | RST) or not mine.has_ack:
        return False
    if start == mine.top - 1 and mine.acked == mine.top:
        f.track.keep_alives += 1
        add_event(e, f.id, EVENT_KEEP_ALIVE, side ^ f.client_side, p.frame, 0, 0)
    elif (
        p.payload_length == 1 and mine.window == 0
        and start >= mine.top and (start >= mine.edge or mine.acked == mine.top)
    ):
        add_event(e, f.id, EVENT_WINDOW_PROBE, side ^ f.client_side, p.frame, 0, 0)
    else:
        return False
    w.probed = True
    return True

cdef inline Kind classify(const Side *mine, const Way *w, int64_t start, int64_t end) noexcept nogil:
    if end > mine.top:
        return KIND_NEW
    if w.gap_count and unseen_bytes(w, start, end) > 0:
        return KIND_FILL
    if start < w.begin and (not mine.has_ack or end > mine.acked):
        return KIND_FILL
    return KIND_SPURIOUS if mine.has_ack and end <= mine.acked else KIND_COPY

cdef inline void note_id(Way *w, uint16_t ip_id) noexcept nogil:
    cdef uint16_t step
    if ip_id == 0:
        return
    if w.id_last:
        step = ip_id - w.id_last
        w.id_steps += 1
        if 1 <= step <= 3:
            w.id_small_steps += 1
    w.id_last = ip_id

cdef inline bint id_order(const Way *w, uint16_t opener, uint16_t filler) noexcept nogil:
    """The filler left before the packet that opened the gap, by a counter that has proved to be one."""
    cdef uint16_t distance = opener - filler
    return (
        w.id_steps >= ID_STEPS and w.id_small_steps * 5 >= w.id_steps * 4
        and opener != 0 and filler != 0 and 0 < distance < ID_DISTANCE
    )

cdef inline void note_flight(Engine *e, Flow *f, Way *w, uint8_t side) noexcept nogil:
    """Flight as the sender knew it; a flight of 0.9 of the one before the loss ends the reduced window.

    While a loss stands the flight counts lost bytes too, and so says nothing about the window.
    """
    cdef int64_t horizon = e.now - max(<int64_t> 0, least_leg(f, side))
    cdef int64_t flight
    if w.known < w.ack_base:
        w.known = w.ack_base
    while w.known < w.ack_base + w.ack_count and ack_at(w, w.known).time <= horizon:
        w.known_acked = ack_at(w, w.known).acked
        w.known += 1
    flight = f.sides[side].top - w.known_acked
    if w.loss_peak and w.loss_ns == NEVER and w.gap_count == 0 and flight * 10 >= w.loss_peak * 9:
        w.loss_peak = 0
    if flight > w.flight_peak:
        w.flight_peak = flight

cdef inline void note_echoed(Engine *e, Flow *f, const Packet *p, uint8_t side, int64_t start) noexcept nogil:
    """A leg of `side` from its first echo of a timestamp, only while two full segments were in flight."""
    cdef Way *w = &f.track.ways[side]
    cdef uint32_t full = full_segment(f, 1 - side)
    cdef uint32_t i
    cdef Echo *echo
    if not p.timestamped or w.echo_count == 0 or (w.echo_seen and p.ts_echo == w.echo_used):
        return
    w.echo_seen = True
    w.echo_used = p.ts_echo
    for i in range(min(w.echo_count, <uint32_t> ECHOES)):
        echo = &w.echoes[(w.echo_count - 1 - i) % ECHOES]
        if echo.ts_value == p.ts_echo:
            if start - echo.acked >= 2 * <int64_t> full:
                add_leg(e, f, side, e.now - echo.time, True)
            return

cdef inline void take_new(Engine *e, Flow *f, const Packet *p, uint8_t side, int64_t start, int64_t end) noexcept nogil:
    """Bytes above everything seen; a step over some of them opens a gap."""
    cdef Side *mine = &f.sides[side]
    cdef Way *w = &f.track.ways[side]
    cdef Gap *gap
    cdef Segment *s
    cdef int64_t found
    if start > mine.top:
        gap = insert_gap(e, w, w.gap_count, p.frame)
        if gap != NULL:
            gap.start = mine.top
            gap.end = start
            gap.time = e.now
            gap.frame = p.frame
            gap.ip_id = p.ip_id
            gap.acked = False
            gap.event = add_event(e, f.id, EVENT_GAP, side ^ f.client_side, p.frame, start - mine.top, 0)
        push_segment(e, w, mine.top, <uint32_t> (start - mine.top), 0, mine.has_ack)
    elif start < mine.top:
        found = find_segment(w, start)
        if found < w.segment_count:
            segment_at(w, found).copies += segment_at(w, found).copies < 255
        start = mine.top
    s = push_segment(e, w, start, <uint32_t> (end - start), p.frame, mine.has_ack)
    if s != NULL:
        s.ts_value = p.ts_value
        s.ip_id = p.ip_id
    mine.top = end
    note_echoed(e, f, p, side, start)

cdef inline void close_gap(
    Engine *e, Flow *f, const Packet *p, uint8_t side, const Gap *gap, bint whole
) noexcept nogil:
    """One gap got bytes, `whole` if it has closed: reordering, or a loss that was repaired."""
    cdef Way *w = &f.track.ways[side]
    cdef int64_t stood = e.now - gap.time
    cdef int64_t trip = round_trip(f)
    cdef bint reordered = stood * 10 < trip * 9 if trip >= 0 else stood < REORDERED_NS
    if reordered or id_order(w, gap.ip_id, p.ip_id):
        w.out_of_order_frames += 1
        add_event(e, f.id, EVENT_OUT_OF_ORDER, side ^ f.client_side, p.frame, stood, gap.frame)
        if whole:
            settle_doubts(e, w)
    elif whole:
        w.gaps_lost += 1
        w.doubts = 0
        w.loss_peak = w.flight_peak
        e.second.retransmissions += 1
        add_event(e, f.id, EVENT_GAP_FILLED, side ^ f.client_side, p.frame, stood, gap.frame)

cdef inline void take_fill(
    Engine *e, Flow *f, const Packet *p, uint8_t side, int64_t start, int64_t end
) noexcept nogil:
    """Bytes never seen below the highest: gaps shrink, split or close."""
    cdef Way *w = &f.track.ways[side]
    cdef uint32_t i = 0
    cdef Gap gap
    cdef Gap *rest
    cdef int64_t low, high, found
    while i < w.gap_count:
        gap = w.gaps[i]
        low = max(start, gap.start)
        high = min(end, gap.end)
        if high <= low:
            i += 1
            continue
        if low == gap.start and high == gap.end:
            drop_gap(w, i)
        elif low == gap.start:
            w.gaps[i].start = high
            i += 1
        else:
            w.gaps[i].end = low
            i += 1
            if high < gap.end:
                rest = insert_gap(e, w, i, p.frame)
                if rest != NULL:
                    rest[0] = gap
                    rest.start = high
                i += 1
        if gap.acked:
            # The acknowledgement was captured before the data: nothing was missing.
            w.acked_unseen -= min(w.acked_unseen, <uint64_t> (high - low))
            if low == gap.start and high == gap.end:
                set_event_kind(e, gap.event, 0)
        else:
            close_gap(e, f, p, side, &gap, low == gap.start and high == gap.end)
    found = find_segment(w, start)
    if found < w.segment_count and segment_at(w, found).frame == 0:
        segment_at(w, found).frame = p.frame
        segment_at(w, found).time = e.now
        segment_at(w, found).ts_value = p.ts_value
        segment_at(w, found).filled = True

cdef inline void take_copy(
    Engine *e, Flow *f, const Packet *p, uint8_t side, int64_t start, int64_t end, int64_t pause
) noexcept nogil:
    """Bytes sent again before they were acknowledged: needed, until their acknowledgement shows otherwise."""
    cdef Way *w = &f.track.ways[side]
    cdef int64_t found = find_segment(w, start)
    cdef Segment *s = segment_at(w, found) if found < w.segment_count else NULL
    cdef Copy *c
    cdef int64_t event
    cdef int64_t sent = s.time if s != NULL else NEVER
    w.retransmitted_frames += 1
    w.retransmitted_bytes += p.payload_length
    e.second.retransmissions += 1
    event = add_event(
        e, f.id, EVENT_RETRANSMISSION, side ^ f.client_side, p.frame, e.now - sent if sent >= 0 else NEVER,
        s.frame if s != NULL else 0,
    )
    c = push_copy(e, w, p.frame)
    if c != NULL:
        c.start = start
        c.end = end
        c.time = e.now
        c.event = event
        c.pause = pause
        c.frame = p.frame
        c.bytes = p.payload_length
        c.timestamped = p.timestamped and s != NULL
        c.first_ts = s.ts_value if s != NULL else 0
        c.ts_value = p.ts_value
        c.covered = False
        c.turn = f.track.turn.row.index if f.track.turn.used else -1
        c.last_ns = w.last_ns
        c.last_frame = w.last_frame
    if w.loss_ns == NEVER:
        w.loss_ns = min(e.now, sent + max(<int64_t> 0, least_leg(f, 1 - side))) if sent >= 0 else e.now
    w.loss_peak = w.flight_peak
    w.loss_until = max(w.loss_until, end)
    while found < w.segment_count and segment_at(w, found).start < end:
        s = segment_at(w, found)
        s.copies += s.copies < 255
        s.time = e.now
        s.frame = p.frame if s.frame else 0
        found += 1

cdef inline void take_spurious(Engine *e, Flow *f, const Packet *p, uint8_t side, int64_t start) noexcept nogil:
    cdef Way *w = &f.track.ways[side]
    cdef int64_t found = find_segment(w, start)
    cdef Segment *s = segment_at(w, found) if found < w.segment_count else NULL
    w.spurious_frames += 1
    add_event(
        e, f.id, EVENT_SPURIOUS, side ^ f.client_side, p.frame, e.now - s.time if s != NULL and s.frame else NEVER,
        s.frame if s != NULL else 0,
    )

cdef inline void take_payload(Engine *e, Flow *f, const Packet *p, uint8_t side) noexcept nogil:
    """Every segment with payload of `side`, in order of capture; the flow has a track."""
    cdef Side *mine = &f.sides[side]
    cdef Track *t = f.track
    cdef Way *w = &t.ways[side]
    cdef int64_t start = offset_of(mine, p.seq + (1 if p.flags & SYN else 0))
    cdef int64_t end = start + p.payload_length
    cdef int64_t pause = -1
    cdef int64_t run
    cdef Kind kind
    if is_probe(e, f, p, side, start):
        return
    if not w.started:
        w.started = True
        if not mine.has_syn or start < 0:
            # The connection is older than the capture: its first payload here is where the account begins.
            mine.top = max(mine.top, start)
            w.begin = start
            w.parser.want = start
    if not t.sniffed[side]:
        sniff(e, f, p, side)
    if w.gap_count:
        forget_gaps(w, e.now - LATE_CAPTURE_NS)
    kind = classify(mine, w, start, end)
    # The handshake's end decides where exchanges start; HTTP's lines belong to an exchange that has started.
    if t.tls == TLS_HELLO or not w.parser.off and t.tls == TLS_DONE:
        parse_payload(e, f, p, side, start)
    run = place_payload(e, f, p, side, start, end, kind)
    if f.app == APP_HTTP and not w.parser.off:
        parse_payload(e, f, p, side, start)
    if e.now - w.last_ns >= SLOW_START_NS and w.gap_count == 0 and w.loss_ns == NEVER:
        w.loss_peak = 0
    if run >= 0 and run == w.last_run and kind != KIND_SPURIOUS and e.now - w.last_ns >= PAUSE_NS:
        pause = add_pause(e, f, p, side, start, kind)
    note_id(w, p.ip_id)
    if kind == KIND_NEW:
        take_new(e, f, p, side, start, end)
    elif kind == KIND_FILL:
        take_fill(e, f, p, side, start, end)
    elif kind == KIND_COPY:
        take_copy(e, f, p, side, start, end, pause)
    else:
        take_spurious(e, f, p, side, start)
        return
    note_flight(e, f, w, side)
    w.last_ns = e.now
    w.last_frame = p.frame
    w.last_bytes = p.payload_length
    w.last_push = (p.flags & PSH) != 0
    w.last_run = NEVER if t.interim else run
    t.interim = False
