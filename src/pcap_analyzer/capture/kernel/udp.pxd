"""One UDP datagram: its application by port, roles, and DNS."""

from libc.stdint cimport uint8_t, uint16_t

from pcap_analyzer.capture.kernel.codes cimport APP_DNS, APP_LLMNR, APP_MDNS, APP_UNKNOWN, ROLE_LIKELY
from pcap_analyzer.capture.kernel.dns cimport follow_dns
from pcap_analyzer.capture.kernel.ports cimport app_of_udp_port
from pcap_analyzer.capture.kernel.state cimport Engine, Flow
from pcap_analyzer.capture.kernel.wire cimport Packet

cdef inline void name_conversation(Flow *f, const Packet *p, uint8_t side) noexcept nogil:
    """At its first datagram: which side serves a registered port, else who spoke first."""
    f.app = app_of_udp_port(f.ports[1 - side])
    if f.app != APP_UNKNOWN:
        f.client_side = side
        return
    f.app = app_of_udp_port(f.ports[side])
    if f.app != APP_UNKNOWN:
        f.client_side = 1 - side
        return
    f.client_side = 1 - side if f.ports[side] < 1024 and f.ports[1 - side] >= 1024 else side

cdef inline void follow_udp(Engine *e, Flow *f, const Packet *p, uint8_t side) noexcept nogil:
    if f.sides[0].frames + f.sides[1].frames == 1:
        name_conversation(f, p, side)
    if f.app != APP_DNS and f.app != APP_MDNS and f.app != APP_LLMNR:
        return
    if f.app == APP_DNS and p.payload_captured > 2 and f.sides[0].frames + f.sides[1].frames == 1:
        # The first message's own flag tells who asks.
        f.client_side = 1 - side if p.payload[2] & 0x80 else side
        f.role = ROLE_LIKELY
    follow_dns(e, f, p, side)
