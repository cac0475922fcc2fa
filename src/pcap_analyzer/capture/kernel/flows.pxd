"""The flow table: find, create, evict and write out flows.

Open addressing with linear probing over `Slot`s; flows live in slabs and never move. The newest flow of a tuple is
the one in the table: a reused tuple's older flow has been written out.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, qsort, realloc
from libc.string cimport memcpy, memset

from pcap_analyzer.capture.kernel.codes cimport NEVER, OVER_FLOWS, Overflow, ROLE_GUESSED
from pcap_analyzer.capture.kernel.exchanges cimport close_turns
from pcap_analyzer.capture.kernel.rows cimport FlowRow, rows_add
from pcap_analyzer.capture.kernel.state cimport Engine, Flow, SLAB, Side, Slot, Track, overflow
from pcap_analyzer.capture.kernel.track cimport free_track, settle_track
from pcap_analyzer.capture.kernel.ways cimport Way
from pcap_analyzer.capture.kernel.wire cimport Packet, TCP, UDP, load_address

cdef inline uint8_t make_key(const Packet *p, uint64_t *key) noexcept nogil:
    """Fill the unordered key of five words; the side (0 or 1) that sent the packet."""
    cdef uint64_t a0, a1, b0, b1
    cdef uint64_t head = <uint64_t> p.protocol << 32 | <uint64_t> p.version << 40
    load_address(p.source, p.version, &a0, &a1)
    load_address(p.target, p.version, &b0, &b1)
    if a0 < b0 or (a0 == b0 and (a1 < b1 or (a1 == b1 and p.source_port <= p.target_port))):
        key[0] = a0
        key[1] = a1
        key[2] = b0
        key[3] = b1
        key[4] = head | <uint64_t> p.source_port << 16 | p.target_port
        return 0
    key[0] = b0
    key[1] = b1
    key[2] = a0
    key[3] = a1
    key[4] = head | <uint64_t> p.target_port << 16 | p.source_port
    return 1

cdef inline bint same_key(const uint64_t *a, const uint64_t *b) noexcept nogil:
    return a[0] == b[0] and a[1] == b[1] and a[2] == b[2] and a[3] == b[3] and a[4] == b[4]

cdef inline Flow *find_flow(Engine *e, const uint64_t *key, uint64_t hash) noexcept nogil:
    cdef uint64_t i = hash & e.slot_mask
    while e.slots[i].flow != NULL:
        if e.slots[i].hash == hash and same_key(e.slots[i].flow.key, key):
            return e.slots[i].flow
        i = (i + 1) & e.slot_mask
    return NULL

cdef inline void put_slot(Slot *slots, uint64_t mask, uint64_t hash, Flow *flow) noexcept nogil:
    cdef uint64_t i = hash & mask
    while slots[i].flow != NULL:
        i = (i + 1) & mask
    slots[i].hash = hash
    slots[i].flow = flow

cdef inline bint grow_slots(Engine *e) noexcept nogil:
    """Double the table; it is at most half full."""
    cdef uint64_t size = (e.slot_mask + 1) * 2
    cdef uint64_t i
    cdef Slot *slots = <Slot *> calloc(size, sizeof(Slot))
    if slots == NULL:
        e.out_of_memory = True
        return False
    for i in range(e.slot_mask + 1):
        if e.slots[i].flow != NULL:
            put_slot(slots, size - 1, e.slots[i].hash, e.slots[i].flow)
    free(e.slots)
    e.slots = slots
    e.slot_mask = size - 1
    return True

cdef inline void drop_slot(Engine *e, Flow *flow) noexcept nogil:
    """Backward-shift deletion: no tombstones, so that probing stays short for ever."""
    cdef uint64_t mask = e.slot_mask
    cdef uint64_t i = flow.hash & mask
    cdef uint64_t j
    while e.slots[i].flow != flow:
        i = (i + 1) & mask
    j = i
    while True:
        j = (j + 1) & mask
        if e.slots[j].flow == NULL:
            break
        # The entry at j may fill i unless its home lies cyclically in (i, j].
        if ((j - e.slots[j].hash) & mask) >= ((j - i) & mask):
            e.slots[i] = e.slots[j]
            i = j
    e.slots[i].flow = NULL

cdef inline bint add_slab(Engine *e) noexcept nogil:
    cdef Flow **slabs
    cdef Flow **spare
    cdef Flow *slab
    cdef int i
    if e.slab_count == e.slab_room:
        slabs = <Flow **> realloc(e.slabs, (e.slab_room * 2 + 16) * sizeof(Flow *))
        if slabs == NULL:
            return False
        e.slabs = slabs
        e.slab_room = e.slab_room * 2 + 16
    if e.spare_room < (e.slab_count + 1) * <uint64_t> SLAB:
        spare = <Flow **> realloc(e.spare, <uint64_t> e.slab_room * SLAB * sizeof(Flow *))
        if spare == NULL:
            return False
        e.spare = spare
        e.spare_room = <uint64_t> e.slab_room * SLAB
    slab = <Flow *> calloc(SLAB, sizeof(Flow))
    if slab == NULL:
        return False
    e.slabs[e.slab_count] = slab
    e.slab_count += 1
    for i in range(SLAB - 1, -1, -1):
        e.spare[e.spare_count] = slab + i
        e.spare_count += 1
    return True

cdef inline void clear_flow(Flow *f) noexcept nogil:
    memset(f, 0, sizeof(Flow))
    cdef int s
    for s in range(2):
        f.sides[s].fin_ns = NEVER
        f.sides[s].leg_min = NEVER
        f.sides[s].window_scale = -1
    f.syn_ns = f.syn_last_ns = f.synack_ns = f.synack_last_ns = NEVER
    f.established_ns = f.reset_ns = NEVER
    f.reset_side = -1

cdef inline Flow *create_flow(
    Engine *e, const Packet *p, const uint64_t *key, uint64_t hash, uint8_t side
) noexcept nogil:
    """A new flow in the table, or NULL when memory is out. `side` sent the packet."""
    if e.live >= e.live_limit:
        evict_idle(e, p.frame, OVER_FLOWS)
    if e.live * 2 > e.slot_mask and not grow_slots(e):
        return NULL
    if e.spare_count == 0 and not add_slab(e):
        e.out_of_memory = True
        return NULL
    e.spare_count -= 1
    cdef Flow *f = e.spare[e.spare_count]
    cdef int n = 4 if p.version == 4 else 16
    clear_flow(f)
    memcpy(f.key, key, sizeof(f.key))
    f.hash = hash
    f.id = e.next_flow
    e.next_flow += 1
    f.protocol = p.protocol
    f.version = p.version
    f.stream = e.next_stream[1 if p.protocol == UDP else 0]
    e.next_stream[1 if p.protocol == UDP else 0] += 1
    memcpy(f.addresses[side], p.source, n)
    memcpy(f.addresses[1 - side], p.target, n)
    f.ports[side] = p.source_port
    f.ports[1 - side] = p.target_port
    f.first_ns = f.last_ns = e.now
    f.first_frame = p.frame
    f.live = True
    guess_roles(f, side)
    put_slot(e.slots, e.slot_mask, hash, f)
    e.live += 1
    return f

cdef inline void guess_roles(Flow *f, uint8_t side) noexcept nogil:
    """A registered port serves an ephemeral one; else the lower port serves; between equals the first sender asks."""
    f.role = ROLE_GUESSED
    cdef uint16_t mine = f.ports[side]
    cdef uint16_t other = f.ports[1 - side]
    f.client_side = 1 - side if mine < other and mine < 49152 else side

cdef inline void retire(Engine *e, Flow *f, bint evicted) noexcept nogil:
    """Write the flow's rows and give its memory back."""
    settle_track(e, f)
    close_turns(e, f)
    if f.sides[0].frames + f.sides[1].frames:
        write_flow(e, f, evicted)
    free_track(e, f)
    drop_slot(e, f)
    f.live = False
    e.spare[e.spare_count] = f
    e.spare_count += 1
    e.live -= 1

cdef inline int by_age(const void *a, const void *b) noexcept nogil:
    cdef const Flow *x = (<Flow **> a)[0]
    cdef const Flow *y = (<Flow **> b)[0]
    if x.last_frame != y.last_frame:
        return -1 if x.last_frame < y.last_frame else 1
    return -1 if x.id < y.id else 1

cdef inline int by_id(const void *a, const void *b) noexcept nogil:
    return -1 if (<Flow **> a)[0].id < (<Flow **> b)[0].id else 1

cdef inline Flow **live_flows(Engine *e) noexcept nogil:
    """All live flows; the caller frees the array. NULL when memory is out."""
    cdef Flow **found = <Flow **> malloc((e.live + 1) * sizeof(Flow *))
    cdef uint64_t n = 0
    cdef uint32_t slab
    cdef int i
    if found == NULL:
        e.out_of_memory = True
        return NULL
    for slab in range(e.slab_count):
        for i in range(SLAB):
            if e.slabs[slab][i].live:
                found[n] = e.slabs[slab] + i
                n += 1
    return found

cdef inline void evict_idle(Engine *e, uint64_t frame, Overflow limit) noexcept nogil:
    """Close the longest idle sixteenth at once, so that the cost of sorting is spread."""
    cdef Flow **flows = live_flows(e)
    cdef uint64_t n = max(<uint64_t> 1, e.live // 16)
    cdef uint64_t i
    if flows == NULL:
        return
    qsort(flows, e.live, sizeof(Flow *), by_age)
    for i in range(n):
        retire(e, flows[i], True)
        overflow(e, limit, frame)
    free(flows)

cdef inline void write_flow(Engine *e, Flow *f, bint evicted) noexcept nogil:
    cdef FlowRow *row = <FlowRow *> rows_add(&e.rows[0])
    if row == NULL:
        e.out_of_memory = True
        return
    cdef uint8_t c = f.client_side
    row.flow = f.id
    row.protocol = f.protocol
    row.ip_version = f.version
    row.stream = f.stream
    memcpy(row.client_ip, f.addresses[c], 16)
    memcpy(row.server_ip, f.addresses[1 - c], 16)
    row.client_port = f.ports[c]
    row.server_port = f.ports[1 - c]
    row.role = f.role
    row.app = f.app
    row.first_frame = f.first_frame
    row.last_frame = f.last_frame
    row.first_ns = f.first_ns
    row.last_ns = f.last_ns
    row.evicted = evicted
    row.duplicate_frames = f.duplicate_frames
    row.syn_ns = f.syn_ns
    row.syn_last_ns = f.syn_last_ns
    row.synack_ns = f.synack_ns
    row.synack_last_ns = f.synack_last_ns
    row.established_ns = f.established_ns
    row.syn_frame = f.syn_frame
    row.synack_frame = f.synack_frame
    row.established_frame = f.established_frame
    row.syn_count = f.syn_count
    row.synack_count = f.synack_count
    row.reset_ns = f.reset_ns
    row.reset_frame = f.reset_frame
    row.reset_ttl = f.reset_ttl
    row.resets = f.resets
    row.reset_direction = -1 if f.reset_side < 0 else f.reset_side ^ c
    row.mid_stream = f.protocol == TCP and f.syn_count == 0 and f.synack_count == 0
    write_side(row, 0, &f.sides[c])
    write_side(row, 1, &f.sides[1 - c])
    row.tls_start_ns = row.tls_server_hello_ns = row.tls_end_ns = row.tls_alert_ns = NEVER
    if f.track != NULL:
        write_track(row, f.track, c)

cdef inline void write_side(FlowRow *row, int direction, const Side *s) noexcept nogil:
    row.frames[direction] = s.frames
    row.wire_bytes[direction] = s.wire_bytes
    row.payload_bytes[direction] = s.payload_bytes
    row.payload_frames[direction] = s.payload_frames
    row.ttl_max[direction] = s.ttl_max
    row.mss[direction] = s.mss
    row.window_scale[direction] = s.window_scale
    row.window_max[direction] = s.window_max
    row.leg_min_ns[direction] = s.leg_min
    row.leg_samples[direction] = s.leg_samples
    row.fin_ns[direction] = s.fin_ns

cdef inline void write_track(FlowRow *row, const Track *t, uint8_t client_side) noexcept nogil:
    cdef int d
    cdef const Way *w
    for d in range(2):
        w = &t.ways[d ^ client_side]
        row.retransmitted_frames[d] = w.retransmitted_frames
        row.retransmitted_bytes[d] = w.retransmitted_bytes
        row.spurious_frames[d] = w.spurious_frames
        row.out_of_order_frames[d] = w.out_of_order_frames
        row.duplicate_acks[d] = w.duplicate_acks
        row.gaps[d] = w.gaps_lost
        row.acked_unseen_bytes[d] = w.acked_unseen
        row.zero_windows[d] = w.zero_windows
        row.zero_window_ns[d] = w.zero_window_ns
    row.app_certain = t.app_certain
    memcpy(row.server_name, t.server_name, 96)
    row.tls_start_ns = t.tls_start_ns
    row.tls_server_hello_ns = t.tls_server_hello_ns
    row.tls_end_ns = t.tls_end_ns
    row.tls_alert_ns = t.tls_alert_ns
    row.tls_version = t.tls_version
    row.tls_start_frame = t.tls_start_frame
    row.tls_end_frame = t.tls_end_frame
    row.keep_alives = t.keep_alives
    row.exchanges = t.turns
