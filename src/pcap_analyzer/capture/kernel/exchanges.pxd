"""Exchanges: the request run of the client, the gap, the response run of the server (TRANSUM's generic turn).

Two are kept a flow: the one at hand, and the one before it, to which late pieces of its response still belong. On
TLS they start behind the handshake. A run has a number, so that pauses are told from gaps.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from pcap_analyzer.capture.kernel.codes cimport KIND_FILL, KIND_NEW, KIND_SPURIOUS, Kind, NEVER
from pcap_analyzer.capture.kernel.legs cimport least_leg, round_trip
from pcap_analyzer.capture.kernel.rows cimport ExchangeRow, rows_add
from pcap_analyzer.capture.kernel.state cimport Engine, Flow, Side, TLS_DONE, TLS_HELLO, TLS_NONE, TLS_VOID, Track, Turn
from pcap_analyzer.capture.kernel.ways cimport Copy
from pcap_analyzer.capture.kernel.wire cimport Packet

cdef enum:
    SMALL_RECORD = 64           # a closing message is no longer
    TICKET_BYTES = 1500         # tickets or SETTINGS after a TLS 1.3 handshake are no longer
    TICKET_PAUSE_NS = 10000000  # and are followed by at least this pause
    PAUSE_FLOOR_NS = 1000000
    TLS_ALERT = 21
    FAREWELL_NS = 1000000000    # a closing message is followed by FIN or RST sooner

cdef inline int64_t response_arrived(const Flow *f, const Turn *turn) noexcept nogil:
    """Stream offset up to which the response was seen here, or acknowledged by the client."""
    cdef const Side *server = &f.sides[1 - f.client_side]
    return max(turn.response_high, server.acked) if server.has_ack else turn.response_high

cdef inline void write_turn(Engine *e, Flow *f, Turn *turn) noexcept nogil:
    cdef ExchangeRow *row
    if not turn.used:
        return
    turn.used = False
    if turn.row.leg_server_ns < 0:
        turn.row.leg_server_ns = least_leg(f, 1 - f.client_side)
    if turn.row.leg_client_ns < 0:
        turn.row.leg_client_ns = least_leg(f, f.client_side)
    if turn.body_end >= 0 and turn.row.response_first_ns >= 0:
        turn.row.expected_bytes = turn.body_end - turn.response_low
        # What the client acknowledged has arrived, whether the capture holds it or not.
        turn.row.complete = response_arrived(f, turn) >= turn.body_end
    elif turn.framed_complete:
        turn.row.complete = True
    row = <ExchangeRow *> rows_add(&e.rows[1])
    if row == NULL:
        e.out_of_memory = True
        return
    memcpy(row, &turn.row, sizeof(ExchangeRow))

cdef inline void begin_turn(Engine *e, Flow *f, int64_t start, bint requested) noexcept nogil:
    """Close the exchange at hand; the next one starts now, with a request or with the server's first word."""
    cdef Track *t = f.track
    cdef Turn *turn = &t.turn
    if turn.used:
        turn.row.next_request_ns = e.now if requested else NEVER
        if turn.body_end < 0 and turn.row.response_first_ns >= 0:
            turn.row.complete = True
        write_turn(e, f, &t.before)
        memcpy(&t.before, turn, sizeof(Turn))
    memset(turn, 0, sizeof(Turn))
    turn.used = True
    turn.row.flow = f.id
    turn.row.index = t.turns
    turn.row.request_first_ns = turn.row.request_last_ns = NEVER
    turn.row.response_first_ns = turn.row.response_last_ns = NEVER
    turn.row.next_request_ns = turn.row.request_ack_ns = turn.row.request_last_copy_ns = NEVER
    turn.row.leg_server_ns = turn.row.leg_client_ns = NEVER
    turn.row.expected_bytes = turn.body_end = NEVER
    turn.request_low = turn.request_high = start
    turn.tail_ns = NEVER
    t.turns += 1
    t.started = True

cdef inline void extend_request(Engine *e, Turn *turn, const Packet *p, int64_t start, int64_t end) noexcept nogil:
    if turn.row.request_first_ns == NEVER:
        turn.row.request_first_ns = e.now
        turn.row.request_first_frame = p.frame
        turn.request_low = start
    turn.row.request_last_ns = e.now
    turn.row.request_last_frame = p.frame
    turn.row.request_frames += 1
    turn.row.request_bytes += end - max(start, turn.request_high)
    turn.request_high = max(turn.request_high, end)
    turn.request_last_start = start
    # What was acknowledged or sent again so far was an earlier part of the request.
    turn.row.request_ack_ns = turn.row.request_last_copy_ns = NEVER
    turn.row.request_ack_frame = 0
    turn.row.request_copies = 0

cdef inline int64_t place_request(
    Engine *e, Flow *f, const Packet *p, int64_t start, int64_t end, Kind kind
) noexcept nogil:
    cdef Turn *turn = &f.track.turn
    if kind != KIND_NEW:
        if not turn.used or start < turn.request_low or turn.row.response_first_ns >= 0 or kind == KIND_SPURIOUS:
            return -1
        if kind == KIND_FILL:
            turn.row.request_last_ns = e.now
            turn.row.request_last_frame = p.frame
            turn.row.request_frames += 1
            turn.row.request_bytes += end - start
        elif start <= turn.request_last_start and end > turn.request_last_start and turn.row.request_ack_ns == NEVER:
            turn.row.request_copies += 1
            turn.row.request_last_copy_ns = e.now
        return turn.row.index * 2
    if not turn.used or turn.row.response_first_ns >= 0:
        begin_turn(e, f, start, True)
    extend_request(e, turn, p, start, end)
    return turn.row.index * 2

cdef inline void start_response(Engine *e, Flow *f, Turn *turn, const Packet *p, int64_t start) noexcept nogil:
    cdef int64_t gap
    turn.row.response_first_ns = e.now
    turn.row.response_first_frame = p.frame
    turn.row.leg_server_ns = least_leg(f, 1 - f.client_side)
    turn.row.leg_client_ns = least_leg(f, f.client_side)
    turn.response_low = start
    turn.response_high = start
    e.second.exchanges += 1
    if turn.row.request_last_ns >= 0:
        gap = e.now - turn.row.request_last_ns
        e.second.response_sum_ns += gap
        e.second.response_max_ns = max(e.second.response_max_ns, gap)

cdef inline void drop_tickets(Engine *e, Flow *f, Turn *turn, const Packet *p, int64_t start) noexcept nogil:
    """A small first burst after a TLS 1.3 handshake, then a pause: session tickets or SETTINGS, not the response."""
    if turn.row.response_bytes > TICKET_BYTES:
        f.track.tickets_possible = False
        return
    if e.now - turn.row.response_last_ns < max(<int64_t> TICKET_PAUSE_NS, round_trip(f) // 4):
        return
    f.track.tickets_possible = False
    turn.early_first_ns = turn.row.response_first_ns
    turn.early_first_frame = turn.row.response_first_frame
    turn.early_frames = turn.row.response_frames
    turn.early_bytes = <uint32_t> turn.row.response_bytes
    turn.row.response_bytes = 0
    turn.row.response_frames = 0
    f.track.ways[1 - f.client_side].last_run = NEVER
    e.second.exchanges -= 1 if e.second.exchanges else 0
    start_response(e, f, turn, p, start)

cdef inline int64_t place_response(
    Engine *e, Flow *f, const Packet *p, int64_t start, int64_t end, Kind kind
) noexcept nogil:
    cdef Track *t = f.track
    cdef Turn *turn = &t.turn
    cdef Turn *before = &t.before
    if kind == KIND_SPURIOUS:
        return -1
    if not turn.used:
        begin_turn(e, f, f.sides[f.client_side].top, False)
    if kind != KIND_NEW and before.used and before.response_low <= start < before.response_high:
        # A late piece of the response before.
        before.row.response_last_ns = e.now
        before.row.response_last_frame = p.frame
        before.row.response_frames += 1
        before.row.response_bytes += end - start if kind == KIND_FILL else 0
        return -1
    if kind != KIND_NEW and turn.row.response_first_ns < 0:
        return -1
    if turn.row.response_first_ns < 0:
        start_response(e, f, turn, p, start)
    elif t.tickets_possible and turn.row.index == 0 and kind == KIND_NEW:
        drop_tickets(e, f, turn, p, start)
    note_tail(e, f, turn, p)
    turn.row.response_last_ns = e.now
    turn.row.response_last_frame = p.frame
    turn.row.response_frames += 1
    if kind == KIND_NEW:
        turn.row.response_bytes += end - max(start, turn.response_high)
    elif kind == KIND_FILL:
        turn.row.response_bytes += end - start
    turn.response_low = min(turn.response_low, start)
    turn.response_high = max(turn.response_high, end)
    return turn.row.index * 2 + 1

cdef inline void note_tail(Engine *e, Flow *f, Turn *turn, const Packet *p) noexcept nogil:
    """Remember where the response ends if what comes now is a closing record of TLS."""
    cdef bint small = p.payload_length <= SMALL_RECORD or (p.payload_captured and p.payload[0] == TLS_ALERT)
    if f.track.tls != TLS_DONE or turn.row.response_last_ns < 0 or not small \
            or e.now - turn.row.response_last_ns < max(<int64_t> PAUSE_FLOOR_NS, round_trip(f) // 4):
        turn.tail_ns = NEVER
    elif turn.tail_ns == NEVER:
        turn.tail_ns = turn.row.response_last_ns
        turn.tail_frame = turn.row.response_last_frame
        turn.tail_bytes = <uint32_t> turn.row.response_bytes

cdef inline int64_t place_payload(
    Engine *e, Flow *f, const Packet *p, uint8_t side, int64_t start, int64_t end, Kind kind
) noexcept nogil:
    """Account payload to its exchange; the number of the run that it belongs to, -1 for none."""
    cdef Track *t = f.track
    if t.tls == TLS_VOID or (t.tls == TLS_HELLO and not (side == f.client_side and t.tls_finished[side])):
        return -1
    if t.tls != TLS_NONE:
        if end <= t.tls_from[side]:
            return -1
        start = max(start, t.tls_from[side])
    if side == f.client_side:
        return place_request(e, f, p, start, end, kind)
    return place_response(e, f, p, start, end, kind)

cdef inline void hear_request(Engine *e, Flow *f, const Packet *p, uint8_t side, int64_t acked) noexcept nogil:
    """A pure ACK of `side` moved on to `acked`: the server has the request."""
    cdef Turn *turn = &f.track.turn
    if side == f.client_side or not turn.used or turn.row.request_first_ns < 0:
        return
    if turn.row.request_ack_ns == NEVER and turn.row.response_first_ns < 0 and acked >= turn.request_high:
        turn.row.request_ack_ns = e.now
        turn.row.request_ack_frame = p.frame

cdef inline void undo_response(Flow *f, const Copy *c) noexcept nogil:
    """A resend that ended the response was spurious: the response ended before it."""
    cdef Turn *turn = &f.track.turn
    if turn.used and turn.row.index == c.turn and turn.row.response_last_frame == c.frame \
            and c.last_ns >= turn.row.response_first_ns:
        turn.row.response_last_ns = c.last_ns
        turn.row.response_last_frame = c.last_frame

cdef inline bint is_closing(const Flow *f, const Turn *turn) noexcept nogil:
    """The client's last small message, then its FIN or RST, and no answer: a farewell, not a request."""
    cdef uint8_t c = f.client_side
    cdef int64_t last = turn.row.request_last_ns
    if turn.row.request_first_ns < 0 or turn.row.response_first_ns >= 0 or turn.row.request_bytes > SMALL_RECORD:
        return False
    if f.reset_side == c and last <= f.reset_ns < last + FAREWELL_NS:
        return True
    return last <= f.sides[c].fin_ns < last + FAREWELL_NS

cdef inline void close_turns(Engine *e, Flow *f) noexcept nogil:
    """The flow ends: write out what is open."""
    cdef Turn *turn
    if f.track == NULL or not f.track.turn.used:
        return
    turn = &f.track.turn
    if is_closing(f, turn):
        f.track.turns -= 1
        f.track.before.row.next_request_ns = NEVER
        write_turn(e, f, &f.track.before)
        return
    write_turn(e, f, &f.track.before)
    if turn.tail_ns != NEVER and turn.tail_ns < turn.row.response_first_ns:
        # Without the closing record nothing is left but the burst that was taken for tickets: that was the response.
        turn.row.response_first_ns = turn.early_first_ns
        turn.row.response_first_frame = turn.early_first_frame
        turn.row.response_frames = turn.early_frames
        turn.tail_bytes = turn.early_bytes
    if turn.tail_ns != NEVER:
        turn.row.response_last_ns = turn.tail_ns
        turn.row.response_last_frame = turn.tail_frame
        turn.row.response_bytes = turn.tail_bytes
    if turn.body_end < 0 and turn.row.response_first_ns >= 0 and (f.sides[0].fin_ns >= 0 or f.sides[1].fin_ns >= 0):
        turn.row.complete = True
    write_turn(e, f, turn)
