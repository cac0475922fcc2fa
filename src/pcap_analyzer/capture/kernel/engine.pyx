"""The kernel's object: bytes go in, row buffers and counters come out."""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free, qsort
from libc.string cimport memset

import os

from pcap_analyzer.capture.kernel.codes cimport OVER_COUNT
from pcap_analyzer.capture.kernel.dns cimport close_lookups, start_lookups
from pcap_analyzer.capture.kernel.flows cimport by_id, live_flows, retire
from pcap_analyzer.capture.kernel.fragments cimport free_datagrams
from pcap_analyzer.capture.kernel.frames cimport count_record, follow_frame
from pcap_analyzer.capture.kernel.legs cimport free_pairs
from pcap_analyzer.capture.kernel.records cimport (
    FORM_PATCHED, FORM_PCAP, FORM_PCAPNG, FORM_SNOOP, Frame, LENGTHS_EITHER, LENGTHS_ORDERED, LENGTHS_SWAPPED, Reader,
    STEP_FRAME, STEP_RECORD, STEP_SKIPPED, Step, add_interface, end_section, next_block, next_pcap, next_snoop,
    reader_free,
)
from pcap_analyzer.capture.kernel.rows cimport (
    DnsRow, EventRow, ExchangeRow, FlowRow, PauseRow, Rows, SeriesRow, T_COUNT, rows_free, rows_init,
)
from pcap_analyzer.capture.kernel.series cimport close_second
from pcap_analyzer.capture.kernel.state cimport (
    Engine, Flow, PairSlot, SERVICES, SIGNATURES, SLAB, Service, Signature, Slot,
)
from pcap_analyzer.capture.kernel.track cimport free_track
from pcap_analyzer.capture.kernel.wire cimport SKIP_COUNT

FIRST_SLOTS = 1024


cdef class Block:
    """Memory of full rows that has passed from the kernel to Python; freed with its last view."""

    cdef uint8_t *data
    cdef Py_ssize_t size

    def __cinit__(self):
        self.data = NULL

    def __dealloc__(self):
        free(self.data)

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.data, self.size, 0, flags)


cdef Block take(uint8_t *data, Py_ssize_t size):
    cdef Block block = Block()
    block.data = data
    block.size = size
    return block


def row_sizes():
    """Bytes a row of each table as the kernel writes it."""
    return {
        "flows": sizeof(FlowRow),
        "exchanges": sizeof(ExchangeRow),
        "pauses": sizeof(PauseRow),
        "events": sizeof(EventRow),
        "dns": sizeof(DnsRow),
        "series": sizeof(SeriesRow),
    }


cdef class Kernel:
    """One capture from its first frame to its tables."""

    cdef Engine engine
    cdef Reader reader
    cdef Flow **closing         # owned; flows still to be written by `finish`
    cdef uint64_t closing_count
    cdef uint64_t closing_next

    def __cinit__(self, uint64_t live_flows, uint64_t memory, uint32_t segments, uint32_t gaps):
        cdef uint32_t i
        cdef Engine *e = &self.engine
        memset(e, 0, sizeof(Engine))
        memset(&self.reader, 0, sizeof(Reader))
        self.closing = NULL
        self.closing_count = self.closing_next = 0
        e.seed = int.from_bytes(os.urandom(8), "little") | 1
        e.seed2 = int.from_bytes(os.urandom(8), "little") | 1
        e.live_limit = max(live_flows, <uint64_t> 1)
        e.memory_limit = memory
        e.segment_limit = max(segments, <uint32_t> 16)
        e.gap_limit = max(gaps, <uint32_t> 1)
        e.slots = <Slot *> calloc(FIRST_SLOTS, sizeof(Slot))
        e.slot_mask = FIRST_SLOTS - 1
        e.pair_slots = <PairSlot *> calloc(FIRST_SLOTS, sizeof(PairSlot))
        e.pair_mask = FIRST_SLOTS - 1
        e.signatures = <Signature *> calloc(SIGNATURES, sizeof(Signature))
        e.services = <Service *> calloc(SERVICES, sizeof(Service))
        if e.slots == NULL or e.pair_slots == NULL or e.signatures == NULL or e.services == NULL:
            raise MemoryError
        if not start_lookups(e):
            raise MemoryError
        rows_init(&e.rows[0], sizeof(FlowRow))
        rows_init(&e.rows[1], sizeof(ExchangeRow))
        rows_init(&e.rows[2], sizeof(PauseRow))
        rows_init(&e.rows[3], sizeof(EventRow))
        rows_init(&e.rows[4], sizeof(DnsRow))
        rows_init(&e.rows[5], sizeof(SeriesRow))

    def __dealloc__(self):
        cdef Engine *e = &self.engine
        cdef uint32_t i
        cdef int j
        for i in range(e.slab_count):
            for j in range(SLAB):
                if e.slabs[i][j].live:
                    free_track(e, &e.slabs[i][j])
            free(e.slabs[i])
        free(e.slabs)
        free(e.spare)
        free(e.slots)
        free_pairs(e)
        free(e.signatures)
        free(e.services)
        free(e.lookups)
        free(e.lookup_heads)
        free(e.late)
        free_datagrams(e)
        for j in range(T_COUNT):
            rows_free(&e.rows[j])
        reader_free(&self.reader)
        free(self.closing)

    def open_pcap(self, bint big, bint nanoseconds, uint32_t link, uint32_t snap, *, bint patched, int minor):
        """Frame the bytes that follow a pcap file header of version 2.`minor`."""
        self.reader.drops = -1
        self.reader.form = FORM_PATCHED if patched else FORM_PCAP
        self.reader.lengths = LENGTHS_SWAPPED if minor < 3 else LENGTHS_EITHER if minor == 3 else LENGTHS_ORDERED
        self.reader.big = big
        self.reader.nanoseconds = nanoseconds
        if add_interface(&self.reader, link, snap) == NULL:
            raise MemoryError

    def open_snoop(self, uint32_t link):
        """Frame the bytes that follow a snoop file header."""
        self.reader.drops = -1
        self.reader.form = FORM_SNOOP
        self.reader.big = True
        if add_interface(&self.reader, link, 0) == NULL:
            raise MemoryError

    def open_pcapng(self):
        """Frame the bytes from a pcapng's first section header on."""
        self.reader.drops = -1
        self.reader.form = FORM_PCAPNG

    def feed(self, buffer not None, Py_ssize_t count):
        """Analyse whole records at the start of `buffer[:count]`; return how many bytes they take."""
        cdef Py_buffer view
        cdef uint64_t used
        PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE)
        try:
            if count < 0 or count > view.len:
                raise ValueError(count)
            with nogil:
                used = run(&self.engine, &self.reader, <const uint8_t *> view.buf, count)
        finally:
            PyBuffer_Release(&view)
        if self.engine.out_of_memory:
            raise MemoryError
        return used

    @property
    def needed(self):
        """Bytes that the record at hand needs in the buffer, 0 when it wants no more than there were."""
        return self.reader.needed

    @property
    def pending_skip(self):
        """Bytes of a block without packets that are still to come."""
        return self.reader.skip

    @property
    def fault(self):
        """(Fault, number that goes with it); (0, 0) while all is well."""
        return <int> self.reader.fault, self.reader.fault_value

    @property
    def frames(self):
        return self.engine.frames

    @property
    def held_bytes(self):
        """What the open flows with payload own."""
        return self.engine.held

    def finish(self, uint64_t count):
        """Write out at most `count` open flows, in order of creation; False when none is left."""
        cdef Engine *e = &self.engine
        cdef uint64_t end
        if self.closing == NULL:
            self.closing_count = e.live
            self.closing = live_flows(e)
            if self.closing == NULL:
                raise MemoryError
            with nogil:
                end_section(&self.reader)
                qsort(self.closing, self.closing_count, sizeof(Flow *), by_id)
                close_second(e)
                close_lookups(e)
        end = min(self.closing_count, self.closing_next + count)
        with nogil:
            while self.closing_next < end:
                retire(e, self.closing[self.closing_next], False)
                self.closing_next += 1
        if e.out_of_memory:
            raise MemoryError
        return self.closing_next < self.closing_count

    def take_chunks(self, int table, bint everything):
        """Full chunks of a table as a list of `Block`, with `everything` the open one too."""
        if not 0 <= table < T_COUNT:
            raise ValueError(table)
        cdef Rows *r = &self.engine.rows[table]
        cdef uint32_t i
        cdef uint8_t *data
        blocks = []
        for i in range(r.sealed_count):
            data = r.sealed[i]
            r.sealed[i] = NULL
            blocks.append(take(data, <Py_ssize_t> r.chunk_rows * r.size))
            r.taken += r.chunk_rows
        r.sealed_count = 0
        if everything and r.used:
            data = r.open
            r.open = NULL
            blocks.append(take(data, <Py_ssize_t> r.used * r.size))
            r.taken += r.used
            r.used = r.room = 0
        return blocks

    def take_late(self):
        """Values for rows handed over before: tuples (table, row, offset, size, value)."""
        cdef uint32_t i
        late = [
            (self.engine.late[i].table, self.engine.late[i].row, self.engine.late[i].offset,
             self.engine.late[i].size, self.engine.late[i].value)
            for i in range(self.engine.late_count)
        ]
        self.engine.late_count = 0
        return late

    def chunk_rows(self, int table):
        if not 0 <= table < T_COUNT:
            raise ValueError(table)
        return self.engine.rows[table].chunk_rows

    def totals(self):
        """Counters of the whole capture by name."""
        cdef Engine *e = &self.engine
        return {
            "frames": e.frames,
            "wire_bytes": e.wire_bytes,
            "timed": e.timed,
            "first_ns": e.first_ns,
            "last_ns": e.now,
            "cut_frames": e.cut_frames,
            "clock_steps": e.clock_steps,
            "duplicate_frames": e.duplicate_frames,
            "tcp_frames": e.tcp_frames,
            "udp_frames": e.udp_frames,
            "snap": self.reader.snap,
            "drops": self.reader.drops,
            "big": self.reader.big,
            "exact_until": e.exact_until,
            "withdrawn": e.cancelled_rows,
        }

    def links(self):
        return [self.engine.links[i] for i in range(self.engine.link_count)]

    def skipped(self):
        """Frames that were not followed, by the code of `wire.Skip`."""
        return [self.engine.skipped[i] for i in range(<int> SKIP_COUNT)]

    def skipped_links(self):
        cdef Engine *e = &self.engine
        return {e.bad_links[i]: e.bad_link_frames[i] for i in range(e.bad_link_count)}

    def skipped_ethertypes(self):
        cdef Engine *e = &self.engine
        return {e.ethertypes[i]: e.ethertype_frames[i] for i in range(e.ethertype_count)}

    def skipped_protocols(self):
        return {i: self.engine.protocols[i] for i in range(256) if self.engine.protocols[i]}

    def overflows(self):
        """Times that a limit was hit, by the code of `state.Overflow`."""
        return [self.engine.overflow[i] for i in range(<int> OVER_COUNT)]


cdef uint64_t run(Engine *e, Reader *r, const uint8_t *d, uint64_t n) noexcept nogil:
    """All whole records of `d[:n]`. Invariant: `at` is the start of a record and at <= n."""
    cdef uint64_t at = 0
    cdef uint64_t used = 0
    cdef Frame frame
    cdef Step step
    r.needed = 0
    while r.fault == 0 and not e.out_of_memory:
        if r.skip:
            used = min(r.skip, n - at)
            r.skip -= used
            at += used
            if r.skip:
                break
        if r.form == FORM_PCAPNG:
            step = next_block(r, d + at, n - at, &frame, &used)
        elif r.form == FORM_SNOOP:
            step = next_snoop(r, d + at, n - at, &frame, &used)
        else:
            step = next_pcap(r, d + at, n - at, &frame, &used)
        if step == STEP_FRAME:
            follow_frame(e, &frame)
        elif step == STEP_RECORD:
            count_record(e)
        elif step != STEP_SKIPPED:
            break
        at += used
    return at
