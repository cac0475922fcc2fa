"""Reading integers from the wire, and the two C operations that Cython cannot spell."""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from * nogil:
    """
    #include <stdint.h>
    #include <string.h>
    #ifndef PCAP_ANALYZER_OCTETS
    #define PCAP_ANALYZER_OCTETS
    static inline uint16_t octets_be16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
    static inline uint16_t octets_le16(const uint8_t *p) { return (uint16_t)(p[1] << 8 | p[0]); }
    static inline uint32_t octets_le32(const uint8_t *p) {
        return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
    }
    static inline uint32_t octets_be32(const uint8_t *p) {
        return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    }
    static inline uint64_t octets_word(const uint8_t *p) { uint64_t v; memcpy(&v, p, 8); return v; }
    static inline uint32_t octets_half(const uint8_t *p) { uint32_t v; memcpy(&v, p, 4); return v; }
    /* The high and the low half of a 128-bit product, folded: wyhash's mixing step. */
    static inline uint64_t octets_mix(uint64_t a, uint64_t b) {
        unsigned __int128 product = (unsigned __int128)a * b;
        return (uint64_t)product ^ (uint64_t)(product >> 64);
    }
    /* `value` ticks of `per_second` to a second, in nanoseconds; the quotient wraps beyond 64 bits. */
    static inline int64_t octets_ns(uint64_t value, uint64_t per_second) {
        uint64_t seconds = value / per_second, rest = value % per_second;
        return (int64_t)(seconds * 1000000000ULL
                         + (uint64_t)((unsigned __int128)rest * 1000000000ULL / per_second));
    }
    /* One mixing step without a seed: for tables whose losses must be the same in every run. */
    static inline uint64_t octets_stir(uint64_t a, uint64_t b) {
        return octets_mix(a ^ 0xA0761D6478BD642FULL, b ^ 0xE7037ED1A0B428DBULL);
    }
    #endif
    """
    uint16_t be16 "octets_be16"(const uint8_t *p) noexcept
    uint16_t le16 "octets_le16"(const uint8_t *p) noexcept
    uint32_t be32 "octets_be32"(const uint8_t *p) noexcept
    uint32_t le32 "octets_le32"(const uint8_t *p) noexcept
    uint64_t word "octets_word"(const uint8_t *p) noexcept
    uint32_t half "octets_half"(const uint8_t *p) noexcept
    uint64_t mix "octets_mix"(uint64_t a, uint64_t b) noexcept
    int64_t ticks_to_ns "octets_ns"(uint64_t value, uint64_t per_second) noexcept
    uint64_t stir "octets_stir"(uint64_t a, uint64_t b) noexcept
