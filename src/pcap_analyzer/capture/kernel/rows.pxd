"""Row layouts of capture/tables.py as C structs, and the growing buffers that hold them.

A `Rows` owns its chunks. A sealed chunk is handed to Python as a `Block`, which then owns that memory. Rows are
numbered from 0 over all chunks of a table, so that a fact learnt later can still be written into its row.
"""

from libc.stdint cimport int8_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memset

cdef packed struct FlowRow:
    uint64_t flow
    uint8_t protocol
    uint8_t ip_version
    uint32_t stream
    uint8_t client_ip[16]
    uint8_t server_ip[16]
    uint16_t client_port
    uint16_t server_port
    uint8_t role
    uint8_t app
    uint8_t app_certain
    char server_name[96]
    uint64_t first_frame
    uint64_t last_frame
    int64_t first_ns
    int64_t last_ns
    uint64_t frames[2]
    uint64_t wire_bytes[2]
    uint64_t payload_bytes[2]
    uint64_t payload_frames[2]
    uint8_t ttl_max[2]
    uint32_t syn_count
    uint32_t synack_count
    uint64_t syn_frame
    uint64_t synack_frame
    uint64_t established_frame
    int64_t syn_ns
    int64_t syn_last_ns
    int64_t synack_ns
    int64_t synack_last_ns
    int64_t established_ns
    int64_t tls_start_ns
    int64_t tls_server_hello_ns
    int64_t tls_end_ns
    int64_t tls_alert_ns
    uint16_t tls_version
    uint64_t tls_start_frame
    uint64_t tls_end_frame
    uint16_t mss[2]
    int8_t window_scale[2]
    uint64_t window_max[2]
    int64_t leg_min_ns[2]
    uint32_t leg_samples[2]
    int64_t fin_ns[2]
    int64_t reset_ns
    uint64_t reset_frame
    int8_t reset_direction
    uint8_t reset_ttl
    uint32_t resets
    uint64_t retransmitted_frames[2]
    uint64_t retransmitted_bytes[2]
    uint64_t spurious_frames[2]
    uint64_t out_of_order_frames[2]
    uint64_t duplicate_acks[2]
    uint64_t gaps[2]
    uint64_t acked_unseen_bytes[2]
    uint32_t zero_windows[2]
    int64_t zero_window_ns[2]
    uint32_t keep_alives
    uint64_t duplicate_frames
    uint32_t exchanges
    uint8_t mid_stream
    uint8_t evicted

cdef packed struct ExchangeRow:
    uint64_t flow
    uint32_t index
    int64_t request_first_ns
    int64_t request_last_ns
    int64_t response_first_ns
    int64_t response_last_ns
    int64_t next_request_ns
    uint64_t request_first_frame
    uint64_t request_last_frame
    uint64_t response_first_frame
    uint64_t response_last_frame
    int64_t request_ack_ns
    uint64_t request_ack_frame
    uint32_t request_copies
    int64_t request_last_copy_ns
    int64_t leg_server_ns
    int64_t leg_client_ns
    uint64_t request_bytes
    uint64_t response_bytes
    uint64_t request_frames
    uint64_t response_frames
    uint16_t status
    int64_t expected_bytes
    uint8_t complete
    char label[96]

cdef packed struct PauseRow:
    uint64_t flow
    uint32_t exchange
    uint8_t direction
    int64_t start_ns
    int64_t end_ns
    uint64_t start_frame
    uint64_t end_frame
    uint8_t next_kind
    uint32_t next_bytes
    uint32_t last_bytes
    uint8_t last_push
    int64_t release_ns
    uint64_t release_frame
    int64_t in_flight_bytes
    int64_t window_room_bytes
    uint64_t window_bytes
    uint8_t window_known
    uint8_t hole_open
    int64_t hole_sign_ns
    uint8_t after_loss
    uint64_t flight_before_loss_bytes
    uint8_t queue
    int64_t leg_sender_ns
    int64_t leg_receiver_ns

cdef packed struct EventRow:
    uint64_t flow
    uint8_t kind
    uint8_t direction
    uint64_t frame
    int64_t time_ns
    int64_t value
    uint64_t other_frame

cdef packed struct DnsRow:
    uint8_t client_ip[16]
    uint8_t server_ip[16]
    uint8_t ip_version
    uint16_t server_port
    uint8_t app
    uint32_t stream
    uint16_t id
    uint16_t query_type
    int8_t rcode
    uint8_t truncated
    uint8_t icmp
    uint32_t tries
    uint32_t server_tries
    uint8_t servers
    uint64_t query_frame
    uint64_t last_query_frame
    uint64_t answer_frame
    int64_t query_ns
    int64_t last_query_ns
    int64_t answer_ns
    uint16_t answers
    uint8_t address_count
    uint8_t address_version[8]
    uint8_t addresses[128]
    char name[128]

cdef packed struct SeriesRow:
    int64_t time_ns
    uint64_t frames
    uint64_t wire_bytes
    uint64_t payload_bytes[2]
    uint32_t retransmissions
    uint32_t connections
    uint32_t resets
    uint32_t exchanges
    int64_t response_max_ns
    int64_t response_sum_ns
    uint32_t leg_samples
    int64_t leg_min_ns
    int64_t leg_max_ns
    int64_t leg_sum_ns

cdef enum:
    CHUNK_ROWS = 65536
    CHUNK_BYTES = 1 << 22
    MAX_SEALED = 1 << 16
    T_FLOWS = 0
    T_EXCHANGES = 1
    T_PAUSES = 2
    T_EVENTS = 3
    T_DNS = 4
    T_SERIES = 5
    T_COUNT = 6

#: One table under construction. `sealed[i]` is a full chunk not yet taken by Python.
cdef struct Rows:
    uint32_t size           # bytes a row
    uint32_t chunk_rows
    uint8_t *open           # owned; `used` of `room` rows
    uint32_t used
    uint32_t room
    uint8_t **sealed        # owned array of owned chunks
    uint32_t sealed_count
    uint32_t sealed_room
    int64_t taken           # rows already handed over
    int64_t total

#: A value for a row that Python has taken already.
cdef struct Late:
    uint8_t table
    int64_t row
    uint32_t offset
    uint32_t size
    int64_t value

cdef inline void rows_init(Rows *r, uint32_t size) noexcept nogil:
    memset(r, 0, sizeof(Rows))
    r.size = size
    r.chunk_rows = min(<uint32_t> CHUNK_ROWS, <uint32_t> CHUNK_BYTES // size)

cdef inline void rows_free(Rows *r) noexcept nogil:
    cdef uint32_t i
    for i in range(r.sealed_count):
        free(r.sealed[i])
    free(r.sealed)
    free(r.open)
    memset(r, 0, sizeof(Rows))

cdef inline bint rows_seal(Rows *r) noexcept nogil:
    """Move the full open chunk to the sealed ones."""
    cdef uint8_t **grown
    if r.sealed_count == r.sealed_room:
        grown = <uint8_t **> realloc(r.sealed, (r.sealed_room * 2 + 8) * sizeof(uint8_t *))
        if grown == NULL:
            return False
        r.sealed = grown
        r.sealed_room = r.sealed_room * 2 + 8
    r.sealed[r.sealed_count] = r.open
    r.sealed_count += 1
    r.open = NULL
    r.used = r.room = 0
    return True

cdef inline void *rows_add(Rows *r) noexcept nogil:
    """A new zeroed row, valid until the next one is added; NULL when memory is out."""
    cdef uint32_t room
    cdef uint8_t *grown
    if r.used == r.chunk_rows and not rows_seal(r):
        return NULL
    if r.used == r.room:
        room = min(r.room * 2 if r.room else 64, r.chunk_rows)
        grown = <uint8_t *> realloc(r.open, <size_t> room * r.size)
        if grown == NULL:
            return NULL
        r.open = grown
        r.room = room
    cdef uint8_t *row = r.open + <size_t> r.used * r.size
    memset(row, 0, r.size)
    r.used += 1
    r.total += 1
    return row

cdef inline void *rows_at(Rows *r, int64_t index) noexcept nogil:
    """Row `index` while the kernel still holds it, else NULL."""
    cdef int64_t i = index - r.taken
    if i < 0 or index >= r.total:
        return NULL
    cdef int64_t chunk = i // r.chunk_rows
    cdef uint8_t *base = r.sealed[chunk] if chunk < r.sealed_count else r.open
    return base + (i - chunk * r.chunk_rows) * r.size
