"""Writes large captures fast: one template a direction of a flow, numbers and checksums put in by arithmetic."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Self

FLUSH_BYTES = 1 << 20
HEADERS = struct.Struct(">12sHBBHHHBBHIIHHIIHHHHHHII")  # Ethernet, IPv4, TCP with NOP, NOP, timestamps
HEADER_BYTES = HEADERS.size
TCP_HEADER_BYTES = 32
FILE_HEADER = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262_144, 1)
RECORD = struct.Struct("<IIII")
FULL_PAYLOAD_BYTES = 1448  # makes frames of 1,514 bytes
WINDOW, NOP_NOP, TIMESTAMPS = 65_000, 0x0101, 0x080A
FIN, SYN, PSH, ACK = 0x01, 0x02, 0x08, 0x10


def folded(total: int) -> int:
    """The Internet checksum of a sum of 16-bit words (RFC 1071)."""
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


class Sender:
    """One direction of a TCP flow: addresses, ports, where it stands in its sequence space."""

    def __init__(self, source: int, destination: int, source_port: int, destination_port: int) -> None:
        self.source, self.destination = source, destination
        self.source_port, self.destination_port = source_port, destination_port
        self.macs = bytes.fromhex("020000000002020000000001" if source < destination else "020000000001020000000002")
        self.seq = (source * 2_654_435_761 + source_port * 40_503) % 2**32
        self.identification = source_port
        addresses = sum(address >> 16 for address in (source, destination))
        addresses += sum(address & 0xFFFF for address in (source, destination))
        self.ip_sum = 0x4500 + 0x4000 + 0x4006 + addresses
        self.tcp_sum = addresses + 6 + source_port + destination_port + NOP_NOP + TIMESTAMPS + WINDOW


class CaptureWriter:
    """A nanosecond pcap file of TCP segments; `packets` and `bytes` count what was written."""

    def __init__(self, path: Path, payload: bytes) -> None:
        assert len(payload) == FULL_PAYLOAD_BYTES
        words = struct.unpack(f">{FULL_PAYLOAD_BYTES // 2}H", payload)
        self._payload = payload
        self._payload_sums = [0]
        for word in words:
            self._payload_sums.append(self._payload_sums[-1] + word)
        self._file = path.open("wb")
        self._buffer = bytearray(FILE_HEADER)
        self.packets = 0
        self.bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._flush()
        self._file.close()

    def segment(self, sender: Sender, peer: Sender, time_ns: int, flags: int, length: int) -> None:
        """The next segment of `sender`, acknowledging all that `peer` sent; `length` is even and advances it."""
        self.again(sender, sender.seq, peer.seq if flags & ACK else 0, time_ns, (flags, length))
        sender.seq = (sender.seq + length + (1 if flags & (SYN | FIN) else 0)) % 2**32

    def again(self, sender: Sender, seq: int, ack: int, time_ns: int, shape: tuple[int, int]) -> None:
        """A segment with any numbers; `shape` is (flags, payload bytes). The sender does not advance."""
        flags, length = shape
        sender.identification = identification = (sender.identification + 1) & 0xFFFF
        stamp = (time_ns // 1_000_000) & 0xFFFFFFFF
        total = HEADER_BYTES - 14 + length
        offset_flags = 0x8000 | flags
        tcp_sum = sender.tcp_sum + TCP_HEADER_BYTES + length + offset_flags + self._payload_sums[length // 2]
        tcp_sum += (seq >> 16) + (seq & 0xFFFF) + (ack >> 16) + (ack & 0xFFFF) + 2 * ((stamp >> 16) + (stamp & 0xFFFF))
        seconds, nanoseconds = divmod(time_ns, 1_000_000_000)
        captured = HEADER_BYTES + length
        self._buffer += RECORD.pack(seconds, nanoseconds, captured, captured)
        self._buffer += HEADERS.pack(
            sender.macs, 0x0800, 0x45, 0, total, identification, 0x4000, 64, 6,
            folded(sender.ip_sum + total + identification), sender.source, sender.destination,
            sender.source_port, sender.destination_port, seq, ack, offset_flags, WINDOW,
            folded(tcp_sum), 0, NOP_NOP, TIMESTAMPS, stamp, stamp,
        )  # fmt: skip
        self._buffer += self._payload[:length]
        self.packets += 1
        self.bytes += captured + RECORD.size
        if len(self._buffer) >= FLUSH_BYTES:
            self._flush()

    def _flush(self) -> None:
        self._file.write(self._buffer)
        self._buffer.clear()
