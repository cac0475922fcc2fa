"""HTTP/1 framing (RFC 9112): request line, Host, status, and where a response ends.

Bodies are stepped over. Requests sent ahead of the response (pipelining) are told apart only where one starts a
segment.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.string cimport memcmp, memcpy, memset

from pcap_analyzer.capture.kernel.codes cimport NEVER
from pcap_analyzer.capture.kernel.state cimport Engine, Flow, Turn
from pcap_analyzer.capture.kernel.ways cimport Parser
from pcap_analyzer.capture.kernel.wire cimport Packet

cdef enum HttpStage:
    HTTP_LINE = 0       # request line or status line
    HTTP_HEADERS
    HTTP_CHUNK          # a chunk's size line
    HTTP_TRAILERS

cdef enum:
    LINE_BYTES = 96
    LINE_LIMIT = 16384  # RFC 9112, 3 asks for 8000 at least; what is longer is no header
    MAX_BODY = 0x4000000000000

cdef inline bint is_http_request(const uint8_t *d, uint32_t n) noexcept nogil:
    """A method in capitals and a space; WebDAV's and CONNECT too."""
    if n < 8:
        return False
    return (
        memcmp(d, b"GET ", 4) == 0 or memcmp(d, b"POST ", 5) == 0 or memcmp(d, b"HEAD ", 5) == 0
        or memcmp(d, b"PUT ", 4) == 0 or memcmp(d, b"DELETE ", 7) == 0 or memcmp(d, b"OPTIONS ", 8) == 0
        or memcmp(d, b"PATCH ", 6) == 0 or memcmp(d, b"CONNECT ", 8) == 0 or memcmp(d, b"PROPFIND", 8) == 0
        or memcmp(d, b"TRACE ", 6) == 0 or memcmp(d, b"REPORT ", 7) == 0
    )

cdef inline bint is_http_response(const uint8_t *d, uint32_t n) noexcept nogil:
    return n >= 8 and memcmp(d, b"HTTP/1.", 7) == 0

cdef inline bint resync_http(Flow *f, const Packet *p, uint8_t side, int64_t start) noexcept nogil:
    """After a gap, or past a body of unknown end: a message that starts a segment starts the parser anew."""
    cdef Parser *r = &f.track.ways[side].parser
    cdef bint found
    if start < r.want and r.stage != HTTP_LINE and r.want < <int64_t> MAX_BODY:
        return False
    if side == f.client_side:
        found = is_http_request(p.payload, p.payload_captured)
    else:
        found = is_http_response(p.payload, p.payload_captured)
    if found:
        r.stage = HTTP_LINE
        r.line = 0
    return found

cdef inline uint8_t lower(uint8_t c) noexcept nogil:
    return c + 32 if 65 <= c <= 90 else c

cdef inline bint header_is(const Parser *r, const char *name, uint32_t length) noexcept nogil:
    """The line at hand is that header; `name` is lower case and ends with the colon."""
    cdef uint32_t i
    if r.line < length:
        return False
    for i in range(length):
        if lower(<uint8_t> r.text[i]) != <uint8_t> name[i]:
            return False
    return True

cdef inline uint32_t value_start(const Parser *r, uint32_t at) noexcept nogil:
    while at < r.line and at < LINE_BYTES and (r.text[at] == 32 or r.text[at] == 9):
        at += 1
    return at

cdef inline int64_t parse_number(const Parser *r, uint32_t at, uint32_t base) noexcept nogil:
    """The number at `at`, NEVER where there is none or it is absurd."""
    cdef int64_t value = 0
    cdef uint32_t start = at
    cdef uint32_t digit
    cdef uint8_t c
    while at < r.line and at < LINE_BYTES:
        c = lower(<uint8_t> r.text[at])
        digit = c - 48 if 48 <= c <= 57 else c - 87 if 97 <= c <= 102 else 99
        if digit >= base:
            break
        value = value * base + digit
        if value > <int64_t> MAX_BODY:
            return NEVER
        at += 1
    return value if at > start else NEVER

cdef inline void end_request_line(Flow *f, Parser *r) noexcept nogil:
    cdef Turn *turn = &f.track.turn
    f.track.is_head = r.line >= 5 and memcmp(r.text, b"HEAD ", 5) == 0
    if turn.used and turn.row.label[0] == 0:
        memcpy(turn.row.label, r.text, min(r.line, <uint32_t> LINE_BYTES))
    r.stage = HTTP_HEADERS

cdef inline void request_line(Flow *f, Parser *r) noexcept nogil:
    """One line of a request has ended."""
    cdef uint32_t at
    if r.stage == HTTP_LINE:
        if is_http_request(<const uint8_t *> r.text, min(r.line, <uint32_t> LINE_BYTES)):
            end_request_line(f, r)
    elif r.line == 0:
        r.stage = HTTP_LINE
    elif header_is(r, b"host:", 5) and f.track.server_name[0] == 0:
        at = value_start(r, 5)
        if at < r.line:
            memcpy(f.track.server_name, r.text + at, min(r.line, <uint32_t> LINE_BYTES) - at)

cdef inline void status_line(Flow *f, Parser *r) noexcept nogil:
    cdef Turn *turn = &f.track.turn
    cdef int64_t status = parse_number(r, 9, 10)
    if not is_http_response(<const uint8_t *> r.text, min(r.line, <uint32_t> LINE_BYTES)):
        # Not where a message starts: wait for a segment that starts one.
        r.want = MAX_BODY
        return
    r.stage = HTTP_HEADERS
    r.record_length = <uint32_t> status if 100 <= status <= 999 else 0
    r.record_end = NEVER
    r.record_kind = 0
    if turn.used:
        turn.row.status = r.record_length
        turn.body_end = NEVER
        turn.framed_complete = False

cdef inline void interim_response(Engine *e, Flow *f, bint more) noexcept nogil:
    """A 1xx is not the response (RFC 9110, 15.2): what follows it is, and a run of its own."""
    cdef Turn *turn = &f.track.turn
    f.track.interim = True
    turn.row.status = 0
    turn.row.response_bytes = 0
    turn.row.response_frames = 0
    if not more:
        turn.row.response_first_ns = turn.row.response_last_ns = NEVER
        turn.row.response_first_frame = turn.row.response_last_frame = 0
        e.second.exchanges -= 1 if e.second.exchanges else 0

cdef inline void end_headers(Engine *e, Flow *f, Parser *r, int64_t offset, bint more) noexcept nogil:
    """The empty line; `offset` is the stream offset behind it. RFC 9112, 6.3: where the body ends."""
    cdef Turn *turn = &f.track.turn
    cdef uint32_t status = r.record_length
    r.stage = HTTP_LINE
    if 100 <= status < 200 and status != 101:
        interim_response(e, f, more)
    elif f.track.is_head or status == 204 or status == 304:
        turn.body_end = offset
    elif r.record_kind == 1:
        r.stage = HTTP_CHUNK
    elif r.record_end >= 0:
        turn.body_end = offset + r.record_end
        r.want = turn.body_end
    else:
        # Until the connection closes, or an upgrade.
        r.want = MAX_BODY

cdef inline void response_line(Engine *e, Flow *f, Parser *r, int64_t offset, bint more) noexcept nogil:
    """One line of a response has ended before stream offset `offset`."""
    cdef int64_t size
    if r.stage == HTTP_LINE:
        if r.line:
            status_line(f, r)
    elif r.stage == HTTP_HEADERS:
        if r.line == 0:
            end_headers(e, f, r, offset, more)
        elif header_is(r, b"content-length:", 15):
            r.record_end = parse_number(r, value_start(r, 15), 10)
        elif header_is(r, b"transfer-encoding:", 18):
            size = value_start(r, 18)
            r.record_kind = size + 7 <= LINE_BYTES and lower(<uint8_t> r.text[size]) == 99  # chunked
    elif r.stage == HTTP_CHUNK:
        size = parse_number(r, 0, 16)
        if size < 0:
            r.want = MAX_BODY
        elif size == 0:
            r.stage = HTTP_TRAILERS
        else:
            r.want = offset + size + 2
    elif r.line == 0:
        r.stage = HTTP_LINE
        f.track.turn.framed_complete = True
        f.track.turn.body_end = offset

cdef inline void feed_http(Engine *e, Flow *f, uint8_t side, const uint8_t *d, uint32_t n) noexcept nogil:
    """Bytes from offset `want` on. Invariant: `want` is the offset of `d[i]`, or beyond what a body takes."""
    cdef Parser *r = &f.track.ways[side].parser
    cdef int64_t base = r.want
    cdef uint32_t i = 0
    cdef uint8_t c
    while i < n:
        c = d[i]
        i += 1
        r.want = base + i
        if c != 10:
            if r.line < LINE_BYTES:
                r.text[r.line] = c
            r.line += 1
            if r.line > LINE_LIMIT:
                # Not a message, whatever it is: wait for a segment that starts one, instead of reading every byte.
                r.want = MAX_BODY
                return
            continue
        if r.line and r.line <= LINE_BYTES and r.text[r.line - 1] == 13:
            r.line -= 1
            r.text[r.line] = 0
        if side == f.client_side:
            request_line(f, r)
        else:
            response_line(e, f, r, base + i, i < n)
        r.line = 0
        memset(r.text, 0, LINE_BYTES)
        if r.want > base + i:
            i = <uint32_t> min(<int64_t> n, r.want - base)
