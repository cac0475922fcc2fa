"""Limits of memory: what is over them gives way, is counted, and never stops a reading."""

from pathlib import Path

import numpy as np
import pytest

from pcap_analyzer.capture.kernel import Kernel
from pcap_analyzer.capture.reader import Limits, read
from tests.capture.conversation import CLIENT, MS, SERVER, START_NS, Conversation
from tests.packets import Frame, Ipv4, Tcp, Udp, ethernet, write_pcap

FULL = b"d" * 1448


def download(*, segments: int = 3) -> Conversation:
    """A request and `segments` full segments 1 ms apart, none acknowledged."""
    talk = Conversation()
    talk.connect()
    talk.client(30, 1, 1, "PA", b"q" * 100)
    for i in range(segments):
        talk.server(60 + i, 1 + 1448 * i, 101, "A", FULL)
    return talk


def test_a_fragmented_datagram_counts_at_its_last_fragment_in_any_order(tmp_path: Path) -> None:
    whole = Ipv4(CLIENT, SERVER, Udp(5_000, 6_000, b"x" * 1000), identification=9)
    pieces = whole.fragments(256)
    frames = [Frame(START_NS + i, ethernet(piece)) for i, piece in enumerate([pieces[1], pieces[0], *pieces[2:]])]
    path = tmp_path / "a.pcap"
    write_pcap(path, frames)
    tables = read(path)
    row = tables.flows.rows()[0]
    assert (row["first_frame"], row["payload_bytes"].tolist()) == (len(pieces), [1000, 0])
    assert tables.capture.undecoded == {}


def test_fragments_of_a_datagram_that_never_completes_are_counted(tmp_path: Path) -> None:
    pieces = Ipv4(CLIENT, SERVER, Udp(5_000, 6_000, b"x" * 1000), identification=9).fragments(256)
    path = tmp_path / "a.pcap"
    write_pcap(path, [Frame(START_NS + i, ethernet(piece)) for i, piece in enumerate(pieces[:-1])])
    tables = read(path)
    assert len(tables.flows) == 0
    assert tables.capture.undecoded == {"fragment without the rest": len(pieces) - 1}


def test_more_datagrams_than_places_are_counted(tmp_path: Path) -> None:
    frames = [
        Frame(START_NS + i, ethernet(Ipv4(CLIENT, SERVER, Udp(1, 2, b"x" * 64), identification=i + 1).fragments(32)[0]))
        for i in range(100)
    ]
    path = tmp_path / "a.pcap"
    write_pcap(path, frames)
    facts = read(path).capture
    assert facts.overflows == {"datagrams under reassembly": 36}
    assert facts.exact_until_frame == 65


def test_over_the_live_flow_limit_the_longest_idle_leave_and_rows_stay_in_order(tmp_path: Path) -> None:
    frames = [
        Frame(START_NS + i * MS, ethernet(Ipv4(CLIENT, SERVER, Udp(1_000 + i % 40, 2, b"x"), identification=i + 1)))
        for i in range(80)
    ]
    path = tmp_path / "a.pcap"
    write_pcap(path, frames)
    tables = read(path, limits=Limits(live_flows=16))
    rows = tables.flows.rows()
    assert np.all(np.diff(rows["flow"].astype(np.int64)) > 0)
    assert (len(rows), int(rows["evicted"].sum())) == (80, 64)
    assert int(rows["frames"].sum()) == 80
    assert tables.capture.overflows == {"live flows": 64}
    assert tables.capture.exact_until_frame == 17


def many_talks() -> list[Frame]:
    """A request of one segment on each of 500 connections."""
    return [
        Frame(
            START_NS + i * MS,
            ethernet(Ipv4(CLIENT, SERVER, Tcp(2_000 + i, 80, 1, 1, "PA", payload=b"GET / H"), identification=i + 1)),
        )
        for i in range(500)
    ]


def test_over_the_memory_limit_the_longest_idle_leave(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    write_pcap(path, many_talks())
    tables = read(path, limits=Limits(live_flow_bytes=500_000))
    assert tables.capture.overflows.keys() == {"memory of live flows"}
    assert tables.capture.overflows["memory of live flows"] == int(tables.flows.rows()["evicted"].sum()) > 100
    assert tables.flows.rows()["exchanges"].tolist() == [1] * 500


@pytest.mark.parametrize("snaplen", [0, 60, 200])
def test_the_account_of_memory_returns_to_nothing(tmp_path: Path, snaplen: int) -> None:
    talk = download(segments=40)
    talk.server(300, 1449, 101, "A", FULL)
    talk.client(301, 101, 1 + 1448 * 3)
    talk.server(400, 1 + 1448 * 90, 101, "A", FULL)
    path = tmp_path / "a.pcap"
    write_pcap(path, [*many_talks(), *talk.frames], snaplen=snaplen or 262_144)
    data = bytearray(path.read_bytes()[24:])
    kernel = Kernel(1000, 1 << 30, 16_384, 256)
    kernel.open_pcap(False, False, 1, 262_144, patched=False, minor=4)
    assert kernel.feed(data, len(data)) == len(data)
    assert kernel.held_bytes > 500 * 2_000
    while kernel.finish(100):
        assert kernel.held_bytes > 0
    assert kernel.held_bytes == 0


def test_tables_that_are_spilled_read_back_the_same(tmp_path: Path) -> None:
    talk = download()
    talk.server(300, 1449, 101, "A", FULL)
    talk.client(301, 101, 1 + 1448 * 3)
    path = tmp_path / "a.pcap"
    write_pcap(path, talk.frames)
    kept, spilled = read(path), read(path, limits=Limits(table_memory_bytes=1))
    assert np.array_equal(kept.flows.rows(), spilled.flows.rows())
    assert np.array_equal(kept.events.rows(), spilled.events.rows())
    assert kept.flows.rows()["retransmitted_frames"].tolist() == [[0, 1]]


def test_more_unacknowledged_segments_than_places_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    write_pcap(path, download(segments=100).frames)
    tables = read(path, limits=Limits(unacknowledged_segments=32))
    assert tables.capture.overflows == {"unacknowledged segments": 68}
    assert tables.exchanges.rows()["response_bytes"].tolist() == [100 * 1448]


def test_more_gaps_than_places_are_counted(tmp_path: Path) -> None:
    talk = download(segments=1)
    for i in range(1, 21):
        talk.server(61 + i, 1 + 2 * 1448 * i, 101, "A", FULL)
    path = tmp_path / "a.pcap"
    write_pcap(path, talk.frames)
    tables = read(path, limits=Limits(open_gaps=4))
    assert tables.capture.overflows == {"open gaps": 16}
    assert tables.capture.exact_until_frame == 10
