"""The codes that rows and structs hold; capture/tables.py has the same ones for Python."""

cdef enum:
    ROLE_GUESSED = 0
    ROLE_LIKELY = 1
    ROLE_CERTAIN = 2
    NEVER = -1

cdef enum AppCode:
    APP_UNKNOWN = 0
    APP_HTTP
    APP_TLS
    APP_DNS
    APP_SSH
    APP_SMTP
    APP_FTP
    APP_IMAP
    APP_POP3
    APP_SMB
    APP_POSTGRESQL
    APP_MYSQL
    APP_REDIS
    APP_LDAP
    APP_RDP
    APP_MDNS
    APP_LLMNR
    APP_QUIC
    APP_NTP
    APP_DHCP
    APP_SIP
    APP_RTP
    APP_MONGODB
    APP_TDS
    APP_HTTP2
    APP_VNC

cdef enum Kind:
    KIND_NEW = 0
    KIND_FILL
    KIND_COPY
    KIND_SPURIOUS

cdef enum EventCode:
    EVENT_RETRANSMISSION = 1
    EVENT_SPURIOUS
    EVENT_OUT_OF_ORDER
    EVENT_GAP
    EVENT_GAP_FILLED
    EVENT_DUPLICATE_ACK
    EVENT_ACKED_UNSEEN
    EVENT_ZERO_WINDOW
    EVENT_WINDOW_PROBE
    EVENT_KEEP_ALIVE
    EVENT_RESET
    EVENT_SYN_AGAIN
    EVENT_SYNACK_AGAIN
    EVENT_UNREACHABLE
    EVENT_TIME_EXCEEDED
    EVENT_FRAGMENTATION
    EVENT_DUPLICATE_FRAME
    EVENT_CLOCK_STEP
    EVENT_PORT_REUSED
    EVENT_CLOCK_LEAP

#: Limits that were hit, counted by kind; capture/reader.py names them.
cdef enum Overflow:
    OVER_FLOWS          # live flows: the longest idle were closed
    OVER_SEGMENTS       # unacknowledged segments of one direction
    OVER_GAPS           # open gaps of one direction
    OVER_ACKS           # remembered acknowledgements of one direction
    OVER_STASH          # bytes ahead of a gap that a protocol parser waits for
    OVER_FRAGMENTS      # datagrams under reassembly
    OVER_LOOKUPS        # open DNS lookups
    OVER_PAIRS          # host pairs with leg samples
    OVER_COPIES         # resends whose need is not yet decided
    OVER_MEMORY         # memory of live flows: the longest idle were closed
    OVER_COUNT
