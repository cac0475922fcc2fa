"""Facts that are learnt after their row was written: into the row while the kernel holds it, else by way of Python."""

from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport realloc
from libc.string cimport memcpy

from pcap_analyzer.capture.kernel.rows cimport EventRow, Late, PauseRow, T_EVENTS, T_PAUSES, rows_at
from pcap_analyzer.capture.kernel.state cimport Engine

cdef inline void write_late(
    Engine *e, uint8_t table, int64_t row, uint32_t offset, uint32_t size, int64_t value
) noexcept nogil:
    """Set `size` bytes at `offset` of a row; row -1 is none."""
    cdef uint8_t *held
    cdef Late *grown
    if row < 0:
        return
    held = <uint8_t *> rows_at(&e.rows[table], row)
    if held != NULL:
        memcpy(held + offset, &value, size)
        return
    if e.late_count == e.late_room:
        grown = <Late *> realloc(e.late, (e.late_room * 2 + 64) * sizeof(Late))
        if grown == NULL:
            e.out_of_memory = True
            return
        e.late = grown
        e.late_room = e.late_room * 2 + 64
    e.late[e.late_count].table = table
    e.late[e.late_count].row = row
    e.late[e.late_count].offset = offset
    e.late[e.late_count].size = size
    e.late[e.late_count].value = value
    e.late_count += 1

cdef inline void set_event_kind(Engine *e, int64_t row, int64_t kind) noexcept nogil:
    """Kind 0 withdraws the event."""
    cdef EventRow shape
    if kind == 0:
        e.cancelled_rows = True
    write_late(e, T_EVENTS, row, <uint32_t> (<uint8_t *> &shape.kind - <uint8_t *> &shape), 1, kind)

cdef inline void set_event_value(Engine *e, int64_t row, int64_t value) noexcept nogil:
    cdef EventRow shape
    write_late(e, T_EVENTS, row, <uint32_t> (<uint8_t *> &shape.value - <uint8_t *> &shape), 8, value)

cdef inline void set_pause_kind(Engine *e, int64_t row, int64_t kind) noexcept nogil:
    cdef PauseRow shape
    write_late(e, T_PAUSES, row, <uint32_t> (<uint8_t *> &shape.next_kind - <uint8_t *> &shape), 1, kind)

cdef inline void clear_pause_hole(Engine *e, int64_t row) noexcept nogil:
    cdef PauseRow shape
    write_late(e, T_PAUSES, row, <uint32_t> (<uint8_t *> &shape.hole_open - <uint8_t *> &shape), 1, 0)
    write_late(e, T_PAUSES, row, <uint32_t> (<uint8_t *> &shape.hole_sign_ns - <uint8_t *> &shape), 8, -1)
