"""Which address and port serves: known from connections whose roles are sure, used for those whose are not.

A fixed table of hashes; where it is full, no more services are learnt and roles stay guessed. The hash has no seed, so
that the same services are learnt in every run.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from pcap_analyzer.capture.kernel.codes cimport ROLE_GUESSED, ROLE_LIKELY
from pcap_analyzer.capture.kernel.octets cimport stir
from pcap_analyzer.capture.kernel.state cimport Engine, Flow, SERVICES, Service

cdef enum:
    PROBES = 8
    OTHER_FLOWS = 2     # as many make an address and port a service

cdef inline Service *service_of(Engine *e, const Flow *f, uint8_t side, bint create) noexcept nogil:
    """The entry of one endpoint of the flow, NULL where there is none (or no place)."""
    cdef uint64_t low, high, hash
    cdef uint32_t probe
    cdef Service *s
    memcpy(&low, f.addresses[side], 8)
    memcpy(&high, f.addresses[side] + 8, 8)
    hash = stir(stir(low, high) ^ f.ports[side], <uint64_t> f.protocol << 8 ^ f.version) | 1
    for probe in range(<uint32_t> PROBES):
        s = e.services + ((hash >> 1) + probe) % SERVICES
        if s.hash == hash:
            return s
        if s.hash == 0:
            if create:
                s.hash = hash
                return s
            return NULL
    return NULL

cdef inline void learn_service(Engine *e, const Flow *f) noexcept nogil:
    """The flow's server is known."""
    cdef Service *s = service_of(e, f, 1 - f.client_side, True)
    if s != NULL:
        s.flows += 1

cdef inline void ask_services(Engine *e, Flow *f) noexcept nogil:
    """Roles of a flow that are still guessed: the endpoint that serves other flows serves this one."""
    cdef uint8_t side
    cdef Service *mine
    cdef Service *other
    if f.role != ROLE_GUESSED:
        return
    for side in range(2):
        mine = service_of(e, f, side, False)
        other = service_of(e, f, 1 - side, False)
        if mine != NULL and mine.flows >= OTHER_FLOWS and (other == NULL or other.flows < OTHER_FLOWS):
            f.client_side = 1 - side
            f.role = ROLE_LIKELY
            return
