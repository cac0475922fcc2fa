"""What is followed in one direction of a flow with payload.

A `Way` owns its arrays: segments, gaps, acknowledgement states, undecided copies, stash and hello.
"""

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

#: One payload segment in flight, or one stretch never captured (`frame` 0).
cdef struct Segment:
    int64_t start
    int64_t time
    uint64_t frame
    uint32_t length
    uint32_t ts_value
    uint16_t ip_id
    uint8_t copies      # times sent: Karn's rule samples segments sent once
    uint8_t filled      # it came late into a gap: no leg sample

#: Bytes [start, end) that were stepped over.
cdef struct Gap:
    int64_t start
    int64_t end
    int64_t time
    uint64_t frame      # of the packet that stepped over them
    int64_t event       # row of its GAP event
    uint16_t ip_id
    bint acked          # acknowledged without having been seen

#: A resend whose need is decided by the acknowledgement that covers it.
cdef struct Copy:
    int64_t start
    int64_t end
    int64_t time
    int64_t event
    int64_t pause
    uint32_t first_ts
    uint32_t ts_value
    bint timestamped
    uint64_t frame
    uint32_t bytes
    int64_t turn        # index of the exchange that it prolonged, -1 none
    bint covered        # acknowledged, and so far taken for needed; a D-SACK may still follow
    int64_t last_ns     # the run's last packet before it
    uint64_t last_frame

#: What the receiver had said after one of its packets passed the capture point.
cdef struct AckState:
    int64_t time
    uint64_t frame
    int64_t acked
    int64_t edge
    uint32_t window
    bint moved          # it moved ack, SACK or right edge

cdef struct Echo:
    int64_t time
    int64_t acked
    uint32_t ts_value

#: Payload ahead of a gap, kept for a protocol parser.
cdef struct Stashed:
    int64_t start
    uint32_t length
    uint32_t captured
    int64_t time
    uint64_t frame
    uint8_t *bytes      # owned

cdef enum:
    DOUBTS = 8
    ECHOES = 16
    STASH_SEGMENTS = 32
    RECORD_HEAD = 48

#: The protocol parser of one direction: `want` is the next stream offset whose bytes it needs.
cdef struct Parser:
    int64_t want
    uint8_t stage
    bint off            # nothing more is read from this direction
    uint32_t have       # bytes in `head`
    uint8_t head[RECORD_HEAD]
    int64_t record_end
    int64_t record_ns   # first byte of the record at hand
    uint64_t record_frame
    uint8_t record_kind
    uint32_t record_length
    uint32_t line       # length so far of the text line at hand
    char text[96]

#: Everything followed in one direction: data of `side`, and what the other side says about it.
cdef struct Way:
    Segment *segments   # owned ring
    uint32_t segment_head
    uint32_t segment_count
    uint32_t segment_room
    uint32_t segment_past   # acknowledged segments still readable before the head
    Gap *gaps           # owned
    uint32_t gap_count
    uint32_t gap_room
    AckState *acks      # owned ring
    uint32_t ack_head
    uint32_t ack_count
    uint32_t ack_room
    uint64_t ack_base   # number of the ring's oldest entry
    uint64_t known      # number of the first entry that the sender does not know yet
    int64_t known_acked # what it knows to be acknowledged
    uint64_t sack_print # tells one set of SACK blocks from another
    Copy *copies        # owned
    uint32_t copy_count
    int64_t doubtful[DOUBTS]    # pause rows whose hole is a single gap that may prove to be no loss
    uint32_t doubts
    bint started        # payload was seen
    int64_t begin       # its first offset: what lies below went by before the capture began
    bint probed         # a probe beyond the top is unanswered
    int64_t last_ns     # last needed payload packet
    uint64_t last_frame
    uint32_t last_bytes
    bint last_push
    int64_t last_run
    int64_t last_start  # of the last new segment
    int64_t loss_ns     # first sign of a loss behind the capture point, -1 none stands
    int64_t loss_until  # acknowledged up to here it is repaired
    int64_t loss_closed_ns
    int64_t loss_closed_sign_ns
    int64_t flight_peak
    int64_t loss_peak   # the largest flight before the last loss, 0 none
    uint32_t duplicate_run
    int64_t zero_ns     # the sender of this way announces a closed window since, -1 open
    int64_t zero_event
    Echo echoes[ECHOES]
    uint32_t echo_count
    uint32_t echo_used
    bint echo_seen
    uint16_t id_last
    uint32_t id_steps
    uint32_t id_small_steps
    uint64_t retransmitted_frames
    uint64_t retransmitted_bytes
    uint64_t spurious_frames
    uint64_t out_of_order_frames
    uint64_t duplicate_acks
    uint64_t gaps_lost
    uint64_t acked_unseen
    uint32_t zero_windows
    int64_t zero_window_ns
    Parser parser
    Stashed *stash      # owned array of STASH_SEGMENTS
    uint32_t stash_count
    uint32_t stash_bytes
    uint8_t *hello      # owned; a handshake message under collection
    uint32_t hello_length
    uint32_t hello_have
