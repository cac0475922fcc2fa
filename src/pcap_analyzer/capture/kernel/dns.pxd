"""DNS over UDP, multicast DNS and LLMNR: one row a lookup.

A lookup is one client, name and type. The same question again, with the same id or within five seconds of an
unanswered try, is another try of it. References: RFC 1035, RFC 6762, RFC 4795.
"""

from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, malloc
from libc.string cimport memcmp, memcpy, memset

from pcap_analyzer.capture.kernel.codes cimport NEVER, OVER_LOOKUPS
from pcap_analyzer.capture.kernel.octets cimport be16, mix
from pcap_analyzer.capture.kernel.rows cimport DnsRow, rows_add
from pcap_analyzer.capture.kernel.state cimport Engine, Flow, LOOKUPS, LOOKUP_HEADS, Lookup, overflow
from pcap_analyzer.capture.kernel.wire cimport Packet

cdef enum:
    DNS_HEADER = 12
    NAME_BYTES = 128
    MAX_POINTERS = 64
    MAX_ADDRESSES = 8
    TRIES_KEPT = 8
    TYPE_A = 1
    TYPE_AAAA = 28
    RETRY_NS = 5000000000       # the same question sooner is another try
    SAME_ID_NS = 15000000000    # with the same id
    ADDRESS_BYTES = 16

#: The question of a message, by value.
cdef struct Question:
    char name[NAME_BYTES]
    uint16_t kind
    uint32_t end        # offset behind the question

cdef inline bint start_lookups(Engine *e) noexcept nogil:
    cdef int32_t i
    e.lookups = <Lookup *> malloc(LOOKUPS * sizeof(Lookup))
    e.lookup_heads = <int32_t *> malloc(LOOKUP_HEADS * sizeof(int32_t))
    if e.lookups == NULL or e.lookup_heads == NULL:
        return False
    memset(e.lookup_heads, 0xFF, LOOKUP_HEADS * sizeof(int32_t))
    e.lookup_free = 0
    e.lookup_made = 0
    e.lookup_oldest = e.lookup_newest = -1
    return True

cdef inline uint32_t read_name(const uint8_t *d, uint32_t n, uint32_t at, char *name) noexcept nogil:
    """Presentation form in lower case into `name` (NULL: only step over); the offset behind it, 0 if it is broken."""
    cdef uint32_t end = 0
    cdef uint32_t out = 0
    cdef uint32_t i
    cdef int hops = 0
    cdef uint8_t c
    while at < n and d[at]:
        if d[at] >= 0xC0:
            if at + 2 > n or hops == MAX_POINTERS:
                return 0
            if end == 0:
                end = at + 2
            if name == NULL:
                return end
            at = be16(d + at) & 0x3FFF
            hops += 1
            continue
        if d[at] >= 0x40 or at + 1 + d[at] >= n or hops == MAX_POINTERS * 2:
            return 0
        hops += 1
        if name != NULL:
            if out and out < NAME_BYTES - 1:
                name[out] = 46
                out += 1
            for i in range(d[at]):
                c = d[at + 1 + i]
                if out < NAME_BYTES - 1:
                    name[out] = c + 32 if 65 <= c <= 90 else c if c else 63
                    out += 1
        at += 1 + d[at]
    if at >= n:
        return 0
    if name != NULL and out == 0:
        name[0] = 46
    return end if end else at + 1

cdef inline bint read_question(const uint8_t *d, uint32_t n, Question *q) noexcept nogil:
    """The single question of a message; mDNS may ask several: the first counts."""
    cdef uint32_t at
    memset(q, 0, sizeof(Question))
    if n < DNS_HEADER or be16(d + 4) == 0:
        return False
    at = read_name(d, n, DNS_HEADER, q.name)
    if at == 0 or at + 4 > n:
        return False
    q.kind = be16(d + at)
    q.end = at + 4
    return True

cdef inline uint64_t question_hash(Engine *e, const uint8_t *client, const Question *q) noexcept nogil:
    cdef uint64_t h = e.seed ^ q.kind
    cdef uint64_t part
    cdef int i
    for i in range(2):
        memcpy(&part, client + 8 * i, 8)
        h = mix(h ^ part, e.seed2)
    for i in range(NAME_BYTES // 8):
        memcpy(&part, q.name + 8 * i, 8)
        h = mix(h ^ part, e.seed2 ^ <uint64_t> 0x9E3779B97F4A7C15)
        if part >> 56 == 0:
            break
    return h

cdef inline int32_t find_lookup(Engine *e, const uint8_t *client, const Question *q, uint64_t hash) noexcept nogil:
    cdef int32_t i = e.lookup_heads[hash & (LOOKUP_HEADS - 1)]
    while i >= 0:
        if e.lookups[i].hash == hash and e.lookups[i].row.query_type == q.kind \
                and memcmp(e.lookups[i].row.client_ip, client, ADDRESS_BYTES) == 0 \
                and memcmp(e.lookups[i].row.name, q.name, NAME_BYTES) == 0:
            return i
        i = e.lookups[i].next_hash
    return -1

cdef inline void unlink_age(Engine *e, int32_t i) noexcept nogil:
    cdef Lookup *l = e.lookups + i
    if l.older >= 0:
        e.lookups[l.older].newer = l.newer
    else:
        e.lookup_oldest = l.newer
    if l.newer >= 0:
        e.lookups[l.newer].older = l.older
    else:
        e.lookup_newest = l.older

cdef inline void link_newest(Engine *e, int32_t i) noexcept nogil:
    cdef Lookup *l = e.lookups + i
    l.older = e.lookup_newest
    l.newer = -1
    if e.lookup_newest >= 0:
        e.lookups[e.lookup_newest].newer = i
    else:
        e.lookup_oldest = i
    e.lookup_newest = i

cdef inline void close_lookup(Engine *e, int32_t i) noexcept nogil:
    """Write the row and free the place."""
    cdef Lookup *l = e.lookups + i
    cdef int32_t *link = e.lookup_heads + (l.hash & (LOOKUP_HEADS - 1))
    cdef DnsRow *row = <DnsRow *> rows_add(&e.rows[4])
    if row == NULL:
        e.out_of_memory = True
    else:
        memcpy(row, &l.row, sizeof(DnsRow))
    while link[0] != i:
        link = &e.lookups[link[0]].next_hash
    link[0] = l.next_hash
    unlink_age(e, i)
    l.used = False
    l.next_hash = e.lookup_free - 1
    e.lookup_free = i + 1

cdef inline void close_lookups(Engine *e) noexcept nogil:
    """The capture ends: what was never answered, oldest try first."""
    while e.lookup_oldest >= 0:
        close_lookup(e, e.lookup_oldest)

cdef inline int32_t new_lookup(Engine *e, uint64_t frame) noexcept nogil:
    """A free place; the one that waited longest is closed when there is none."""
    cdef int32_t i
    if e.lookup_free == 0 and e.lookup_made == LOOKUPS:
        overflow(e, OVER_LOOKUPS, frame)
        close_lookup(e, e.lookup_oldest)
    if e.lookup_free:
        i = e.lookup_free - 1
        e.lookup_free = e.lookups[i].next_hash + 1
        return i
    e.lookup_made += 1
    return e.lookup_made - 1

cdef inline void expire_lookups(Engine *e) noexcept nogil:
    """Lookups that no try can belong to any more."""
    while e.lookup_oldest >= 0 and e.now - e.lookups[e.lookup_oldest].row.last_query_ns > <int64_t> SAME_ID_NS:
        close_lookup(e, e.lookup_oldest)

cdef inline void remember_try(Lookup *l, const Flow *f, uint8_t client, uint16_t ident) noexcept nogil:
    cdef uint32_t slot = l.row.tries % TRIES_KEPT
    cdef uint32_t i
    cdef bint known = False
    for i in range(min(l.row.tries, <uint32_t> TRIES_KEPT)):
        known = known or memcmp(l.servers[i], f.addresses[1 - client], ADDRESS_BYTES) == 0
    l.row.servers += not known and l.row.servers < 255
    l.row.server_tries += memcmp(l.row.server_ip, f.addresses[1 - client], ADDRESS_BYTES) == 0
    l.ids[slot] = ident
    l.ports[slot] = f.ports[client]
    memcpy(l.servers[slot], f.addresses[1 - client], ADDRESS_BYTES)
    l.row.tries += 1

cdef inline void follow_query(
    Engine *e, Flow *f, const Packet *p, uint8_t side, const Question *q, uint16_t ident
) noexcept nogil:
    cdef uint64_t hash = question_hash(e, f.addresses[side], q)
    cdef int32_t i = find_lookup(e, f.addresses[side], q, hash)
    cdef Lookup *l
    cdef int64_t since
    cdef int64_t limit
    if i >= 0:
        l = e.lookups + i
        since = e.now - l.row.last_query_ns
        limit = <int64_t> RETRY_NS
        if l.ids[(l.row.tries - 1) % TRIES_KEPT] == ident:
            limit = <int64_t> SAME_ID_NS
        if since > limit:
            close_lookup(e, i)
            i = -1
    if i < 0:
        i = new_lookup(e, p.frame)
        l = e.lookups + i
        memset(l, 0, sizeof(Lookup))
        l.used = True
        l.hash = hash
        l.next_hash = e.lookup_heads[hash & (LOOKUP_HEADS - 1)]
        e.lookup_heads[hash & (LOOKUP_HEADS - 1)] = i
        memcpy(l.row.client_ip, f.addresses[side], ADDRESS_BYTES)
        memcpy(l.row.server_ip, f.addresses[1 - side], ADDRESS_BYTES)
        memcpy(l.row.name, q.name, NAME_BYTES)
        l.row.ip_version = f.version
        l.row.server_port = f.ports[1 - side]
        l.row.app = f.app
        l.row.stream = f.stream
        l.row.id = ident
        l.row.query_type = q.kind
        l.row.rcode = -1
        l.row.query_frame = p.frame
        l.row.query_ns = e.now
        l.row.answer_ns = NEVER
    else:
        unlink_age(e, i)
    link_newest(e, i)
    remember_try(l, f, side, ident)
    l.row.last_query_frame = p.frame
    l.row.last_query_ns = e.now

cdef inline bint matches_try(const Lookup *l, const Flow *f, uint8_t client, uint16_t ident) noexcept nogil:
    """Same id, port and server as one of the tries."""
    cdef uint32_t i
    for i in range(min(l.row.tries, <uint32_t> TRIES_KEPT)):
        if l.ids[i] == ident and l.ports[i] == f.ports[client] \
                and memcmp(l.servers[i], f.addresses[1 - client], ADDRESS_BYTES) == 0:
            return True
    return False

cdef inline void read_answers(DnsRow *row, const uint8_t *d, uint32_t n, uint32_t at) noexcept nogil:
    """Keep the A and AAAA addresses of the answer section."""
    cdef uint32_t left = be16(d + 6)
    cdef uint32_t size
    cdef uint16_t kind
    row.answers = be16(d + 6)
    while left and row.address_count < MAX_ADDRESSES:
        left -= 1
        at = read_name(d, n, at, NULL)
        if at == 0 or at + 10 > n:
            return
        kind = be16(d + at)
        size = be16(d + at + 8)
        at += 10
        if at + size > n:
            return
        if (kind == TYPE_A and size == 4) or (kind == TYPE_AAAA and size == 16):
            row.address_version[row.address_count] = 4 if kind == TYPE_A else 6
            memcpy(row.addresses + 16 * row.address_count, d + at, size)
            row.address_count += 1
        at += size

cdef inline void follow_answer(Engine *e, Flow *f, const Packet *p, uint8_t side, const Question *q) noexcept nogil:
    """`side` answered."""
    cdef uint8_t client = 1 - side
    cdef const uint8_t *d = p.payload
    cdef int32_t i = find_lookup(e, f.addresses[client], q, question_hash(e, f.addresses[client], q))
    cdef Lookup *l
    if i < 0 or not matches_try(e.lookups + i, f, client, be16(d)):
        return
    l = e.lookups + i
    l.row.answer_frame = p.frame
    l.row.answer_ns = e.now
    l.row.rcode = d[3] & 15
    l.row.truncated = (d[2] & 2) != 0
    read_answers(&l.row, d, p.payload_captured, q.end)
    close_lookup(e, i)

cdef inline void follow_dns(Engine *e, Flow *f, const Packet *p, uint8_t side) noexcept nogil:
    """A message on a port of DNS, mDNS or LLMNR."""
    cdef Question q
    expire_lookups(e)
    if not read_question(p.payload, p.payload_captured, &q):
        return
    if p.payload[2] & 0x80:
        follow_answer(e, f, p, side, &q)
    elif p.payload[2] & 0x78 == 0:
        follow_query(e, f, p, side, &q, be16(p.payload))

cdef inline void refuse_lookups(Engine *e, const Flow *f) noexcept nogil:
    """An ICMP error quoted a query of this flow: it is the answer."""
    cdef int32_t i = e.lookup_newest
    cdef int32_t older
    cdef uint8_t client = f.client_side
    cdef Lookup *l
    while i >= 0:
        l = e.lookups + i
        older = l.older
        if l.row.last_query_ns + <int64_t> SAME_ID_NS < e.now:
            break
        if l.ports[(l.row.tries - 1) % TRIES_KEPT] == f.ports[client] \
                and memcmp(l.row.client_ip, f.addresses[client], ADDRESS_BYTES) == 0:
            l.row.icmp = True
            l.row.last_query_ns = e.now
            close_lookup(e, i)
            return
        i = older
