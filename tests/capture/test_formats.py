"""Every form that a capture comes in gives the same tables; what is none is named."""

import gzip
import os
import struct
import threading
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from pcap_analyzer.capture.reader import Limits, Progress, read
from pcap_analyzer.errors import Cancelled, LimitExceeded, NotACapture, UnreadableCapture
from tests.capture_files import Order
from tests.packets import Frame, Interface, Ipv4, Pcapng, Udp, ethernet, raw, write_pcap, write_pcapng

START_NS = 1_700_000_000_123_456_000
PACKET = Ipv4("192.0.2.1", "192.0.2.2", Udp(5_000, 6_000, b"payload"), identification=1)


def frames(count: int = 3, *, step_ns: int = 1_000_000) -> list[Frame]:
    return [
        Frame(START_NS + i * step_ns, ethernet(Ipv4("192.0.2.1", "192.0.2.2", Udp(5_000, 6_000), identification=i + 1)))
        for i in range(count)
    ]


@pytest.mark.parametrize(("order", "nanoseconds"), list(product(("little", "big"), (False, True))))
def test_pcap_of_either_order_and_resolution_keeps_its_times(tmp_path: Path, order: Order, nanoseconds: bool) -> None:
    path = tmp_path / "a.pcap"
    write_pcap(path, frames(), order=order, nanoseconds=nanoseconds)
    facts = read(path).capture
    assert (facts.format, facts.byte_order, facts.frames) == ("pcap", order, 3)
    assert (facts.first_ns, facts.last_ns) == (START_NS, START_NS + 2_000_000)


@pytest.mark.parametrize(
    ("order", "resolution", "offset_s"),
    [("little", None, None), ("big", 9, None), ("big", 6, 100), ("little", 9, -5), ("little", 0x94, None)],
)
def test_pcapng_keeps_its_times(tmp_path: Path, order: Order, resolution: int | None, offset_s: int | None) -> None:
    path = tmp_path / "a.pcapng"
    interface = Interface(tsresol=resolution, tsoffset_s=offset_s)
    write_pcapng(path, frames(), order=order, interfaces=[interface])
    facts = read(path).capture
    assert facts.first_ns is not None
    # A resolution of 2^-20 s is the coarsest here.
    assert abs(facts.first_ns - START_NS) < 1_000
    assert (facts.format, facts.byte_order, facts.frames, facts.link_types) == ("pcapng", order, 3, ("ETHERNET",))


def test_sections_of_both_orders_follow_one_another(tmp_path: Path) -> None:
    parts = []
    orders: tuple[Order, Order] = ("little", "big")
    for order in orders:
        writer = Pcapng(order)
        parts += [writer.section(), writer.interface(Interface(tsresol=9)), writer.packet(frames()[0], Interface())]
    path = tmp_path / "a.pcapng"
    path.write_bytes(b"".join(parts))
    assert read(path).capture.frames == 2


def test_interfaces_have_their_own_link_type_and_resolution(tmp_path: Path) -> None:
    interfaces = [Interface(tsresol=6), Interface(linktype=101, tsresol=9)]
    mixed = [frames()[0], Frame(START_NS + 5_001, raw(PACKET), interface=1)]
    path = tmp_path / "a.pcapng"
    write_pcapng(path, mixed, interfaces=interfaces)
    tables = read(path)
    assert tables.capture.link_types == ("ETHERNET", "RAW")
    assert tables.capture.last_ns == START_NS + 5_001
    assert tables.flows.rows()["frames"].tolist() == [[2, 0]]


def test_drops_of_interfaces_are_added_up_and_absent_where_not_told(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    write_pcapng(path, frames(), interfaces=[Interface(drops=3), Interface(drops=4), Interface()])
    assert read(path).capture.interface_drops == 7
    write_pcapng(path, frames())
    assert read(path).capture.interface_drops is None


def test_a_simple_packet_takes_the_time_before_it(tmp_path: Path) -> None:
    writer, interface, (first, second, _) = Pcapng(), Interface(tsresol=9), frames()
    path = tmp_path / "a.pcapng"
    path.write_bytes(
        writer.section()
        + writer.interface(interface)
        + writer.packet(first, interface)
        + writer.simple_packet(second, interface)
    )
    facts = read(path).capture
    assert (facts.frames, facts.udp_frames, facts.clock_steps, facts.last_ns) == (2, 2, 0, START_NS)


def test_an_obsolete_packet_block_is_a_frame(tmp_path: Path) -> None:
    writer, frame = Pcapng(), frames()[0]
    ticks = START_NS // 1000
    head = writer.pack("HHIIII", 0, 0, ticks >> 32, ticks & 0xFFFFFFFF, len(frame.data), len(frame.data))
    path = tmp_path / "a.pcapng"
    body = head + frame.data + b"\0" * (-len(frame.data) % 4)
    path.write_bytes(writer.section() + writer.interface(Interface(tsresol=None)) + writer.block(2, body))
    facts = read(path).capture
    assert (facts.frames, facts.first_ns) == (1, START_NS)


def test_unknown_blocks_are_passed_however_large(tmp_path: Path) -> None:
    writer, interface, frame = Pcapng(), Interface(tsresol=9), frames()[0]
    path = tmp_path / "a.pcapng"
    path.write_bytes(
        writer.section()
        + writer.interface(interface)
        + writer.block(0x0000_7777, b"\xff" * (3 << 20))
        + writer.packet(frame, interface)
    )
    facts = read(path).capture
    assert (facts.frames, facts.damage) == (1, None)


def test_a_custom_block_has_a_frame_number(tmp_path: Path) -> None:
    writer, interface, frame = Pcapng(), Interface(tsresol=9), frames()[0]
    path = tmp_path / "a.pcapng"
    path.write_bytes(
        writer.section()
        + writer.interface(interface)
        + writer.block(0x0BAD, writer.pack("I", 32_473))
        + writer.packet(frame, interface)
    )
    tables = read(path)
    assert tables.flows.rows()["first_frame"].tolist() == [2]
    assert tables.capture.undecoded == {"record without a packet": 1}


def test_snoop_is_read(tmp_path: Path) -> None:
    frame = frames()[0]
    head = struct.pack(">IIIIII", len(frame.data), len(frame.data), len(frame.data) + 24 + 2, 0, 1_700_000_000, 5)
    path = tmp_path / "a.snoop"
    path.write_bytes(b"snoop\0\0\0" + struct.pack(">II", 2, 4) + head + frame.data + b"\0\0")
    facts = read(path).capture
    assert (facts.format, facts.frames, facts.first_ns) == ("snoop", 1, 1_700_000_000_000_005_000)


@pytest.mark.parametrize(("minor", "swapped"), [(2, True), (3, True), (3, False), (4, False)])
def test_old_pcap_versions_may_swap_the_lengths(tmp_path: Path, minor: int, swapped: bool) -> None:
    data = frames()[0].data
    lengths = (len(data) + 100, len(data)) if swapped else (len(data), len(data) + 100)
    path = tmp_path / "a.pcap"
    header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, minor, 0, 0, 65_535, 1)
    path.write_bytes(header + struct.pack("<IIII", 1, 0, *lengths) + data)
    facts = read(path).capture
    assert (facts.frames, facts.cut_frames, facts.wire_bytes, facts.damage) == (1, 1, len(data) + 100, None)


def test_patched_record_headers_are_read(tmp_path: Path) -> None:
    data = frames()[0].data
    path = tmp_path / "a.pcap"
    record = struct.pack("<IIII", 1, 0, len(data), len(data)) + b"\0" * 8 + data
    path.write_bytes(struct.pack("<IHHiIII", 0xA1B2CD34, 2, 4, 0, 0, 65_535, 1) + record * 2)
    assert read(path).capture.udp_frames == 2


def test_gzip_of_several_members_reads_like_the_plain_file(tmp_path: Path) -> None:
    plain, packed = tmp_path / "a.pcap", tmp_path / "a.pcap.gz"
    write_pcap(plain, frames(50))
    data = plain.read_bytes()
    packed.write_bytes(gzip.compress(data[:1000]) + gzip.compress(data[1000:]) + b"\0" * 100)
    ours, theirs = read(packed), read(plain)
    assert (ours.capture.compression, ours.capture.frames, ours.capture.damage) == ("gzip", 50, None)
    assert ours.capture.stream_bytes == len(data)
    assert np.array_equal(ours.flows.rows(), theirs.flows.rows())


def test_a_pipe_is_read_whatever_the_size_of_its_pieces(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    write_pcap(path, frames(200))
    data = path.read_bytes()
    receiving, sending = os.pipe()

    def send() -> None:
        with os.fdopen(sending, "wb", buffering=0) as pipe:
            for start in range(0, len(data), 37):
                pipe.write(data[start : start + 37])

    writer = threading.Thread(target=send)
    writer.start()
    seen: list[Progress] = []
    facts = read(Path(f"/dev/fd/{receiving}"), progress=seen.append).capture
    writer.join()
    os.close(receiving)
    assert (facts.frames, facts.damage) == (200, None)
    assert seen[-1] == Progress("read", len(data), None, 200)


def test_frames_larger_than_the_buffer_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    large = Frame(START_NS, ethernet(PACKET) + b"\0" * (3 << 20))
    write_pcap(path, [large, *frames()], snaplen=4 << 20)
    facts = read(path).capture
    assert (facts.frames, facts.damage) == (4, None)


NOT_CAPTURES = [
    (b"", "The file is empty."),
    (b"PK\x03\x04" + b"\0" * 40, "This is a ZIP archive: unzip it first."),
    (b"hello, this is a list of things\n" * 5, "This looks like text, not like a capture."),
    ("Grüße\n".encode() * 200, "This looks like text, not like a capture."),
    (b"\0" * 4096, "The file holds only zeros where a capture has its header."),
    (b"%PDF-1.7 \xff\xfe", "This is a PDF document, not a capture."),
    (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "This is a PNG image, not a capture."),
    (b"\xfd7zXZ\x00\x00\x04", "This is compressed with xz, which is not read yet: decompress it first."),
    (b"\x28\xb5\x2f\xfd\x04\x00", "This is compressed with zstd, which is not read yet: decompress it first."),
    (b"\x04\x22\x4d\x18\x64\x40", "This is compressed with lz4, which is not read yet: decompress it first."),
    (b"BZh91AY&SY\x00\xff", "This is compressed with bzip2, which is not read yet: decompress it first."),
    (b"\xde\xad\xbe\xef\x00\x01\x02\x03", "These are not the first bytes of a capture: de ad be ef 00 01 02 03."),
    (b"\xd4\xc3\xb2\xa1\x02\x00", "This pcap ends inside its file header, after 6 bytes."),
    (b"\xd4\xc3\xb2\xa1\x09\x00\x01\x00" + b"\0" * 16, "This pcap is of version 9.1, which nobody has defined."),
    (b"\x0a\x0d\x0d\x0a" + b"\0" * 24, "This starts like a pcapng, but its byte-order mark is missing."),
    (gzip.compress(b"just text, compressed\n"), "This looks like text, not like a capture."),
]


@pytest.mark.parametrize(("content", "sentence"), NOT_CAPTURES, ids=[pair[1][:40] for pair in NOT_CAPTURES])
def test_what_is_no_capture_is_named(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    with pytest.raises(NotACapture) as caught:
        read(path)
    assert str(caught.value) == sentence


def test_two_gigabytes_of_zeros_are_refused_after_the_first_bytes(tmp_path: Path) -> None:
    path = tmp_path / "zeros"
    with path.open("wb") as file:
        file.truncate(2 << 30)
    seen: list[Progress] = []
    with pytest.raises(NotACapture, match="zeros"):
        read(path, progress=seen.append)
    assert seen == []


def test_what_cannot_be_opened_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnreadableCapture, match=r"There is no file 'gone\.pcap'"):
        read(tmp_path / "gone.pcap")
    with pytest.raises(UnreadableCapture, match="is a folder, not a file"):
        read(tmp_path)


def test_progress_ends_with_all_bytes_and_its_exception_stops_the_reading(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    write_pcap(path, frames(10))
    size = path.stat().st_size
    seen: list[Progress] = []
    read(path, progress=seen.append)
    assert seen[-1] == Progress("read", size, size, 10)

    def stop(_progress: Progress) -> None:
        raise Cancelled("The analysis was stopped.")

    with pytest.raises(Cancelled):
        read(path, progress=stop)


def test_decompression_has_limits(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(b"\xd4\xc3\xb2\xa1\x02\0\x04\0" + b"\0" * (100 << 20)))
    with pytest.raises(LimitExceeded, match="more than 100 times"):
        read(path, limits=Limits(decompression_ratio=100))
    with pytest.raises(LimitExceeded, match="longer than 1000000 bytes"):
        read(path, limits=Limits(decompressed_bytes=1_000_000))
