"""One row a second in which anything was seen."""

from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from pcap_analyzer.capture.kernel.codes cimport NEVER
from pcap_analyzer.capture.kernel.rows cimport SeriesRow, rows_add
from pcap_analyzer.capture.kernel.state cimport Engine

cdef enum:
    SECOND_NS = 1000000000

cdef inline void open_second(Engine *e) noexcept nogil:
    """Make `e.second` the second that `e.now` lies in; time never goes back, so one is open at a time."""
    if e.second_open and e.now - e.second.time_ns < SECOND_NS:
        return
    close_second(e)
    memset(&e.second, 0, sizeof(SeriesRow))
    e.second.time_ns = e.first_ns + (e.now - e.first_ns) // SECOND_NS * SECOND_NS
    e.second.response_max_ns = e.second.leg_min_ns = e.second.leg_max_ns = NEVER
    e.second_open = True

cdef inline void close_second(Engine *e) noexcept nogil:
    cdef SeriesRow *row
    if not e.second_open:
        return
    e.second_open = False
    row = <SeriesRow *> rows_add(&e.rows[5])
    if row == NULL:
        e.out_of_memory = True
        return
    memcpy(row, &e.second, sizeof(SeriesRow))
