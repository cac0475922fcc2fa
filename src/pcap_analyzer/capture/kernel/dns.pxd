"""DNS."""
from pcap_analyzer.capture.kernel.state cimport Engine
cdef inline bint start_lookups(Engine *e) noexcept nogil:
    return True
cdef inline void close_lookups(Engine *e) noexcept nogil:
    pass
