"""What applications say: HTTP/1.1 texts and TLS records of plausible sizes. Bodies and ciphertext are filler."""

from __future__ import annotations

import struct
from base64 import b64decode
from random import Random

from tests.golden.plan import CLIENT, SERVER, US, Message

TLS12, TLS13 = 0x0303, 0x0304
CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA = 20, 21, 22, 23
CLIENT_HELLO, SERVER_HELLO, CERTIFICATE = 1, 2, 11
SERVER_KEY_EXCHANGE, SERVER_HELLO_DONE, CLIENT_KEY_EXCHANGE = 12, 14, 16
RECORD_BYTES = 16_384

#: A self-signed certificate for shop.example; the key was thrown away.
CERTIFICATE_DER = b64decode(
    "MIIBhjCCASugAwIBAgIUCkYuY6/liA1r6GLJpNKe9jtIxBMwCgYIKoZIzj0EAwIwFzEVMBMGA1UEAwwMc2hvcC5leGFtcGxlMCAX"
    "DTI2MTEyNDIyMTY1MVoYDzIxMjYxMDMxMjIxNjUxWjAXMRUwEwYDVQQDDAxzaG9wLmV4YW1wbGUwWTATBgcqhkjOPQIBBggqhkjO"
    "PQMBBwNCAAToMsLecYTmLyGJI0NdSxemdQq1bpCvZCSa8g1oAGFQNl9CFmxwyh9yVJZOoL9XOMo2ucoLFfeCo/P5b3uiUCVMo1Mw"
    "UTAdBgNVHQ4EFgQU96ZKpSazJHsz2lHPwOVCr4BnWzMwHwYDVR0jBBgwFoAU96ZKpSazJHsz2lHPwOVCr4BnWzMwDwYDVR0TAQH/"
    "BAUwAwEB/zAKBggqhkjOPQQDAgNJADBGAiEAzrob0LXSXv2eYD4dRX5r0TluLzI6LU91O81tizJBRugCIQDLtKwr3P+3S0ByFBH7"
    "zXSIDG8N6gpZ2imhdU91Dq1c6w=="
)


def filler(length: int, seed: int = 0) -> bytes:
    """Bytes that look like ciphertext."""
    return Random(seed).randbytes(length)


# --- HTTP/1.1 (RFC 9112) -----------------------------------------------------------------------


def http_get(host: str, target: str = "/") -> bytes:
    head = f"GET {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: example/1.0\r\n"
    return head.encode() + b"Accept: */*\r\nConnection: keep-alive\r\n\r\n"


def http_post(host: str, target: str, body: bytes) -> bytes:
    head = f"POST {target} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/octet-stream\r\n"
    return head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


def http_response(body_bytes: int, *, status: str = "200 OK", content_type: str = "text/plain") -> bytes:
    """A complete response; the body is lines of text."""
    head = f"HTTP/1.1 {status}\r\nServer: example\r\nContent-Type: {content_type}\r\n"
    head += f"Content-Length: {body_bytes}\r\n\r\n"
    line = b"All work and no waiting makes a short capture.\n"
    return head.encode() + (line * (body_bytes // len(line) + 1))[:body_bytes]


# --- TLS (RFC 5246, RFC 8446) ------------------------------------------------------------------


def record(kind: int, body: bytes, version: int = TLS12) -> bytes:
    return struct.pack(">BHH", kind, version, len(body)) + body


def _handshake(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def _extension(kind: int, body: bytes) -> bytes:
    return struct.pack(">HH", kind, len(body)) + body


def client_hello(server_name: str, version: int = TLS13, seed: int = 0) -> bytes:
    """A ClientHello with SNI; for 1.3 with supported_versions and a key share, padded to 517 bytes like browsers."""
    name = server_name.encode("ascii")
    entry = struct.pack(">HBH", len(name) + 3, 0, len(name)) + name
    extensions = _extension(0, entry) + _extension(23, b"") + _extension(10, b"\0\4\0\x1d\0\x17")
    extensions += _extension(13, b"\0\x08\x04\x03\x08\x04\x04\x01\x05\x03")
    if version == TLS13:
        extensions += _extension(43, b"\x04\x03\x04\x03\x03")
        extensions += _extension(51, b"\0\x24\0\x1d\0\x20" + filler(32, seed))
    suites = b"\x13\x01\x13\x02\xc0\x2f\xc0\x30" if version == TLS13 else b"\xc0\x2f\xc0\x30\x00\x9c"
    session = filler(32, seed + 1) if version == TLS13 else b""
    fixed = struct.pack(">H", TLS12) + filler(32, seed + 2) + bytes([len(session)]) + session
    fixed += struct.pack(">H", len(suites)) + suites + b"\x01\0"
    if version == TLS13:
        extensions += _extension(21, bytes(max(508 - len(fixed) - len(extensions) - 2, 0)))
    return record(HANDSHAKE, _handshake(CLIENT_HELLO, fixed + struct.pack(">H", len(extensions)) + extensions), 0x0301)


def server_hello(version: int = TLS13, seed: int = 0) -> bytes:
    """A ServerHello record alone."""
    extensions = b""
    session = filler(32, seed + (1 if version == TLS13 else 6))  # 1.3 repeats what the client sent
    if version == TLS13:
        extensions += _extension(43, struct.pack(">H", TLS13))
        extensions += _extension(51, b"\0\x1d\0\x20" + filler(32, seed + 3))
    else:
        extensions += _extension(65281, b"\0")
    suite = b"\x13\x01" if version == TLS13 else b"\xc0\x2f"
    body = struct.pack(">H", TLS12) + filler(32, seed + 4) + bytes([len(session)]) + session + suite + b"\0"
    return record(HANDSHAKE, _handshake(SERVER_HELLO, body + struct.pack(">H", len(extensions)) + extensions))


def change_cipher_spec() -> bytes:
    return record(CHANGE_CIPHER_SPEC, b"\x01")


def application_data(length: int, seed: int = 0) -> bytes:
    """`length` plaintext bytes in records: each adds 16 bytes of authentication tag, and one of type in TLS 1.3."""
    parts = []
    for start in range(0, length, RECORD_BYTES):
        part = min(RECORD_BYTES, length - start)
        parts.append(record(APPLICATION_DATA, filler(part + 17, seed + start)))
    return b"".join(parts)


def close_notify(version: int = TLS13) -> bytes:
    return record(APPLICATION_DATA, filler(19, 7)) if version == TLS13 else record(ALERT, filler(26, 7))


def _certificates(count: int) -> bytes:
    """A chain as long as those of public sites; the same certificate again and again."""
    entries = count * (len(CERTIFICATE_DER).to_bytes(3, "big") + CERTIFICATE_DER)
    return _handshake(CERTIFICATE, len(entries).to_bytes(3, "big") + entries)


def tls13_handshake(server_name: str, *, server_think_ns: int = 300 * US, seed: int = 0) -> tuple[Message, ...]:
    """A full 1.3 handshake up to the client's Finished: one round trip."""
    flight = server_hello(TLS13, seed) + change_cipher_spec()
    flight += application_data(10, 1) + application_data(2100, 2) + application_data(264, 3) + application_data(36, 4)
    finished = change_cipher_spec() + record(APPLICATION_DATA, filler(53, 5))
    return (
        Message(CLIENT, client_hello(server_name, TLS13, seed), 80 * US),
        Message(SERVER, flight, server_think_ns),
        Message(CLIENT, finished, 250 * US),
    )


def tls12_handshake(server_name: str, *, server_think_ns: int = 300 * US, seed: int = 0) -> tuple[Message, ...]:
    """A full 1.2 handshake with ECDHE: two round trips, the server's Finished comes last."""
    flight = server_hello(TLS12, seed) + record(HANDSHAKE, _certificates(4))
    key_exchange = b"\x03\0\x1d\x20" + filler(32, 8) + b"\x08\x04\x01\0" + filler(256, 9)
    flight += record(HANDSHAKE, _handshake(SERVER_KEY_EXCHANGE, key_exchange))
    flight += record(HANDSHAKE, _handshake(SERVER_HELLO_DONE, b""))
    exchange = record(HANDSHAKE, _handshake(CLIENT_KEY_EXCHANGE, b"\x20" + filler(32, 10)))
    finished = change_cipher_spec() + record(HANDSHAKE, filler(40, 11))
    return (
        Message(CLIENT, client_hello(server_name, TLS12, seed), 80 * US),
        Message(SERVER, flight, server_think_ns),
        Message(CLIENT, exchange + finished, 400 * US),
        Message(SERVER, finished, 350 * US),
    )
