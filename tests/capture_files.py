"""Writes pcap and pcapng files byte by byte; `tests.packets` hands on everything here together with the packets."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

Order = Literal["little", "big"]
LINK_NULL, LINK_ETHERNET, LINK_RAW, LINK_LOOP, LINK_SLL, LINK_SLL2 = 0, 1, 101, 108, 113, 276


@dataclass(frozen=True)
class Frame:
    """One record: when, what was captured, and how long it was on the wire (None: all of it was captured)."""

    time_ns: int
    data: bytes
    wire_bytes: int | None = None
    interface: int = 0

    def cut(self, snaplen: int) -> Frame:
        """The frame as a capture with this snap length holds it; 0 means no limit."""
        if not snaplen or len(self.data) <= snaplen:
            return self
        return replace(self, data=self.data[:snaplen], wire_bytes=self.wire_bytes or len(self.data))


@dataclass(frozen=True)
class Interface:
    """A pcapng interface; `tsresol` is the option's byte (9: nanoseconds, 0x8a: 2^-10 s), None leaves it out.

    `drops` writes an Interface Statistics Block with isb_ifdrop at the end of the section.
    """

    linktype: int = LINK_ETHERNET
    snaplen: int = 0
    tsresol: int | None = 9
    tsoffset_s: int | None = None
    drops: int | None = None

    def ticks(self, time_ns: int) -> int:
        time_ns -= (self.tsoffset_s or 0) * 1_000_000_000
        resolution = 6 if self.tsresol is None else self.tsresol
        per_second = 1 << (resolution & 0x7F) if resolution & 0x80 else 10**resolution
        return time_ns * per_second // 1_000_000_000


def write_pcap(
    path: Path,
    frames: Iterable[Frame],
    *,
    order: Order = "little",
    nanoseconds: bool = False,
    linktype: int = LINK_ETHERNET,
    snaplen: int = 262144,
) -> None:
    """Write a libpcap file (version 2.4); frames longer than `snaplen` are cut."""
    mark = "<" if order == "little" else ">"
    magic = 0xA1B23C4D if nanoseconds else 0xA1B2C3D4
    parts = [struct.pack(mark + "IHHiIII", magic, 2, 4, 0, 0, snaplen, linktype)]
    for frame in frames:
        kept = frame.cut(snaplen)
        seconds, rest = divmod(kept.time_ns, 1_000_000_000)
        length = len(kept.data) if kept.wire_bytes is None else kept.wire_bytes
        fraction = rest if nanoseconds else rest // 1000
        parts.append(struct.pack(mark + "IIII", seconds, fraction, len(kept.data), length) + kept.data)
    path.write_bytes(b"".join(parts))


@dataclass(frozen=True)
class Pcapng:
    """How blocks are written: the byte order."""

    order: Order = "little"
    mark: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "mark", "<" if self.order == "little" else ">")

    def pack(self, layout: str, *values: int) -> bytes:
        return struct.pack(self.mark + layout, *values)

    def block(self, kind: int, body: bytes) -> bytes:
        """Any block: type, length, body padded to four bytes, length."""
        padded = body + b"\0" * (-len(body) % 4)
        return self.pack("II", kind, len(padded) + 12) + padded + self.pack("I", len(padded) + 12)

    def options(self, *options: tuple[int, bytes]) -> bytes:
        """Options with their end mark; nothing for no options."""
        if not options:
            return b""
        parts = [self.pack("HH", code, len(value)) + value + b"\0" * (-len(value) % 4) for code, value in options]
        return b"".join(parts) + self.pack("HH", 0, 0)

    def section(self, *options: tuple[int, bytes]) -> bytes:
        return self.block(0x0A0D0D0A, self.pack("IHHq", 0x1A2B3C4D, 1, 0, -1) + self.options(*options))

    def interface(self, interface: Interface) -> bytes:
        options = []
        if interface.tsresol is not None:
            options.append((9, bytes([interface.tsresol])))
        if interface.tsoffset_s is not None:
            options.append((14, self.pack("q", interface.tsoffset_s)))
        return self.block(1, self.pack("HHI", interface.linktype, 0, interface.snaplen) + self.options(*options))

    def packet(self, frame: Frame, interface: Interface, *options: tuple[int, bytes]) -> bytes:
        """An Enhanced Packet Block."""
        kept = frame.cut(interface.snaplen)
        ticks = interface.ticks(kept.time_ns)
        length = len(kept.data) if kept.wire_bytes is None else kept.wire_bytes
        head = self.pack("IIIII", kept.interface, ticks >> 32, ticks & 0xFFFFFFFF, len(kept.data), length)
        return self.block(6, head + kept.data + b"\0" * (-len(kept.data) % 4) + self.options(*options))

    def simple_packet(self, frame: Frame, interface: Interface) -> bytes:
        """A Simple Packet Block: no time, first interface only."""
        kept = frame.cut(interface.snaplen)
        return self.block(3, self.pack("I", kept.wire_bytes or len(kept.data)) + kept.data)

    def statistics(self, number: int, interface: Interface, time_ns: int) -> bytes:
        """An Interface Statistics Block with isb_ifrecv left out and isb_ifdrop as the interface says."""
        ticks = interface.ticks(time_ns)
        drops = (5, self.pack("Q", interface.drops or 0))
        return self.block(5, self.pack("III", number, ticks >> 32, ticks & 0xFFFFFFFF) + self.options(drops))


def pcapng_blocks(frames: Iterable[Frame], order: Order, interfaces: Sequence[Interface]) -> Iterator[bytes]:
    """One section, block by block: header, interfaces, packets, statistics of the interfaces that name drops."""
    writer = Pcapng(order)
    yield writer.section()
    yield from (writer.interface(interface) for interface in interfaces)
    last_ns = 0
    for frame in frames:
        last_ns = frame.time_ns
        yield writer.packet(frame, interfaces[frame.interface])
    for number, interface in enumerate(interfaces):
        if interface.drops is not None:
            yield writer.statistics(number, interface, last_ns)


def write_pcapng(
    path: Path,
    frames: Iterable[Frame],
    *,
    order: Order = "little",
    interfaces: Sequence[Interface] = (Interface(),),
) -> None:
    """Write a pcapng file of one section; each frame names its interface by number."""
    path.write_bytes(b"".join(pcapng_blocks(frames, order, interfaces)))
