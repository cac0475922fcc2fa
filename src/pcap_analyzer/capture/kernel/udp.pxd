"""One UDP datagram: its application by port, and DNS."""

from libc.stdint cimport uint8_t

from pcap_analyzer.capture.kernel.state cimport Engine, Flow
from pcap_analyzer.capture.kernel.wire cimport Packet

cdef inline void follow_udp(Engine *e, Flow *f, const Packet *p, uint8_t side) noexcept nogil:
    pass
