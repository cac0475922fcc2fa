"""The kernel agrees with the slow reference decoder, on good packets and on bytes that are none."""

import random
import struct
from pathlib import Path

import pytest

from pcap_analyzer.capture.reader import read
from tests.capture.reference import totals
from tests.capture.sums import kernel_totals
from tests.packets import (
    Frame,
    Interface,
    Ipv4,
    Ipv6,
    Tcp,
    Udp,
    ethernet,
    extension,
    null,
    raw,
    sll,
    sll2,
    write_pcap,
    write_pcapng,
)

START_NS = 1_700_000_000_000_000_000


def packets(count: int, seed: int) -> list[Ipv4 | Ipv6]:
    """Packets of few hosts and ports, so that conversations meet; IP ids differ, so that none is a duplicate."""
    dice = random.Random(seed)
    made: list[Ipv4 | Ipv6] = []
    for number in range(count):
        ports = dice.choice([(40_000, 80), (40_001, 80), (80, 40_000), (53, 5_000), (7, 7)])
        payload = dice.randbytes(dice.randrange(0, 300))
        body: Tcp | Udp = Udp(*ports, payload)
        if dice.random() < 0.6:
            flags = dice.choice(["A", "PA", "FA", "R", "SA"])
            body = Tcp(*ports, dice.getrandbits(32), dice.getrandbits(32), flags, payload=payload)
        if dice.random() < 0.3:
            extensions = (extension(0),) if dice.random() < 0.5 else ()
            made.append(Ipv6("2001:db8::1", dice.choice(["2001:db8::2", "2001:db8::1"]), body, extensions=extensions))
        else:
            hosts = dice.choice([("192.0.2.1", "192.0.2.2"), ("192.0.2.2", "192.0.2.1"), ("192.0.2.1", "192.0.2.1")])
            made.append(Ipv4(*hosts, body, identification=number + 1))
    return made


def assert_agrees(path: Path) -> None:
    ours, theirs = kernel_totals(read(path)), totals(path)
    assert ours.keys() == theirs.keys()
    for key, sums in theirs.items():
        assert ours[key].frames == sums.frames
        assert ours[key].wire_bytes == sums.wire_bytes
        assert ours[key].payload_bytes == sums.payload_bytes


@pytest.mark.parametrize(
    ("link", "wrap"),
    [
        (1, ethernet),
        (1, lambda packet: ethernet(packet, vlans=(5,))),
        (1, lambda packet: ethernet(packet, vlans=(5, 6, 7))),
        (113, sll),
        (276, sll2),
        (101, raw),
        (12, raw),
        (0, null),
        (0, lambda packet: null(packet, order="big")),
        (108, lambda packet: null(packet, order="big", ipv6_family=24)),
    ],
)
def test_every_link_type_gives_the_same_sums(tmp_path: Path, link: int, wrap: object) -> None:
    assert callable(wrap)
    frames = [Frame(START_NS + i * 1000, wrap(packet)) for i, packet in enumerate(packets(200, seed=link))]
    path = tmp_path / "a.pcap"
    write_pcap(path, frames, linktype=link)
    assert_agrees(path)


@pytest.mark.parametrize("seed", range(8))
def test_frames_cut_and_changed_at_random_give_the_same_sums(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    frames = []
    for i, packet in enumerate(packets(400, seed)):
        data = bytearray(ethernet(packet))
        for _ in range(dice.choice([0, 0, 1, 3])):
            # The IP id stays, so that no two frames look like one captured twice; so does the fragment field.
            place = dice.choice([*range(12, 18), *range(22, len(data))])
            data[place] = dice.getrandbits(8)
        kept = dice.choice([len(data), len(data), dice.randrange(0, len(data))])
        frames.append(Frame(START_NS + i * 10**9, bytes(data[:kept]), wire_bytes=len(data)))
    path = tmp_path / "a.pcapng"
    write_pcapng(path, frames, interfaces=(Interface(tsresol=9),))
    assert_agrees(path)


def test_random_bytes_are_frames_without_packets(tmp_path: Path) -> None:
    dice = random.Random(7)
    frames = [Frame(START_NS + i, dice.randbytes(dice.randrange(0, 120))) for i in range(500)]
    path = tmp_path / "a.pcap"
    write_pcap(path, frames, nanoseconds=True)
    assert read(path).capture.frames == 500
    assert_agrees(path)


def test_the_frame_number_counts_every_record_of_the_file(tmp_path: Path) -> None:
    packet = ethernet(Ipv4("192.0.2.1", "192.0.2.2", Udp(5_000, 6_000, b"x")))
    arp = struct.pack(">12sH", b"\0" * 12, 0x0806) + b"\0" * 28
    path = tmp_path / "a.pcap"
    write_pcap(path, [Frame(START_NS, arp), Frame(START_NS + 1000, packet), Frame(START_NS + 2000, arp)])
    tables = read(path)
    assert tables.flows.rows()["first_frame"].tolist() == [2]
    assert tables.capture.frames == 3
    assert tables.capture.undecoded == {"ARP": 2}
