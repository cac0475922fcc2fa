"""What the kernel remembers: the structs of the engine, of a flow and of what is followed in it.

Ownership: the `Engine` owns every table and slab; a `Flow` owns its `Track`, a `Track` owns the arrays of its two
`Way`s. Sides are physical: side 0 has the lower address (then the lower port). Which side is the client is known
later, and may change until the first exchange starts; `client_side` maps them when rows are written.
"""

from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from pcap_analyzer.capture.kernel.codes cimport EventCode, OVER_COUNT, OVER_STASH, Overflow
from pcap_analyzer.capture.kernel.octets cimport mix
from pcap_analyzer.capture.kernel.rows cimport DnsRow, EventRow, ExchangeRow, Late, Rows, SeriesRow, T_COUNT, rows_add
from pcap_analyzer.capture.kernel.ways cimport Way
from pcap_analyzer.capture.kernel.wire cimport SKIP_COUNT

cdef enum:
    NUMBERED = 64       # different link types or EtherTypes that are told apart

#: One exchange while it is open.
cdef struct Turn:
    ExchangeRow row
    bint used
    int64_t request_low
    int64_t request_high
    int64_t response_low
    int64_t response_high
    int64_t request_last_start  # of the segment with the last request byte
    int64_t body_end            # stream offset where the response ends, -1 unknown
    bint framed_complete
    int64_t tail_ns             # the response's last packet before a small one that may be a closing record
    uint64_t tail_frame
    uint32_t tail_bytes
    int64_t early_first_ns      # a burst that was taken for session tickets, until the close shows otherwise
    uint64_t early_first_frame
    uint64_t early_frames
    uint32_t early_bytes

cdef enum TlsStage:
    TLS_NONE = 0
    TLS_HELLO
    TLS_DONE
    TLS_VOID

cdef struct Track:
    Way ways[2]
    Turn turn
    Turn before
    int64_t run                 # number of the run at hand
    uint32_t turns
    bint started                # an exchange has started: roles are fixed
    TlsStage tls
    int64_t tls_from[2]         # stream offset at which application data starts, by side
    int64_t tls_start_ns
    int64_t tls_server_hello_ns
    int64_t tls_end_ns
    int64_t tls_alert_ns
    int64_t tls_client_finished_ns
    uint64_t tls_start_frame
    uint64_t tls_end_frame
    uint16_t tls_version
    bint tls_ccs[2]
    bint tls_finished[2]
    bint tickets_possible
    bint sniffed[2]
    bint is_head                # the request at hand is HEAD
    bint interim                # the packet at hand ended a 1xx response: no run goes on from it
    char server_name[96]
    bint app_certain
    uint32_t keep_alives

cdef struct Side:
    uint64_t frames
    uint64_t wire_bytes
    uint64_t payload_bytes
    uint64_t payload_frames
    uint64_t window_max
    int64_t fin_ns
    int64_t leg_min
    int64_t top         # highest stream offset seen; 0 is the byte after the SYN
    int64_t acked       # highest offset that the other side acknowledged
    int64_t edge        # right edge that the other side granted
    uint32_t leg_samples
    uint32_t base       # sequence number of offset 0
    uint32_t isn        # TShark's base_seq
    uint32_t window     # last window that the other side granted, scaled where known
    uint16_t mss
    int8_t window_scale
    uint8_t ttl_max
    bint has_base
    bint has_isn
    bint has_ack        # the other side has acknowledged something
    bint has_fin
    bint has_syn

cdef struct LegWindow:
    int64_t bucket[8]
    int64_t least[8]
    uint32_t count[8]

#: Two hosts whose flows share a path: legs by side.
cdef struct Pair:
    uint64_t key[5]
    int64_t leg_min[2]
    LegWindow *recent[2]    # owned; NULL before the first good sample

cdef struct Flow:
    uint64_t key[5]
    uint64_t hash
    uint64_t id
    Side sides[2]
    Track *track            # owned; NULL before the first payload
    Pair *pair              # borrowed from the engine's table; NULL before the first sample or payload
    int64_t first_ns
    int64_t last_ns
    int64_t syn_ns
    int64_t syn_last_ns
    int64_t synack_ns
    int64_t synack_last_ns
    int64_t established_ns
    int64_t reset_ns
    uint64_t first_frame
    uint64_t last_frame
    uint64_t syn_frame
    uint64_t syn_last_frame
    uint64_t synack_frame
    uint64_t synack_last_frame
    uint64_t established_frame
    uint64_t reset_frame
    uint64_t duplicate_frames
    uint32_t stream
    uint32_t syn_count
    uint32_t synack_count
    uint32_t resets
    uint8_t completeness
    uint8_t reset_ttl
    int8_t reset_side       # -1 none
    uint8_t client_side
    uint8_t role
    uint8_t app
    uint8_t protocol
    uint8_t version
    uint8_t addresses[2][16]
    uint16_t ports[2]
    bint live

cdef struct Slot:
    uint64_t hash
    Flow *flow

cdef struct PairSlot:
    uint64_t hash
    Pair *pair

cdef struct Signature:
    uint64_t hash
    int64_t time
    uint64_t frame

#: How many flows an address and port is known to serve.
cdef struct Service:
    uint64_t hash       # 0: free
    uint32_t flows

cdef enum:
    SLAB = 256
    SERVICES = 16384
    SIGNATURES = 16384      # two ways of 8192

cdef struct Lookup:
    DnsRow row
    uint64_t hash
    uint16_t ids[8]
    uint16_t ports[8]
    uint8_t servers[8][16]
    int32_t next_hash       # chain, -1 ends
    int32_t older
    int32_t newer
    bint used

cdef enum:
    LOOKUPS = 16384
    LOOKUP_HEADS = 16384
    DATAGRAMS = 64
    DATAGRAM_BYTES = 65536

cdef struct Datagram:
    bint used
    uint8_t version
    uint8_t protocol
    uint32_t id
    uint8_t addresses[32]
    uint64_t touched        # frame of its last fragment
    uint32_t pieces         # fragments that came
    int64_t length          # -1 until the last fragment came
    uint32_t held           # bytes present
    uint32_t captured       # leading bytes whose capture was whole
    uint8_t *bytes          # owned
    uint8_t *have           # owned; one bit for each 8 bytes

cdef struct Engine:
    uint64_t seed
    uint64_t seed2
    uint64_t live_limit
    uint64_t memory_limit   # bytes of tracks over which the longest idle flows are closed
    uint64_t held           # bytes of tracks and what they own
    uint32_t segment_limit
    uint32_t gap_limit
    Rows rows[T_COUNT]
    Late *late              # owned
    uint32_t late_count
    uint32_t late_room
    bint cancelled_rows     # an event was withdrawn: rows of kind 0 are to be left out
    bint out_of_memory
    # flows
    Slot *slots             # owned
    uint64_t slot_mask
    uint64_t live
    Flow **slabs            # owned array of owned slabs
    uint32_t slab_count
    uint32_t slab_room
    Flow **spare            # owned stack of unused flows
    uint64_t spare_count
    uint64_t spare_room
    uint64_t next_flow
    uint32_t next_stream[2]  # TCP, UDP
    PairSlot *pair_slots    # owned
    uint64_t pair_mask
    uint64_t pair_count
    # time and totals
    uint64_t frames
    uint64_t wire_bytes
    uint64_t cut_frames
    uint64_t clock_steps
    uint64_t duplicate_frames
    uint64_t tcp_frames
    uint64_t udp_frames
    int64_t first_ns
    int64_t now
    int64_t stamp           # as it stands in the file
    bint timed              # a frame with a time was seen
    uint64_t skipped[SKIP_COUNT]
    uint64_t protocols[256]
    uint64_t fragments_waiting
    uint32_t links[NUMBERED]
    uint32_t link_count
    uint32_t bad_links[NUMBERED]
    uint64_t bad_link_frames[NUMBERED]
    uint32_t bad_link_count
    uint32_t ethertypes[NUMBERED]
    uint64_t ethertype_frames[NUMBERED]
    uint32_t ethertype_count
    uint64_t overflow[OVER_COUNT]
    uint64_t exact_until    # frame of the first overflow, 0 none
    SeriesRow second
    bint second_open
    Signature *signatures   # owned
    Service *services       # owned
    Lookup *lookups         # owned
    int32_t *lookup_heads   # owned
    int32_t lookup_free     # first free place + 1, 0 none
    int32_t lookup_made     # places ever used
    int32_t lookup_oldest
    int32_t lookup_newest
    Datagram datagrams[DATAGRAMS]

cdef inline void overflow(Engine *e, Overflow kind, uint64_t frame) noexcept nogil:
    e.overflow[<int> kind] += 1
    # A parser that gives up loses names and status codes; what is counted and timed stays whole.
    if e.exact_until == 0 and kind != OVER_STASH:
        e.exact_until = frame

cdef inline uint64_t hash_key(Engine *e, const uint64_t *key) noexcept nogil:
    """Seeded, so that nobody can choose keys that fall into one slot; results do not depend on the seed."""
    cdef uint64_t h = mix(key[0] ^ e.seed, key[1] ^ e.seed2)
    h = mix(h ^ key[2], key[3] ^ e.seed2)
    return mix(h ^ key[4] ^ e.seed, <uint64_t> 0x9E3779B97F4A7C15)

cdef inline int64_t add_event(
    Engine *e, uint64_t flow, EventCode kind, uint8_t direction, uint64_t frame, int64_t value, uint64_t other
) noexcept nogil:
    """The number of the new row, -1 when memory is out."""
    cdef EventRow *row = <EventRow *> rows_add(&e.rows[3])
    if row == NULL:
        e.out_of_memory = True
        return -1
    row.flow = flow
    row.kind = kind
    row.direction = direction
    row.frame = frame
    row.time_ns = e.now
    row.value = value
    row.other_frame = other
    return e.rows[3].total - 1
