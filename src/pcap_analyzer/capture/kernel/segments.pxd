"""The payload of one direction as it passed: segments in flight, gaps, undecided resends.

`Way.segments` is a ring sorted by offset that covers [oldest unacknowledged, top) without a hole: a stretch that was
stepped over has an entry with frame 0. `Way.gaps` are the stretches never seen. Both are bounded; the oldest entry
gives way, counted.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy, memmove

from pcap_analyzer.capture.kernel.codes cimport OVER_COPIES, OVER_GAPS, OVER_SEGMENTS
from pcap_analyzer.capture.kernel.state cimport Engine, overflow
from pcap_analyzer.capture.kernel.ways cimport AckState, Copy, Gap, Segment, Way

cdef enum:
    MAX_COPIES = 64
    MAX_ACKS = 4096

cdef inline Segment *segment_at(Way *w, int64_t i) noexcept nogil:
    """Entry `i` counted from the oldest in flight; -1 is the newest acknowledged one."""
    return w.segments + ((w.segment_head + i) & (w.segment_room - 1))

cdef inline bint grow_segments(Engine *e, Way *w) noexcept nogil:
    cdef uint32_t room = w.segment_room * 2 if w.segment_room else 16
    cdef Segment *grown = <Segment *> malloc(room * sizeof(Segment))
    cdef uint32_t i
    if grown == NULL:
        return False
    for i in range(w.segment_count):
        grown[i] = segment_at(w, i)[0]
    e.held += (room - w.segment_room) * sizeof(Segment)
    free(w.segments)
    w.segments = grown
    w.segment_room = room
    w.segment_head = 0
    w.segment_past = 0
    return True

cdef inline Segment *push_segment(
    Engine *e, Way *w, int64_t start, uint32_t length, uint64_t frame, bint heard
) noexcept nogil:
    """Append; over the limit the oldest goes, counted only where acknowledgements were `heard`."""
    cdef Segment *s
    if w.segment_count == w.segment_room:
        if w.segment_room < (e.segment_limit if heard else 64):
            if not grow_segments(e, w):
                e.out_of_memory = True
                return NULL
        else:
            if heard:
                overflow(e, OVER_SEGMENTS, frame)
            w.segment_head = (w.segment_head + 1) & (w.segment_room - 1)
            w.segment_count -= 1
    if w.segment_past + w.segment_count == w.segment_room:
        w.segment_past -= 1
    s = segment_at(w, w.segment_count)
    w.segment_count += 1
    s.start = start
    s.length = length
    s.time = e.now
    s.frame = frame
    s.copies = 1
    s.filled = 0
    s.ts_value = 0
    s.ip_id = 0
    return s

cdef inline void pop_segment(Way *w) noexcept nogil:
    w.segment_head = (w.segment_head + 1) & (w.segment_room - 1)
    w.segment_count -= 1
    w.segment_past += 1

cdef inline int64_t find_segment(Way *w, int64_t offset) noexcept nogil:
    """Index of the entry that holds `offset`, acknowledged ones included; `segment_count` if none does."""
    cdef int64_t low = -<int64_t> w.segment_past
    cdef int64_t high = w.segment_count
    cdef int64_t middle
    cdef Segment *s
    while low < high:
        middle = low + (high - low) // 2
        s = segment_at(w, middle)
        if s.start + s.length <= offset:
            low = middle + 1
        else:
            high = middle
    if low < w.segment_count and segment_at(w, low).start <= offset:
        return low
    return w.segment_count

cdef inline void drop_gap(Way *w, uint32_t i) noexcept nogil:
    w.gap_count -= 1
    memmove(w.gaps + i, w.gaps + i + 1, (w.gap_count - i) * sizeof(Gap))

cdef inline void forget_gaps(Way *w, int64_t before) noexcept nogil:
    """Gaps that were acknowledged and opened before that time: their bytes will not be captured any more."""
    while w.gap_count and w.gaps[0].acked and w.gaps[0].time < before:
        drop_gap(w, 0)

cdef inline Gap *insert_gap(Engine *e, Way *w, uint32_t at, uint64_t frame) noexcept nogil:
    """Room for a gap at index `at`; NULL when memory is out. The oldest gives way over the limit."""
    cdef Gap *grown
    if w.gap_count == e.gap_limit:
        if not w.gaps[0].acked:
            overflow(e, OVER_GAPS, frame)
        drop_gap(w, 0)
        at -= 1 if at else 0
    if w.gap_count == w.gap_room:
        grown = <Gap *> realloc(w.gaps, (w.gap_room * 2 + 4) * sizeof(Gap))
        if grown == NULL:
            e.out_of_memory = True
            return NULL
        e.held += (w.gap_room + 4) * sizeof(Gap)
        w.gaps = grown
        w.gap_room = w.gap_room * 2 + 4
    memmove(w.gaps + at + 1, w.gaps + at, (w.gap_count - at) * sizeof(Gap))
    w.gap_count += 1
    return w.gaps + at

cdef inline int64_t unseen_bytes(const Way *w, int64_t start, int64_t end) noexcept nogil:
    """How many bytes of [start, end) lie in gaps."""
    cdef int64_t total = 0
    cdef int64_t low, high
    cdef uint32_t i
    for i in range(w.gap_count):
        low = max(start, w.gaps[i].start)
        high = min(end, w.gaps[i].end)
        if high > low:
            total += high - low
    return total

cdef inline Copy *push_copy(Engine *e, Way *w, uint64_t frame) noexcept nogil:
    """Room for a resend to be judged later; the oldest stays judged as needed when there are too many."""
    if w.copies == NULL:
        w.copies = <Copy *> malloc(MAX_COPIES * sizeof(Copy))
        if w.copies == NULL:
            e.out_of_memory = True
            return NULL
        e.held += MAX_COPIES * sizeof(Copy)
    if w.copy_count == MAX_COPIES:
        if not w.copies[0].covered:
            overflow(e, OVER_COPIES, frame)
        drop_copy(w, 0)
    w.copy_count += 1
    return w.copies + w.copy_count - 1

cdef inline void drop_copy(Way *w, uint32_t i) noexcept nogil:
    w.copy_count -= 1
    memmove(w.copies + i, w.copies + i + 1, (w.copy_count - i) * sizeof(Copy))

cdef inline AckState *ack_at(Way *w, uint64_t number) noexcept nogil:
    """The state with that number; it lies in [ack_base, ack_base + ack_count)."""
    return w.acks + ((w.ack_head + (number - w.ack_base)) & (w.ack_room - 1))

cdef inline AckState *push_ack(Engine *e, Way *w, int64_t keep_ns) noexcept nogil:
    """Append a state. The ring grows while its oldest entry is younger than `keep_ns`, up to MAX_ACKS."""
    cdef AckState *grown
    cdef uint32_t room
    cdef uint32_t i
    if w.ack_count == w.ack_room:
        if w.ack_room < 32 or (w.ack_room < MAX_ACKS and e.now - w.acks[w.ack_head].time < keep_ns):
            room = w.ack_room * 2 if w.ack_room else 8
            grown = <AckState *> malloc(room * sizeof(AckState))
            if grown == NULL:
                e.out_of_memory = True
                return NULL
            for i in range(w.ack_count):
                grown[i] = ack_at(w, w.ack_base + i)[0]
            e.held += (room - w.ack_room) * sizeof(AckState)
            free(w.acks)
            w.acks = grown
            w.ack_room = room
            w.ack_head = 0
        else:
            w.ack_head = (w.ack_head + 1) & (w.ack_room - 1)
            w.ack_count -= 1
            w.ack_base += 1
    w.ack_count += 1
    return ack_at(w, w.ack_base + w.ack_count - 1)

cdef inline uint64_t first_ack_after(Way *w, int64_t time) noexcept nogil:
    """Number of the oldest state later than `time`; one past the newest if there is none."""
    cdef uint64_t low = w.ack_base
    cdef uint64_t high = w.ack_base + w.ack_count
    cdef uint64_t middle
    while low < high:
        middle = low + (high - low) // 2
        if ack_at(w, middle).time <= time:
            low = middle + 1
        else:
            high = middle
    return low
