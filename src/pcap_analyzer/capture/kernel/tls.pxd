"""TLS records up to the last Finished: set-up times, version, server name (RFC 8446, RFC 5246, RFC 6066).

TLS 1.3 encrypts its Finished; the client's is told by its length: 53 or 69 bytes with the usual hashes. Where none
has that length, the client's first encrypted record counts.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from pcap_analyzer.capture.kernel.codes cimport NEVER
from pcap_analyzer.capture.kernel.octets cimport be16
from pcap_analyzer.capture.kernel.state cimport Engine, Flow, TLS_DONE, TLS_HELLO, TLS_VOID, Track
from pcap_analyzer.capture.kernel.ways cimport Parser, Way

cdef enum:
    RECORD_HEADER = 5
    MAX_RECORD = 16384 + 2048
    CHANGE_CIPHER_SPEC = 20
    ALERT = 21
    HANDSHAKE = 22
    APPLICATION_DATA = 23
    CLIENT_HELLO = 1
    SERVER_HELLO = 2
    HELLO_FIXED = 38        # message header, version, random
    EXTENSION_NAME = 0
    EXTENSION_VERSIONS = 43
    NAME_BYTES = 96
    FINISHED_SHA256 = 53
    FINISHED_SHA384 = 69
    ENCRYPTED_ALERT = 26    # an alert of TLS 1.3 is no longer

cdef inline bint is_hello(const uint8_t *d, uint32_t n, uint8_t message) noexcept nogil:
    """A handshake record of SSL 3 or TLS that starts with that message."""
    return n >= 6 and d[0] == HANDSHAKE and d[1] == 3 and d[2] <= 4 and d[5] == message

cdef inline void void_tls(Flow *f) noexcept nogil:
    """The end of the handshake cannot be seen."""
    f.track.tls = TLS_VOID
    f.track.ways[0].parser.off = f.track.ways[1].parser.off = True

cdef inline void read_extension(Flow *f, uint16_t kind, const uint8_t *d, uint32_t n, bint server) noexcept nogil:
    cdef uint32_t length
    if server:
        if kind == EXTENSION_VERSIONS and n == 2:
            f.track.tls_version = be16(d)
    elif kind == EXTENSION_NAME and n >= 5 and d[2] == 0:
        length = min(<uint32_t> be16(d + 3), n - 5)
        memcpy(f.track.server_name, d + 5, min(length, <uint32_t> NAME_BYTES))

cdef inline void read_hello(Flow *f, const uint8_t *d, uint32_t n, bint server) noexcept nogil:
    """ClientHello or ServerHello, from its message header on; stops where a length does not fit."""
    cdef uint32_t at = HELLO_FIXED
    cdef uint32_t end
    if n < HELLO_FIXED + 1:
        return
    if server:
        f.track.tls_version = be16(d + 4)
    at += 1 + d[at]
    if server:
        at += 3
    else:
        if at + 2 > n:
            return
        at += 2 + be16(d + at)
        if at + 1 > n:
            return
        at += 1 + d[at]
    if at + 2 > n:
        return
    end = min(n, at + 2 + be16(d + at))
    at += 2
    while at + 4 <= end:
        if at + 4 + be16(d + at + 2) > end:
            return
        read_extension(f, be16(d + at), d + at + 4, be16(d + at + 2), server)
        at += 4 + be16(d + at + 2)

cdef inline void finish_tls(Flow *f, int64_t time, uint64_t frame) noexcept nogil:
    """Both Finished have passed; application data starts behind the records walked so far."""
    cdef Track *t = f.track
    t.tls = TLS_DONE
    t.tls_end_ns = time
    t.tls_end_frame = frame
    t.tickets_possible = t.tls_version == 0x0304
    t.ways[1 - f.client_side].parser.off = True
    # The client's side walks on through TLS 1.3's flight: the Finished behind a certificate moves the end.
    t.ways[f.client_side].parser.off = t.tls_version != 0x0304

cdef inline void end_client_flight(Flow *f, Parser *r, int64_t time, uint64_t frame) noexcept nogil:
    """An encrypted record of the client: its Finished, or one that stands in for it until a Finished follows."""
    cdef Track *t = f.track
    cdef uint8_t c = f.client_side
    cdef bint finished = r.record_length == FINISHED_SHA256 or r.record_length == FINISHED_SHA384
    if t.tls == TLS_HELLO and r.record_length <= ENCRYPTED_ALERT:
        t.tls_alert_ns = time
        return
    if t.tls == TLS_DONE and (t.turns > 1 or t.turn.row.response_first_ns >= 0 and t.turn.used):
        r.off = True
        return
    if t.tls == TLS_HELLO or finished:
        if t.turn.used:
            # What looked like a request was the client's certificate.
            t.turn.used = False
            t.turns = 0
        t.tls_from[c] = r.record_end
        t.tls_from[1 - c] = t.ways[1 - c].parser.record_end
        finish_tls(f, time, frame)
    r.off = finished

cdef inline void end_client_record(Flow *f, Parser *r, int64_t time, uint64_t frame) noexcept nogil:
    cdef Track *t = f.track
    cdef uint8_t c = f.client_side
    if r.record_kind == CHANGE_CIPHER_SPEC:
        t.tls_ccs[c] = True
    elif r.record_kind == HANDSHAKE and t.tls_ccs[c] and not t.tls_finished[c]:
        t.tls_finished[c] = True
        t.tls_from[c] = r.record_end
    elif r.record_kind == APPLICATION_DATA and t.tls_server_hello_ns != NEVER and t.tls_version == 0x0304:
        end_client_flight(f, r, time, frame)

cdef inline void end_server_record(Flow *f, Parser *r) noexcept nogil:
    cdef Track *t = f.track
    cdef uint8_t s = 1 - f.client_side
    if r.record_kind == CHANGE_CIPHER_SPEC:
        t.tls_ccs[s] = True
        t.tls_from[s] = r.record_end
    elif r.record_kind == HANDSHAKE:
        t.tls_from[s] = r.record_end
        if t.tls_ccs[s]:
            t.tls_finished[s] = True

cdef inline void end_record(Engine *e, Flow *f, uint8_t side, int64_t time, uint64_t frame) noexcept nogil:
    """A whole record of `side` has passed."""
    cdef Track *t = f.track
    cdef Way *w = &t.ways[side]
    cdef Parser *r = &w.parser
    if w.hello != NULL:
        if w.hello_have >= 1 and w.hello[0] == (CLIENT_HELLO if side == f.client_side else SERVER_HELLO):
            read_hello(f, w.hello, w.hello_have, side != f.client_side)
            if side != f.client_side and t.tls_server_hello_ns == NEVER:
                t.tls_server_hello_ns = r.record_ns
        e.held -= w.hello_length
        free(w.hello)
        w.hello = NULL
    if r.record_kind == ALERT and r.record_length == 2 and t.tls_alert_ns == NEVER:
        t.tls_alert_ns = time
    if side == f.client_side:
        end_client_record(f, r, time, frame)
    else:
        end_server_record(f, r)
    # TLS 1.3 sends the change_cipher_spec of middlebox compatibility, but no Finished in the clear.
    if t.tls == TLS_HELLO and t.tls_version != 0x0304 and t.tls_finished[0] and t.tls_finished[1]:
        finish_tls(f, time, frame)

cdef inline bint begin_record(Engine *e, Flow *f, uint8_t side) noexcept nogil:
    """The five bytes of a record header are in `head`; False where this is no record."""
    cdef Track *t = f.track
    cdef Way *w = &t.ways[side]
    cdef Parser *r = &w.parser
    r.record_kind = r.head[0]
    r.record_length = be16(r.head + 3)
    if not CHANGE_CIPHER_SPEC <= r.record_kind <= APPLICATION_DATA or r.head[1] != 3 or r.record_length > MAX_RECORD:
        return False
    if side == f.client_side and t.tls_start_ns == NEVER:
        t.tls_start_ns = r.record_ns
        t.tls_start_frame = r.record_frame
    elif side == f.client_side or t.tls_server_hello_ns != NEVER:
        return True
    if r.record_kind == HANDSHAKE and r.record_length:
        w.hello = <uint8_t *> malloc(r.record_length)
        if w.hello == NULL:
            e.out_of_memory = True
            return False
        w.hello_length = r.record_length
        e.held += r.record_length
        w.hello_have = 0
    return True

cdef inline void feed_tls(
    Engine *e, Flow *f, uint8_t side, const uint8_t *d, uint32_t n, int64_t time, uint64_t frame
) noexcept nogil:
    """Bytes from offset `want` on. Stage 0 collects a record header, stage 1 passes its content."""
    cdef Way *w = &f.track.ways[side]
    cdef Parser *r = &w.parser
    cdef int64_t base = r.want
    cdef int64_t end = base + n
    cdef uint32_t take
    while not r.off and r.want < end:
        if r.stage == 0:
            if r.have == 0:
                r.record_ns = time
                r.record_frame = frame
            take = <uint32_t> min(<int64_t> (RECORD_HEADER - r.have), end - r.want)
            memcpy(r.head + r.have, d + (r.want - base), take)
            r.have += take
            r.want += take
            if r.have < RECORD_HEADER:
                break
            if not begin_record(e, f, side):
                void_tls(f)
                break
            r.stage = 1
            r.head[5] = 0
        take = <uint32_t> min(<int64_t> (RECORD_HEADER + r.record_length - r.have), end - r.want)
        if w.hello != NULL:
            memcpy(w.hello + w.hello_have, d + (r.want - base), take)
            w.hello_have += take
        r.have += take
        r.want += take
        if r.have == RECORD_HEADER + r.record_length:
            r.stage = 0
            r.have = 0
            r.record_end = r.want
            end_record(e, f, side, time, frame)
