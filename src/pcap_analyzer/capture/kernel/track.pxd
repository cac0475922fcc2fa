from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport free
from pcap_analyzer.capture.kernel.state cimport Engine, Flow
from pcap_analyzer.capture.kernel.wire cimport Packet
cdef inline void settle_track(Engine *e, Flow *f) noexcept nogil:
    pass
cdef inline void free_track(Flow *f) noexcept nogil:
    pass
cdef inline void follow_segment(Engine *e, Flow *f, const Packet *p, uint8_t side) noexcept nogil:
    pass
cdef inline int64_t missing_response(const Flow *f) noexcept nogil:
    return -1
