"""Application protocols by registered port (IANA), where the first bytes do not tell."""

from libc.stdint cimport uint16_t

from pcap_analyzer.capture.kernel.codes cimport (
    APP_DHCP, APP_DNS, APP_FTP, APP_HTTP, APP_IMAP, APP_LDAP, APP_LLMNR, APP_MDNS, APP_MONGODB, APP_MYSQL, APP_NTP,
    APP_POP3, APP_POSTGRESQL, APP_QUIC, APP_RDP, APP_REDIS, APP_SIP, APP_SMB, APP_SMTP, APP_SSH, APP_TDS, APP_TLS,
    APP_UNKNOWN, APP_VNC, AppCode,
)

cdef inline AppCode app_of_port(uint16_t port) noexcept nogil:
    """The protocol registered for a TCP port."""
    if port in (80, 8080, 8000, 3128):
        return APP_HTTP
    if port in (443, 465, 636, 853, 989, 990, 993, 995, 8443):
        return APP_TLS
    if port == 53:
        return APP_DNS
    if port == 22:
        return APP_SSH
    if port in (25, 587):
        return APP_SMTP
    if port == 21:
        return APP_FTP
    if port == 143:
        return APP_IMAP
    if port == 110:
        return APP_POP3
    if port in (139, 445):
        return APP_SMB
    if port == 5432:
        return APP_POSTGRESQL
    if port == 3306:
        return APP_MYSQL
    if port == 6379:
        return APP_REDIS
    if port in (389, 3268):
        return APP_LDAP
    if port == 3389:
        return APP_RDP
    if port == 27017:
        return APP_MONGODB
    if port == 1433:
        return APP_TDS
    if port in (5060, 5061):
        return APP_SIP
    if 5900 <= port <= 5909:
        return APP_VNC
    return APP_UNKNOWN

cdef inline AppCode app_of_udp_port(uint16_t port) noexcept nogil:
    """The protocol registered for a UDP port."""
    if port == 53:
        return APP_DNS
    if port == 5353:
        return APP_MDNS
    if port == 5355:
        return APP_LLMNR
    if port in (443, 8443):
        return APP_QUIC
    if port == 123:
        return APP_NTP
    if port in (67, 68, 546, 547):
        return APP_DHCP
    if port in (5060, 5061):
        return APP_SIP
    if port == 389:
        return APP_LDAP
    return APP_UNKNOWN
