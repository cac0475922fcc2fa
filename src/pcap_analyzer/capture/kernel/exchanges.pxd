from pcap_analyzer.capture.kernel.state cimport Engine, Flow
cdef inline void close_turns(Engine *e, Flow *f) noexcept nogil:
    pass
