"""The captures that are measured, made from a seed into a cache folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from benchmarks.writer import ACK, FIN, FULL_PAYLOAD_BYTES, PSH, SYN, CaptureWriter, Sender
from tests.golden.cast import BROWSER
from tests.golden.conversation import Seen
from tests.golden.golden import whole
from tests.golden.manifest import GOLDENS
from tests.packets import Ipv4, Ipv6

SEED = 20_260_302
START_NS = 1_772_442_000_000_000_000
ROUND_TRIP_NS = 20_000_000
TURN_NS = 2_000_000  # in which one of the eight flows sends and is acknowledged
PORT = 5201  # of no protocol that any of the programs looks into
SEGMENTS_A_ROUND = 20
ROUNDS_A_LOSS = 100
CLIENTS, SERVERS = 0x0A000000, 0xC6336400  # 10.0.0.0 and 198.51.100.0


@dataclass(frozen=True)
class Plan:
    """A capture to be made; `bytes` is the size aimed at."""

    name: str
    what: str
    bytes: int
    write: Callable[[Path, int], None]


def plans(size_bytes: int) -> tuple[Plan, ...]:
    """All captures; `size_bytes` is that of the full-size one, the others follow from it."""
    return (
        Plan("start-up", "one packet: what starting costs", 0, _write_one_packet),
        Plan("mixed", "about 1 MB of DNS, HTTP and TLS with all sorts of trouble", 1_200_000, _write_mixed),
        Plan("full-size", "8 flows, frames of 1,514 bytes, an ACK for every second", size_bytes, _write_full_size),
        Plan("small-packets", "64 flows, requests and responses of 40 bytes", size_bytes // 8, _write_small),
        Plan("many-flows", "a new connection for each exchange, 10 packets each", size_bytes // 16, _write_flows),
    )


def made(plan: Plan, folder: Path) -> Path:
    """The capture's file, made if the cache has none."""
    path = folder / f"{plan.name}-{plan.bytes}-{SEED}.pcap"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        plan.write(unfinished, plan.bytes)
        unfinished.rename(path)
    return path


def _writer(path: Path) -> CaptureWriter:
    return CaptureWriter(path, Random(SEED).randbytes(FULL_PAYLOAD_BYTES))


def _flow(index: int) -> tuple[Sender, Sender]:
    client, port = CLIENTS + 1 + index % 50_000, 10_000 + index // 50_000 * 97 + index % 40_000
    server = SERVERS + 1 + index % 7
    return Sender(client, server, port, PORT), Sender(server, client, PORT, port)


def _connect(writer: CaptureWriter, flows: Sequence[tuple[Sender, Sender]], now_ns: int) -> None:
    """The handshakes of all flows; frames are written in the order of their times."""
    for index, (client, server) in enumerate(flows):
        writer.segment(client, server, now_ns + index * 1_000, SYN, 0)
    for index, (client, server) in enumerate(flows):
        writer.segment(server, client, now_ns + 9_000_000 + index * 1_000, SYN | ACK, 0)
    for index, (client, server) in enumerate(flows):
        writer.segment(client, server, now_ns + 18_000_000 + index * 1_000, ACK, 0)


def _write_one_packet(path: Path, _bytes: int) -> None:
    with _writer(path) as writer:
        writer.segment(*_flow(0), START_NS, SYN, 0)


def _write_full_size(path: Path, size_bytes: int) -> None:
    """Downloads and uploads in rounds; every hundredth round one segment is lost behind the capture point."""
    flows = [_flow(index) for index in range(8)]
    with _writer(path) as writer:
        _connect(writer, flows, START_NS)
        for index, (client, server) in enumerate(flows):
            writer.segment(client, server, START_NS + 30_000_000 + index * 1_000, PSH | ACK, 200)
        now_ns = START_NS + 40_000_000
        number = 0
        while writer.bytes < size_bytes:
            for index, (client, server) in enumerate(flows):
                number += 1
                pair = (client, server) if index == 7 else (server, client)
                _round(writer, pair, now_ns + index * TURN_NS, lossy=number % ROUNDS_A_LOSS == 0)
            now_ns += ROUND_TRIP_NS
        for client, server in flows:
            writer.segment(client, server, now_ns, FIN | ACK, 0)


def _round(writer: CaptureWriter, pair: tuple[Sender, Sender], now_ns: int, *, lossy: bool) -> None:
    """One window of segments and its ACKs; a lossy one has three duplicate ACKs and a resent segment."""
    sender, receiver = pair
    first = sender.seq
    for index in range(SEGMENTS_A_ROUND):
        writer.segment(sender, receiver, now_ns + index * 12_000, ACK, FULL_PAYLOAD_BYTES)
    acks_ns = now_ns + 300_000
    if lossy:
        for index in range(4):
            writer.again(receiver, receiver.seq, first, acks_ns + index * 12_000, (ACK, 0))
        writer.again(sender, first, receiver.seq, acks_ns + 100_000, (ACK, FULL_PAYLOAD_BYTES))
        acks_ns += 400_000
    for index in range(2, SEGMENTS_A_ROUND + 1, 2):
        ack = (first + index * FULL_PAYLOAD_BYTES) % 2**32
        writer.again(receiver, receiver.seq, ack, acks_ns + index * 12_000, (ACK, 0))


def _write_small(path: Path, size_bytes: int) -> None:
    flows = [_flow(index) for index in range(64)]
    with _writer(path) as writer:
        _connect(writer, flows, START_NS)
        now_ns = START_NS + 40_000_000
        while writer.bytes < size_bytes:
            for index, (client, server) in enumerate(flows):
                writer.segment(client, server, now_ns + index * 5_000, PSH | ACK, 40)
            for index, (client, server) in enumerate(flows):
                writer.segment(server, client, now_ns + 1_000_000 + index * 5_000, PSH | ACK, 40)
            for index, (client, server) in enumerate(flows):
                writer.segment(client, server, now_ns + 2_000_000 + index * 5_000, ACK, 0)
            now_ns += 4_000_000


def _write_flows(path: Path, size_bytes: int) -> None:
    with _writer(path) as writer:
        for index in _until(writer, size_bytes):
            client, server = _flow(index)
            now_ns = START_NS + index * 60_000_000
            _connect(writer, [(client, server)], now_ns)
            writer.segment(client, server, now_ns + 19_000_000, PSH | ACK, 300)
            writer.segment(server, client, now_ns + 30_000_000, ACK, FULL_PAYLOAD_BYTES)
            writer.segment(server, client, now_ns + 30_012_000, PSH | ACK, 700)
            writer.segment(client, server, now_ns + 40_000_000, ACK, 0)
            writer.segment(client, server, now_ns + 41_000_000, FIN | ACK, 0)
            writer.segment(server, client, now_ns + 50_000_000, FIN | ACK, 0)
            writer.segment(client, server, now_ns + 59_000_000, ACK, 0)


def _until(writer: CaptureWriter, size_bytes: int) -> Iterator[int]:
    index = 0
    while writer.bytes < size_bytes:
        yield index
        index += 1


def _write_mixed(path: Path, size_bytes: int) -> None:
    """The golden captures one after another, each with a client of its own, as one pcapng file."""
    seen: list[Seen] = []
    written = 0
    for number, golden in enumerate(GOLDENS):
        if written >= size_bytes:
            break
        part = golden.seen()
        offset_ns = seen[-1].time_ns - part[0].time_ns + 1_000_000_000 if seen else 0
        seen += [Seen(one.time_ns + offset_ns, one.sender, _of_client(one.packet, number)) for one in part]
        written = len(whole(seen))
    path.write_bytes(whole(seen))


def _of_client(packet: Ipv4 | Ipv6, number: int) -> Ipv4 | Ipv6:
    """The packet with another address of the client, so that no flow of one capture goes on in the next."""
    if isinstance(packet, Ipv6):
        return packet
    addresses = {BROWSER.address: f"192.0.2.{100 + number}"}
    source, destination = (addresses.get(address, address) for address in (packet.source, packet.destination))
    return replace(packet, source=source, destination=destination)
