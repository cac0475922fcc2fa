"""Round trips between the capture point and each side.

A sample is SYN to SYN-ACK, SYN-ACK to ACK, payload sent once to the first pure ACK that covers it (RFC 6298 with
Karn's rule), or a timestamp echo. Samples of large flows are shared by all flows of their host pair.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from pcap_analyzer.capture.kernel.codes cimport NEVER, OVER_PAIRS
from pcap_analyzer.capture.kernel.octets cimport mix
from pcap_analyzer.capture.kernel.state cimport Engine, Flow, LegWindow, Pair, PairSlot, Side, overflow

cdef enum:
    BUCKET_NS = 125000000       # eight of them make the last second
    BUCKETS = 8
    ENOUGH = 3                  # samples that make the last second's minimum count
    MAX_PAIRS = 1 << 20

cdef inline bint grow_pairs(Engine *e) noexcept nogil:
    cdef uint64_t size = (e.pair_mask + 1) * 2
    cdef uint64_t i, j
    cdef PairSlot *slots = <PairSlot *> calloc(size, sizeof(PairSlot))
    if slots == NULL:
        return False
    for i in range(e.pair_mask + 1):
        if e.pair_slots[i].pair != NULL:
            j = e.pair_slots[i].hash & (size - 1)
            while slots[j].pair != NULL:
                j = (j + 1) & (size - 1)
            slots[j] = e.pair_slots[i]
    free(e.pair_slots)
    e.pair_slots = slots
    e.pair_mask = size - 1
    return True

cdef inline Pair *find_pair(Engine *e, const Flow *f) noexcept nogil:
    """The flow's host pair, created when it is new; NULL over the limit."""
    cdef uint64_t h = mix(mix(f.key[0] ^ e.seed, f.key[1] ^ e.seed2) ^ f.key[2], f.key[3] ^ e.seed2 ^ f.version)
    cdef uint64_t i = h & e.pair_mask
    cdef Pair *pair = e.pair_slots[i].pair
    while pair != NULL:
        if e.pair_slots[i].hash == h and pair.key[0] == f.key[0] and pair.key[1] == f.key[1] \
                and pair.key[2] == f.key[2] and pair.key[3] == f.key[3] and pair.key[4] == f.version:
            return pair
        i = (i + 1) & e.pair_mask
        pair = e.pair_slots[i].pair
    if e.pair_count >= MAX_PAIRS:
        overflow(e, OVER_PAIRS, e.frames)
        return NULL
    if e.pair_count * 2 > e.pair_mask and not grow_pairs(e):
        return NULL
    pair = <Pair *> calloc(1, sizeof(Pair))
    if pair == NULL:
        return NULL
    memcpy(pair.key, f.key, 32)
    pair.key[4] = f.version
    pair.leg_min[0] = pair.leg_min[1] = NEVER
    i = h & e.pair_mask
    while e.pair_slots[i].pair != NULL:
        i = (i + 1) & e.pair_mask
    e.pair_slots[i].hash = h
    e.pair_slots[i].pair = pair
    e.pair_count += 1
    return pair

cdef inline void free_pairs(Engine *e) noexcept nogil:
    cdef uint64_t i
    cdef Pair *pair
    if e.pair_slots == NULL:
        return
    for i in range(e.pair_mask + 1):
        pair = e.pair_slots[i].pair
        if pair != NULL:
            free(pair.recent[0])
            free(pair.recent[1])
            free(pair)
    free(e.pair_slots)
    e.pair_slots = NULL

cdef inline void add_leg(Engine *e, Flow *f, uint8_t side, int64_t leg, bint good) noexcept nogil:
    """A sample of the leg of `side`; `good` ones come from ACKs of two full segments, or from echoes."""
    cdef Side *s = &f.sides[side]
    cdef int64_t at
    cdef LegWindow *w
    if leg < 0:
        return
    s.leg_samples += 1
    if s.leg_min < 0 or leg < s.leg_min:
        s.leg_min = leg
    e.second.leg_samples += 1
    e.second.leg_sum_ns += leg
    if e.second.leg_min_ns < 0 or leg < e.second.leg_min_ns:
        e.second.leg_min_ns = leg
    if leg > e.second.leg_max_ns:
        e.second.leg_max_ns = leg
    if f.pair == NULL:
        f.pair = find_pair(e, f)
    if f.pair == NULL:
        return
    if f.pair.leg_min[side] < 0 or leg < f.pair.leg_min[side]:
        f.pair.leg_min[side] = leg
    if not good:
        return
    w = f.pair.recent[side]
    if w == NULL:
        w = f.pair.recent[side] = <LegWindow *> calloc(1, sizeof(LegWindow))
        if w == NULL:
            return
        memset(w.bucket, 0xFF, sizeof(w.bucket))
    at = e.now // BUCKET_NS
    if w.bucket[at & 7] != at:
        w.bucket[at & 7] = at
        w.least[at & 7] = leg
        w.count[at & 7] = 1
    else:
        w.count[at & 7] += 1
        w.least[at & 7] = min(w.least[at & 7], leg)

cdef inline int64_t recent_leg(const Engine *e, const Flow *f, uint8_t side) noexcept nogil:
    """The least good sample of the host pair in the last second, NEVER with fewer than three."""
    cdef const LegWindow *w
    cdef int64_t least = NEVER
    cdef int64_t at = e.now // BUCKET_NS
    cdef uint32_t count = 0
    cdef int i
    if f.pair == NULL or f.pair.recent[side] == NULL:
        return NEVER
    w = f.pair.recent[side]
    for i in range(BUCKETS):
        if w.bucket[i] > at - BUCKETS and w.bucket[i] <= at:
            count += w.count[i]
            if least < 0 or w.least[i] < least:
                least = w.least[i]
    return least if count >= ENOUGH else NEVER

cdef inline int64_t least_leg(const Flow *f, uint8_t side) noexcept nogil:
    """The flow's least sample so far, else its host pair's, else NEVER."""
    if f.sides[side].leg_min >= 0:
        return f.sides[side].leg_min
    return f.pair.leg_min[side] if f.pair != NULL else NEVER

cdef inline int64_t leg_now(const Engine *e, const Flow *f, uint8_t side) noexcept nogil:
    cdef int64_t leg = recent_leg(e, f, side)
    return leg if leg >= 0 else least_leg(f, side)

cdef inline int64_t round_trip(const Flow *f) noexcept nogil:
    """R: both minima together; an unknown leg counts as nothing. NEVER when both are unknown."""
    cdef int64_t a = least_leg(f, 0)
    cdef int64_t b = least_leg(f, 1)
    if a < 0 and b < 0:
        return NEVER
    return max(a, 0) + max(b, 0)

cdef inline bint queue_stands(const Engine *e, const Flow *f) noexcept nogil:
    """Both legs together exceed their minima by max(R/2, 1 ms)."""
    cdef int64_t excess = 0
    cdef int64_t now
    cdef int side
    for side in range(2):
        now = leg_now(e, f, side)
        if now >= 0:
            excess += now - least_leg(f, side)
    return excess >= max(<int64_t> 1000000, max(round_trip(f), 0) // 2)
