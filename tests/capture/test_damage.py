"""A cut or damaged capture is analysed as far as it goes, and the facts say where and why it ends."""

import gzip
import random
import struct
from pathlib import Path

import pytest

from pcap_analyzer.capture.reader import read
from pcap_analyzer.capture.tables import Damage
from pcap_analyzer.errors import AppError
from tests.packets import Frame, Interface, Ipv4, Pcapng, Tcp, Udp, dns_query, ethernet, write_pcap, write_pcapng

START_NS = 1_700_000_000_000_000_000
DATA = ethernet(Ipv4("192.0.2.1", "192.0.2.2", Udp(5_000, 6_000, b"twelve bytes"), identification=1))
RECORD_BYTES = 16 + len(DATA)


def damage_of(path: Path) -> tuple[int, Damage]:
    facts = read(path).capture
    assert facts.damage is not None
    return facts.frames, facts.damage


def test_a_pcap_cut_in_a_record_keeps_the_frames_before(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    write_pcap(path, [Frame(START_NS, DATA)] * 5)
    path.write_bytes(path.read_bytes()[:-3])
    frames, damage = damage_of(path)
    kept = RECORD_BYTES - 3
    sentence = f"The file ends inside a record, after {kept} of its bytes: it was cut."
    assert frames == 4
    assert damage == Damage(sentence, 4, 24 + 4 * RECORD_BYTES)


@pytest.mark.parametrize("kept", [1, 15, 16])
def test_a_pcap_cut_in_a_record_header_is_cut_too(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "a.pcap"
    write_pcap(path, [Frame(START_NS, DATA)] * 2)
    path.write_bytes(path.read_bytes()[: 24 + RECORD_BYTES + kept])
    assert damage_of(path)[1].frame == 1


def test_an_absurd_record_length_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    write_pcap(path, [Frame(START_NS, DATA)])
    path.write_bytes(path.read_bytes() + struct.pack("<IIII", 1, 0, 1 << 30, 1 << 30) + b"\0" * 100)
    frames, damage = damage_of(path)
    assert frames == 1
    assert damage.reason == "A record claims a length of 1073741824 bytes, more than any capture tool writes."


def ng(*blocks: bytes) -> bytes:
    writer, interface = Pcapng(), Interface(tsresol=9)
    good = writer.packet(Frame(START_NS, DATA), interface)
    return writer.section() + writer.interface(interface) + good + b"".join(blocks)


WRITER = Pcapng()
LYING = WRITER.packet(Frame(START_NS, DATA), Interface(tsresol=9))
PCAPNG_DAMAGE = [
    (WRITER.pack("II", 6, 4) + b"\0" * 40, "A block claims a length of 4 bytes, which cannot be."),
    (WRITER.pack("II", 77, 1 << 30) + b"\0" * 40, "A block claims a length of 1073741824 bytes, which cannot be."),
    (LYING[:-4] + WRITER.pack("I", 99), "A block ends with a length of 99, other than the one at its start."),
    (
        WRITER.block(6, WRITER.pack("IIIII", 9, 0, 0, 0, 0)),
        "A packet names interface 9, which the file has not described.",
    ),
    (
        WRITER.block(6, WRITER.pack("IIIII", 0, 0, 0, 500, 500)),
        "A block is too short for what it says it holds (500 bytes).",
    ),
    (
        WRITER.block(6, WRITER.pack("IIIII", 0, 0, 0, 1 << 29, 0)),
        "A record claims a length of 536870912 bytes, more than any capture tool writes.",
    ),
    (WRITER.interface(Interface(tsresol=99)), "An interface has a time resolution that cannot be (99)."),
    (
        WRITER.block(0x0A0D0D0A, b"\0" * 16),
        "A section header lacks its byte-order mark (found 0x00000000).",
    ),
    (LYING[:-9], f"The file ends inside a record, after {len(LYING) - 9} of its bytes: it was cut."),
]


@pytest.mark.parametrize(("block", "sentence"), PCAPNG_DAMAGE, ids=[pair[1][:45] for pair in PCAPNG_DAMAGE])
def test_a_damaged_pcapng_block_ends_the_reading_with_its_reason(tmp_path: Path, block: bytes, sentence: str) -> None:
    path = tmp_path / "a.pcapng"
    path.write_bytes(ng(block))
    frames, damage = damage_of(path)
    assert (frames, damage.frame, damage.reason, damage.offset) == (1, 1, sentence, len(ng()))


def test_a_block_without_packets_that_is_cut_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    path.write_bytes(ng(WRITER.block(0x7777, b"\0" * (2 << 20))[: 1 << 20]))
    assert damage_of(path)[0] == 1


@pytest.mark.parametrize("cut", [-1, -8, -20])
def test_a_cut_gzip_is_read_as_far_as_it_goes(tmp_path: Path, cut: int) -> None:
    plain, packed = tmp_path / "a.pcap", tmp_path / "a.gz"
    dice = random.Random(3)
    noise = [
        Frame(START_NS, ethernet(Ipv4("192.0.2.1", "192.0.2.2", Udp(1, 2, dice.randbytes(400)), identification=i + 1)))
        for i in range(100)
    ]
    write_pcap(plain, noise)
    packed.write_bytes(gzip.compress(plain.read_bytes())[:cut])
    frames, damage = damage_of(packed)
    assert frames >= 99
    assert damage.reason == "The gzip data ends before its end mark: the file was cut."


def test_a_changed_gzip_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    plain = tmp_path / "a.pcap"
    write_pcap(plain, [Frame(START_NS, DATA)] * 50)
    data = bytearray(gzip.compress(plain.read_bytes()))
    data[-6] ^= 0xFF
    path.write_bytes(data)
    frames, damage = damage_of(path)
    assert frames == 50
    assert damage.reason.startswith("The gzip data is damaged (")


def seed_captures(folder: Path) -> list[bytes]:
    """A pcap and a pcapng with TCP, UDP, DNS, fragments and VLANs in them."""
    packets = [
        Ipv4(
            "192.0.2.1",
            "192.0.2.2",
            Tcp(1, 80, i, i, "PA", payload=b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
            identification=i,
        )
        for i in range(1, 20)
    ]
    packets += [
        Ipv4("192.0.2.1", "192.0.2.2", Udp(5, 53, dns_query(i, "a.example")), identification=i) for i in range(9)
    ]
    packets += Ipv4("192.0.2.1", "192.0.2.3", Udp(5, 53, b"x" * 200), identification=77).fragments(64)
    frames = [Frame(START_NS + i * 1000, ethernet(packet, vlans=(1,) * (i % 3))) for i, packet in enumerate(packets)]
    write_pcap(folder / "seed.pcap", frames)
    write_pcapng(folder / "seed.pcapng", frames, interfaces=[Interface(drops=1)])
    return [(folder / name).read_bytes() for name in ("seed.pcap", "seed.pcapng")]


@pytest.mark.parametrize("seed", range(4))
def test_any_change_of_any_bytes_is_read_or_refused_in_a_sentence(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    path = tmp_path / "mutated"
    originals = seed_captures(tmp_path)
    for _ in range(150):
        data = bytearray(dice.choice(originals))
        for _ in range(dice.choice([1, 1, 3, 10, 50])):
            start = dice.randrange(len(data))
            data[start : start + dice.choice([1, 2, 4])] = dice.choice(
                [b"\0", b"\xff\xff\xff\xff", dice.randbytes(4), b"", b"\x7f\xff\xff\xff"]
            )
        path.write_bytes(data)
        assert frames_or_sentence(path)


def frames_or_sentence(path: Path) -> str:
    """What a reading ends with: a count, or the one sentence of an error of ours."""
    try:
        return f"{read(path).capture.frames} frames"
    except AppError as error:
        return str(error)
