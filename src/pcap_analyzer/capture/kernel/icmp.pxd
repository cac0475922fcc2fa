"""ICMP errors: the flow that they quote."""

from pcap_analyzer.capture.kernel.state cimport Engine
from pcap_analyzer.capture.kernel.wire cimport Packet, SKIP_ICMP, Skip

cdef inline Skip follow_icmp(Engine *e, const Packet *p) noexcept nogil:
    return SKIP_ICMP
