"""Framing of pcap, pcapng and snoop: where the next frame is in the buffer, its time, its interface.

References: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng, RFC 1761. The `Reader` owns its list of interfaces.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memset

from pcap_analyzer.capture.kernel.octets cimport be16, be32, le16, le32, ticks_to_ns

cdef enum:
    PCAP_FILE_HEADER = 24
    PCAP_RECORD_HEADER = 16
    PATCHED_RECORD_HEADER = 24
    SNOOP_RECORD_HEADER = 24
    BLOCK_MIN = 12
    BLOCK_MAX = 16 << 20         # as Wireshark: longer blocks are damage, except ones of packets of a larger snaplen
    FRAME_MAX = 262144           # libpcap's MAXIMUM_SNAPLEN: a longer record is damage
    MAX_INTERFACES = 65536
    SECTION = 0x0A0D0D0A
    INTERFACE = 1
    OLD_PACKET = 2
    SIMPLE_PACKET = 3
    STATISTICS = 5
    ENHANCED_PACKET = 6
    JOURNAL = 9
    CUSTOM = 0x0BAD
    CUSTOM_UNCOPIED = 0x40000BAD
    OPTION_RESOLUTION = 9
    OPTION_OFFSET = 14
    OPTION_DROPS = 5

cdef enum Form:
    FORM_PCAP
    FORM_PATCHED      # pcap with interface and protocol in each record header (Linux 2.2's patched libpcap)
    FORM_SNOOP
    FORM_PCAPNG

#: Old pcap versions wrote the two lengths of a record in the other order.
cdef enum Lengths:
    LENGTHS_ORDERED
    LENGTHS_SWAPPED
    LENGTHS_EITHER    # the smaller one is the captured length

cdef enum Step:
    STEP_FRAME        # `Frame` is filled
    STEP_SKIPPED      # a block without a packet was passed
    STEP_RECORD       # a block without a packet that Wireshark numbers as a frame
    STEP_MORE         # the buffer ends inside the record
    STEP_DAMAGE       # `Reader.fault` says why

cdef enum Fault:
    FAULT_NONE
    FAULT_FRAME_LENGTH       # a record claims more than FRAME_MAX
    FAULT_BLOCK_LENGTH       # a block claims an impossible length
    FAULT_BLOCK_TRAILER      # the length at a block's end differs from the one at its start
    FAULT_BLOCK_BODY         # a block is too short for what it says it holds
    FAULT_INTERFACE          # a packet of an interface that was not described
    FAULT_SECTION            # a section header without byte-order magic
    FAULT_RESOLUTION         # a time resolution that cannot be
    FAULT_INTERFACES         # too many interfaces

cdef struct Interface:
    uint32_t link
    uint32_t snap
    uint64_t per_second
    int64_t offset_ns
    int64_t drops            # -1: no statistics seen

cdef struct Reader:
    Form form
    Lengths lengths
    bint big                 # big-endian
    bint nanoseconds         # pcap: unit of the second time word
    Interface *interfaces    # owned; pcap has one
    uint32_t count
    uint32_t room
    int64_t drops            # of sections that have ended; -1 none
    uint32_t snap
    Fault fault
    uint64_t fault_value
    uint64_t skip            # bytes still to be passed unread
    uint64_t needed          # what STEP_MORE waits for

cdef struct Frame:
    const uint8_t *data
    uint32_t captured
    uint32_t original
    uint32_t link
    int64_t time
    bint timed

cdef inline uint32_t u32(Reader *r, const uint8_t *p) noexcept nogil:
    return be32(p) if r.big else le32(p)

cdef inline uint16_t u16(Reader *r, const uint8_t *p) noexcept nogil:
    return be16(p) if r.big else le16(p)

cdef inline Step damage(Reader *r, Fault fault, uint64_t value) noexcept nogil:
    r.fault = fault
    r.fault_value = value
    return STEP_DAMAGE

cdef inline Step more(Reader *r, uint64_t needed) noexcept nogil:
    r.needed = needed
    return STEP_MORE

cdef inline uint32_t frame_limit(uint32_t snap) noexcept nogil:
    """Longest frame that is believed: the file's own snap length where that is larger, up to a block."""
    return min(max(<uint32_t> FRAME_MAX, snap), <uint32_t> BLOCK_MAX)

cdef inline Interface *add_interface(Reader *r, uint32_t link, uint32_t snap) noexcept nogil:
    cdef Interface *grown
    if r.count == MAX_INTERFACES:
        return NULL
    if r.count == r.room:
        grown = <Interface *> realloc(r.interfaces, (r.room * 2 + 4) * sizeof(Interface))
        if grown == NULL:
            return NULL
        r.interfaces = grown
        r.room = r.room * 2 + 4
    cdef Interface *it = r.interfaces + r.count
    r.count += 1
    it.link = link
    it.snap = snap
    it.per_second = 1000000
    it.offset_ns = 0
    it.drops = -1
    r.snap = max(r.snap, snap)
    return it

cdef inline void reader_free(Reader *r) noexcept nogil:
    free(r.interfaces)
    memset(r, 0, sizeof(Reader))

cdef inline void end_section(Reader *r) noexcept nogil:
    """Interfaces are numbered anew in each section; their drop counts are added up."""
    cdef uint32_t i
    for i in range(r.count):
        if r.interfaces[i].drops >= 0:
            r.drops = max(r.drops, 0) + r.interfaces[i].drops
    r.count = 0

cdef inline Step next_pcap(Reader *r, const uint8_t *d, uint64_t n, Frame *f, uint64_t *used) noexcept nogil:
    cdef uint32_t header = PATCHED_RECORD_HEADER if r.form == FORM_PATCHED else PCAP_RECORD_HEADER
    cdef uint32_t first, second
    if n < header:
        return more(r, header)
    first = u32(r, d + 8)
    second = u32(r, d + 12)
    if r.lengths == LENGTHS_SWAPPED or (r.lengths == LENGTHS_EITHER and first > second):
        first, second = second, first
    f.captured = first
    f.original = second
    if f.captured > frame_limit(r.snap):
        return damage(r, FAULT_FRAME_LENGTH, f.captured)
    if n < header + <uint64_t> f.captured:
        return more(r, header + <uint64_t> f.captured)
    f.time = <int64_t> u32(r, d) * 1000000000 + <int64_t> u32(r, d + 4) * (1 if r.nanoseconds else 1000)
    f.timed = True
    f.data = d + header
    f.link = r.interfaces[0].link
    used[0] = header + <uint64_t> f.captured
    return STEP_FRAME

cdef inline Step next_snoop(Reader *r, const uint8_t *d, uint64_t n, Frame *f, uint64_t *used) noexcept nogil:
    """RFC 1761: a record's own length includes padding; drops are counted from the start on."""
    if n < SNOOP_RECORD_HEADER:
        return more(r, SNOOP_RECORD_HEADER)
    cdef uint32_t size = be32(d + 8)
    f.original = be32(d)
    f.captured = be32(d + 4)
    if f.captured > FRAME_MAX:
        return damage(r, FAULT_FRAME_LENGTH, f.captured)
    if size < SNOOP_RECORD_HEADER + f.captured or size > BLOCK_MAX:
        return damage(r, FAULT_BLOCK_LENGTH, size)
    if n < size:
        return more(r, size)
    r.interfaces[0].drops = be32(d + 12)
    f.time = <int64_t> be32(d + 16) * 1000000000 + <int64_t> be32(d + 20) * 1000
    f.timed = True
    f.data = d + SNOOP_RECORD_HEADER
    f.link = r.interfaces[0].link
    used[0] = size
    return STEP_FRAME

cdef inline Step next_block(Reader *r, const uint8_t *d, uint64_t n, Frame *f, uint64_t *used) noexcept nogil:
    if n < BLOCK_MIN:
        return more(r, BLOCK_MIN)
    cdef uint32_t kind = u32(r, d)
    if kind == SECTION:
        if be32(d + 8) == 0x1A2B3C4D:
            r.big = True
        elif be32(d + 8) == 0x4D3C2B1A:
            r.big = False
        else:
            return damage(r, FAULT_SECTION, be32(d + 8))
    cdef uint64_t size = u32(r, d + 4)
    cdef bint packet = kind == ENHANCED_PACKET or kind == SIMPLE_PACKET or kind == OLD_PACKET
    if size < BLOCK_MIN or (size > BLOCK_MAX and not packet) or size > 2 * <uint64_t> BLOCK_MAX:
        return damage(r, FAULT_BLOCK_LENGTH, size)
    # Wireshark rounds a length that is no multiple of four up, as some writers forget the padding in it.
    size = (size + 3) & ~<uint64_t> 3
    if not packet and kind != SECTION and kind != INTERFACE and kind != STATISTICS and n < size:
        r.skip = size
        used[0] = 0
        return STEP_RECORD if is_record(kind) else STEP_SKIPPED
    if n < size:
        return more(r, size)
    if u32(r, d + size - 4) != u32(r, d + 4):
        return damage(r, FAULT_BLOCK_TRAILER, u32(r, d + size - 4))
    used[0] = size
    if kind == ENHANCED_PACKET or kind == OLD_PACKET:
        return packet_block(r, d, size, kind == OLD_PACKET, f)
    if kind == SIMPLE_PACKET:
        return simple_block(r, d, size, f)
    if kind == INTERFACE:
        return interface_block(r, d, size)
    if kind == STATISTICS:
        return statistics_block(r, d, size)
    if kind == SECTION:
        if size < 28:
            return damage(r, FAULT_BLOCK_BODY, size)
        end_section(r)
    return STEP_RECORD if is_record(kind) else STEP_SKIPPED

cdef inline bint is_record(uint32_t kind) noexcept nogil:
    """Custom blocks, journal entries and system calls have frame numbers in Wireshark."""
    return kind in (CUSTOM, CUSTOM_UNCOPIED, JOURNAL, 0x204, 0x208, 0x216, 0x217, 0x221, 0x222)

cdef inline Step packet_block(Reader *r, const uint8_t *d, uint64_t size, bint old, Frame *f) noexcept nogil:
    """Enhanced Packet Block, or the Packet Block that it replaced (interface in 16 bits)."""
    if size < 32:
        return damage(r, FAULT_BLOCK_BODY, size)
    cdef uint32_t index = u16(r, d + 8) if old else u32(r, d + 8)
    if index >= r.count:
        return damage(r, FAULT_INTERFACE, index)
    cdef Interface *it = r.interfaces + index
    f.captured = u32(r, d + 20)
    f.original = u32(r, d + 24)
    if f.captured > frame_limit(it.snap):
        return damage(r, FAULT_FRAME_LENGTH, f.captured)
    if f.captured > size - 32:
        return damage(r, FAULT_BLOCK_BODY, f.captured)
    cdef uint64_t ticks = <uint64_t> u32(r, d + 12) << 32 | u32(r, d + 16)
    if it.per_second == 1000000:
        f.time = <int64_t> ticks * 1000 + it.offset_ns
    else:
        f.time = ticks_to_ns(ticks, it.per_second) + it.offset_ns
    f.timed = True
    f.data = d + 28
    f.link = it.link
    return STEP_FRAME

cdef inline Step simple_block(Reader *r, const uint8_t *d, uint64_t size, Frame *f) noexcept nogil:
    """Simple Packet Block: no time, the section's first interface."""
    if size < 16:
        return damage(r, FAULT_BLOCK_BODY, size)
    if r.count == 0:
        return damage(r, FAULT_INTERFACE, 0)
    f.original = u32(r, d + 8)
    f.captured = f.original
    if r.interfaces[0].snap and f.captured > r.interfaces[0].snap:
        f.captured = r.interfaces[0].snap
    if f.captured > frame_limit(r.interfaces[0].snap):
        return damage(r, FAULT_FRAME_LENGTH, f.captured)
    if f.captured > size - 16:
        return damage(r, FAULT_BLOCK_BODY, f.captured)
    f.time = 0
    f.timed = False
    f.data = d + 12
    f.link = r.interfaces[0].link
    return STEP_FRAME

cdef inline Step interface_block(Reader *r, const uint8_t *d, uint64_t size) noexcept nogil:
    if size < 20:
        return damage(r, FAULT_BLOCK_BODY, size)
    cdef Interface *it = add_interface(r, u16(r, d + 8), u32(r, d + 12))
    if it == NULL:
        return damage(r, FAULT_INTERFACES, MAX_INTERFACES)
    cdef uint64_t at = 16
    cdef uint32_t length
    cdef uint8_t exponent
    cdef int i
    while at + 4 <= size - 4:
        length = u16(r, d + at + 2)
        if u16(r, d + at) == 0 or at + 4 + length > size - 4:
            break
        if u16(r, d + at) == OPTION_RESOLUTION and length >= 1:
            exponent = d[at + 4]
            if (exponent & 0x80 and exponent & 0x7F > 63) or (not exponent & 0x80 and exponent > 19):
                return damage(r, FAULT_RESOLUTION, exponent)
            it.per_second = 1
            for i in range(exponent & 0x7F):
                it.per_second *= 2 if exponent & 0x80 else 10
        elif u16(r, d + at) == OPTION_OFFSET and length >= 8:
            it.offset_ns = offset_seconds(r, d + at + 4) * 1000000000
        at += 4 + ((length + 3) & ~<uint32_t> 3)
    return STEP_SKIPPED

cdef inline int64_t offset_seconds(Reader *r, const uint8_t *d) noexcept nogil:
    """A signed 64-bit count of seconds."""
    if r.big:
        return <int64_t> (<uint64_t> be32(d) << 32 | be32(d + 4))
    return <int64_t> (<uint64_t> le32(d + 4) << 32 | le32(d))

cdef inline Step statistics_block(Reader *r, const uint8_t *d, uint64_t size) noexcept nogil:
    """Interface Statistics Block: the last drop count of an interface stands."""
    if size < 24:
        return damage(r, FAULT_BLOCK_BODY, size)
    cdef uint32_t index = u32(r, d + 8)
    cdef uint64_t at = 20
    cdef uint32_t length
    while at + 4 <= size - 4:
        length = u16(r, d + at + 2)
        if u16(r, d + at) == 0 or at + 4 + length > size - 4:
            break
        if u16(r, d + at) == OPTION_DROPS and length >= 8 and index < r.count:
            r.interfaces[index].drops = max(0, offset_seconds(r, d + at + 4))
        at += 4 + ((length + 3) & ~<uint32_t> 3)
    return STEP_SKIPPED
