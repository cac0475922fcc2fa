"""A TCP conversation as a list of frames, in relative sequence numbers: 0 is the SYN, 1 the first byte."""

from __future__ import annotations

from pathlib import Path

from pcap_analyzer.capture.reader import read
from pcap_analyzer.capture.tables import Tables
from tests.packets import Frame, Ipv4, Tcp, ethernet, mss_option, window_scale_option, write_pcap

START_NS = 1_700_000_000_000_000_000
MS = 1_000_000
CLIENT, SERVER = "192.0.2.1", "198.51.100.2"
CLIENT_ISN, SERVER_ISN = 0xFFFF_FF00, 7_000
SYN_OPTIONS = mss_option(1460) + window_scale_option(7)


class Conversation:
    """Frames in order; every call adds one at `at_ms` after the start."""

    def __init__(self, *, client_port: int = 40_000, server_port: int = 9_000) -> None:
        self.ports = (client_port, server_port)
        self.frames: list[Frame] = []
        self._ids = 0

    def client(self, at_ms: float, seq: int, ack: int, flags: str = "A", payload: bytes = b"", **more: object) -> None:
        self._add(at_ms, True, seq, ack, flags, payload, more)

    def server(self, at_ms: float, seq: int, ack: int, flags: str = "A", payload: bytes = b"", **more: object) -> None:
        self._add(at_ms, False, seq, ack, flags, payload, more)

    def _add(
        self, at_ms: float, from_client: bool, seq: int, ack: int, flags: str, payload: bytes, more: dict[str, object]
    ) -> None:
        isn, peer = (CLIENT_ISN, SERVER_ISN) if from_client else (SERVER_ISN, CLIENT_ISN)
        ports = self.ports if from_client else self.ports[::-1]
        hosts = (CLIENT, SERVER) if from_client else (SERVER, CLIENT)
        window, options = more.get("window", 1000), more.get("options", b"")
        assert isinstance(window, int)
        assert isinstance(options, bytes)
        acked = (peer + ack) % 2**32 if "A" in flags else 0
        segment = Tcp(*ports, (isn + seq) % 2**32, acked, flags, window, options, payload)
        self._ids += 1
        identification = more.get("identification", self._ids)
        assert isinstance(identification, int)
        packet = Ipv4(*hosts, segment, identification=identification)
        self.frames.append(Frame(START_NS + round(at_ms * MS), ethernet(packet)))

    def connect(self, *, leg_server_ms: float = 20, leg_client_ms: float = 1) -> None:
        """Three frames from 0 ms on."""
        self.client(0, 0, 0, "S", options=SYN_OPTIONS, window=64_000)
        self.server(leg_server_ms, 0, 1, "SA", options=SYN_OPTIONS, window=64_000)
        self.client(leg_server_ms + leg_client_ms, 1, 1)

    def tables(self, folder: Path) -> Tables:
        path = folder / "conversation.pcap"
        write_pcap(path, self.frames, nanoseconds=True)
        return read(path)


def after_start(time_ns: int) -> float:
    """Milliseconds since the first frame."""
    return (int(time_ns) - START_NS) / MS
