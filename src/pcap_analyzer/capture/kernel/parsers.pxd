"""Which protocol a flow speaks, and its bytes in order for the protocol's parser.

A parser names the next stream offset that it needs (`Parser.want`): bodies are stepped over without being touched.
Payload ahead of a gap is kept up to a bound while a parser waits for what is missing.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy, memmove

from pcap_analyzer.capture.kernel.codes cimport (
    APP_FTP, APP_HTTP, APP_HTTP2, APP_IMAP, APP_MYSQL, APP_POP3, APP_RDP, APP_SIP, APP_SMB, APP_SMTP, APP_SSH,
    APP_TLS, APP_UNKNOWN, APP_VNC, AppCode, OVER_STASH, ROLE_GUESSED, ROLE_LIKELY,
)
from pcap_analyzer.capture.kernel.http cimport feed_http, is_http_request, is_http_response, resync_http
from pcap_analyzer.capture.kernel.ports cimport app_of_port
from pcap_analyzer.capture.kernel.services cimport ask_services, learn_service
from pcap_analyzer.capture.kernel.state cimport Engine, Flow, TLS_DONE, TLS_HELLO, Track, overflow
from pcap_analyzer.capture.kernel.tls cimport feed_tls, is_hello, void_tls
from pcap_analyzer.capture.kernel.ways cimport Parser, STASH_SEGMENTS, Stashed, Way
from pcap_analyzer.capture.kernel.wire cimport Packet

cdef enum:
    STASH_BYTES = 65536

cdef inline bint starts(const uint8_t *d, uint32_t n, const char *text, uint32_t length) noexcept nogil:
    return n >= length and memcmp(d, text, length) == 0

cdef inline AppCode greeting_of(const uint8_t *d, uint32_t n, uint16_t port) noexcept nogil:
    """The protocol that a server's first words belong to."""
    if starts(d, n, b"SSH-", 4):
        return APP_SSH
    if starts(d, n, b"220", 3):
        return APP_FTP if port == 21 else APP_SMTP if port in (25, 465, 587) else APP_FTP if port == 2121 else APP_SMTP
    if starts(d, n, b"+OK", 3):
        return APP_POP3
    if starts(d, n, b"* OK", 4):
        return APP_IMAP
    if starts(d, n, b"RFB ", 4):
        return APP_VNC
    if n > 6 and d[3] == 0 and d[4] == 10 and d[2] == 0 and port == 3306:
        return APP_MYSQL
    return APP_UNKNOWN

cdef inline AppCode word_of_client(const uint8_t *d, uint32_t n) noexcept nogil:
    """The protocol that a client's first bytes belong to."""
    if is_hello(d, n, 1):
        return APP_TLS
    if is_http_request(d, n):
        return APP_HTTP
    if starts(d, n, b"PRI * HTTP/2", 12):
        return APP_HTTP2
    if starts(d, n, b"SSH-", 4):
        return APP_SSH
    if n >= 8 and d[0] == 0 and (starts(d + 4, n - 4, b"\xffSMB", 4) or starts(d + 4, n - 4, b"\xfeSMB", 4)):
        return APP_SMB
    if n >= 7 and d[0] == 3 and d[1] == 0 and d[5] == 0xE0:
        return APP_RDP
    if starts(d, n, b"REGISTER ", 9) or starts(d, n, b"INVITE ", 7):
        return APP_SIP
    return APP_UNKNOWN

cdef inline void fix_roles(Engine *e, Flow *f, uint8_t client) noexcept nogil:
    """The first bytes tell who asks, where no SYN did."""
    if f.role == ROLE_GUESSED and not f.track.started:
        f.client_side = client
        f.role = ROLE_LIKELY
        learn_service(e, f)

cdef inline void sniff(Engine *e, Flow *f, const Packet *p, uint8_t side) noexcept nogil:
    """The first payload of `side`: protocol and, where they are guessed, roles."""
    cdef Track *t = f.track
    cdef AppCode app = word_of_client(p.payload, p.payload_captured)
    t.sniffed[side] = True
    if f.app == APP_UNKNOWN:
        f.app = app_of_port(f.ports[1 - f.client_side])
    if t.app_certain:
        return
    if app != APP_UNKNOWN:
        fix_roles(e, f, side)
    elif is_http_response(p.payload, p.payload_captured):
        app = APP_HTTP
        fix_roles(e, f, 1 - side)
    elif is_hello(p.payload, p.payload_captured, 2):
        app = APP_TLS
        fix_roles(e, f, 1 - side)
    else:
        app = greeting_of(p.payload, p.payload_captured, f.ports[side])
        if app != APP_UNKNOWN:
            fix_roles(e, f, 1 - side)
    if app == APP_UNKNOWN:
        if not t.started:
            ask_services(e, f)
        if t.sniffed[0] and t.sniffed[1]:
            t.ways[0].parser.off = t.ways[1].parser.off = True
        return
    f.app = app
    t.app_certain = True
    if app == APP_TLS and is_hello(p.payload, p.payload_captured, 1):
        t.tls = TLS_HELLO
        t.ways[0].parser.off = t.ways[1].parser.off = False
    elif app != APP_HTTP:
        t.ways[0].parser.off = t.ways[1].parser.off = True

cdef inline void parse_bytes(
    Engine *e, Flow *f, uint8_t side, const uint8_t *d, uint32_t n, int64_t time, uint64_t frame
) noexcept nogil:
    """Bytes from `want` on; the parser moves `want` at least past them."""
    if f.app == APP_HTTP:
        feed_http(e, f, side, d, n)
    elif f.track.tls == TLS_HELLO or f.track.tls == TLS_DONE:
        feed_tls(e, f, side, d, n, time, frame)
    else:
        f.track.ways[side].parser.off = True

cdef inline void give_up(Flow *f, uint8_t side) noexcept nogil:
    """Bytes that the parser needs will not come."""
    if f.track.tls == TLS_HELLO:
        void_tls(f)
    f.track.ways[side].parser.off = True

cdef inline void stash(Engine *e, Flow *f, const Packet *p, uint8_t side, int64_t start) noexcept nogil:
    cdef Way *w = &f.track.ways[side]
    cdef Stashed *s
    if w.stash == NULL:
        w.stash = <Stashed *> malloc(STASH_SEGMENTS * sizeof(Stashed))
        if w.stash == NULL:
            e.out_of_memory = True
            return
        e.held += STASH_SEGMENTS * sizeof(Stashed)
    if w.stash_count == STASH_SEGMENTS or w.stash_bytes + p.payload_captured > STASH_BYTES:
        overflow(e, OVER_STASH, p.frame)
        give_up(f, side)
        return
    s = w.stash + w.stash_count
    s.bytes = <uint8_t *> malloc(p.payload_captured + 1)
    if s.bytes == NULL:
        e.out_of_memory = True
        return
    memcpy(s.bytes, p.payload, p.payload_captured)
    s.start = start
    s.length = p.payload_length
    s.captured = p.payload_captured
    s.time = e.now
    s.frame = p.frame
    w.stash_count += 1
    w.stash_bytes += p.payload_captured
    e.held += p.payload_captured

cdef inline void parse_piece(
    Engine *e, Flow *f, uint8_t side, const uint8_t *d, int64_t start, uint32_t length, uint32_t captured,
    int64_t time, uint64_t frame
) noexcept nogil:
    """One segment that holds `want`."""
    cdef Parser *r = &f.track.ways[side].parser
    cdef int64_t skip = r.want - start
    if skip < captured:
        parse_bytes(e, f, side, d + skip, captured - <uint32_t> skip, time, frame)
    if captured < length and r.want < start + length:
        give_up(f, side)

cdef inline void drain_stash(Engine *e, Flow *f, uint8_t side) noexcept nogil:
    """Kept segments that have become due; ones that are behind `want` are dropped."""
    cdef Way *w = &f.track.ways[side]
    cdef uint32_t i = 0
    cdef Stashed s
    while i < w.stash_count:
        s = w.stash[i]
        if s.start > w.parser.want and not w.parser.off:
            i += 1
            continue
        w.stash_count -= 1
        w.stash_bytes -= s.captured
        e.held -= s.captured
        memmove(w.stash + i, w.stash + i + 1, (w.stash_count - i) * sizeof(Stashed))
        if not w.parser.off and s.start + s.length > w.parser.want:
            parse_piece(e, f, side, s.bytes, s.start, s.length, s.captured, s.time, s.frame)
            i = 0
        free(s.bytes)

cdef inline void parse_payload(Engine *e, Flow *f, const Packet *p, uint8_t side, int64_t start) noexcept nogil:
    cdef Way *w = &f.track.ways[side]
    if not f.track.app_certain:
        return
    if f.app == APP_HTTP and (start != w.parser.want or w.parser.line) and resync_http(f, p, side, start):
        w.parser.want = start
    if start + p.payload_length <= w.parser.want:
        return
    if start > w.parser.want:
        stash(e, f, p, side, start)
        return
    parse_piece(e, f, side, p.payload, start, p.payload_length, p.payload_captured, e.now, p.frame)
    if w.stash_count:
        drain_stash(e, f, side)
