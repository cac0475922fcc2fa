"""TLS set-up: phases, version, name, and where application data starts."""

import struct
from pathlib import Path

import pytest

from pcap_analyzer.capture.tables import App, Role, Tables
from tests.capture.conversation import Conversation, after_start

HANDSHAKE, CCS, ALERT, DATA = 22, 20, 21, 23
FINISHED_13 = 53


def record(kind: int, content: bytes, *, version: int = 0x0303) -> bytes:
    return struct.pack(">BHH", kind, version, len(content)) + content


def extension(kind: int, content: bytes) -> bytes:
    return struct.pack(">HH", kind, len(content)) + content


def message(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def client_hello(name: bytes = b"www.example", padding: int = 0) -> bytes:
    server_name = struct.pack(">HBH", len(name) + 3, 0, len(name)) + name
    extensions = extension(21, b"\0" * padding) + extension(0, server_name)
    body = b"\x03\x03" + b"r" * 32 + b"\x20" + b"s" * 32 + struct.pack(">HHH", 4, 0x1301, 0xC02F) + b"\x01\x00"
    return record(HANDSHAKE, message(1, body + struct.pack(">H", len(extensions)) + extensions), version=0x0301)


def server_hello(*, tls13: bool) -> bytes:
    extensions = extension(43, b"\x03\x04") if tls13 else extension(23, b"")
    body = b"\x03\x03" + b"r" * 32 + b"\x00" + struct.pack(">HB", 0x1301, 0)
    return record(HANDSHAKE, message(2, body + struct.pack(">H", len(extensions)) + extensions))


class Tls(Conversation):
    """A conversation that keeps both sequence numbers."""

    def __init__(self) -> None:
        super().__init__(server_port=443)
        self.connect()
        self._sent = [1, 1]

    def says(self, at_ms: float, data: bytes) -> None:
        """The client sends."""
        self.client(at_ms, self._sent[0], self._sent[1], "PA", data)
        self._sent[0] += len(data)

    def hears(self, at_ms: float, data: bytes) -> None:
        """The server sends."""
        self.server(at_ms, self._sent[1], self._sent[0], "PA", data)
        self._sent[1] += len(data)

    def closes(self, at_ms: float) -> None:
        self.client(at_ms, self._sent[0], self._sent[1], "FA")


def tls13(*, finished_with: bytes = b"") -> Tls:
    """A TLS 1.3 handshake that ends at 80 ms; `finished_with` follows the Finished in its segment."""
    talk = Tls()
    talk.says(30, client_hello())
    talk.hears(60, server_hello(tls13=True) + record(CCS, b"\1") + record(DATA, b"e" * 900))
    talk.says(80, record(CCS, b"\1") + record(DATA, b"f" * FINISHED_13) + finished_with)
    return talk


def set_up(tables: Tables) -> list[float]:
    row = tables.flows.rows()[0]
    return [after_start(row[name]) for name in ("tls_start_ns", "tls_server_hello_ns", "tls_end_ns")]


def test_tls_13_ends_with_the_clients_finished(tmp_path: Path) -> None:
    talk = tls13()
    talk.says(90, record(DATA, b"q" * 100))
    talk.hears(300, record(DATA, b"a" * 2000))
    tables = talk.tables(tmp_path)
    flow, exchange = tables.flows.rows()[0], tables.exchanges.rows()[0]
    assert set_up(tables) == [30, 60, 80]
    assert (flow["tls_version"], flow["server_name"], flow["app"]) == (0x0304, b"www.example", App.TLS)
    assert (after_start(exchange["request_first_ns"]), exchange["request_bytes"]) == (90, 105)
    assert after_start(exchange["response_first_ns"]) == 300


def test_a_request_behind_the_finished_in_one_segment_starts_the_exchange(tmp_path: Path) -> None:
    talk = tls13(finished_with=record(DATA, b"q" * 100))
    talk.hears(300, record(DATA, b"a" * 2000))
    exchange = talk.tables(tmp_path).exchanges.rows()[0]
    assert (after_start(exchange["request_first_ns"]), exchange["request_bytes"]) == (80, 105)


def test_tickets_after_the_handshake_are_not_the_response(tmp_path: Path) -> None:
    talk = tls13(finished_with=record(DATA, b"q" * 100))
    talk.hears(101, record(DATA, b"t" * 250) * 2)
    talk.hears(900, record(DATA, b"a" * 2000))
    tables = talk.tables(tmp_path)
    exchange = tables.exchanges.rows()[0]
    assert (after_start(exchange["response_first_ns"]), exchange["response_bytes"]) == (900, 2005)
    assert len(tables.pauses) == 0


@pytest.mark.parametrize("closed", [True, False])
def test_a_closing_record_makes_the_early_burst_the_response(tmp_path: Path, *, closed: bool) -> None:
    talk = tls13(finished_with=record(DATA, b"q" * 100))
    talk.hears(101, record(DATA, b"t" * 250))
    talk.hears(60_000, record(DATA, b"a" * 19))
    if closed:
        talk.closes(60_010)
    exchange = talk.tables(tmp_path).exchanges.rows()[0]
    assert [after_start(exchange[f"response_{which}_ns"]) for which in ("first", "last")] == [101, 101]
    assert (exchange["response_bytes"], exchange["response_frames"]) == (255, 1)
    assert exchange["response_first_frame"] == exchange["response_last_frame"]


def test_a_client_certificate_before_the_finished_belongs_to_the_handshake(tmp_path: Path) -> None:
    talk = Tls()
    talk.says(30, client_hello())
    talk.hears(60, server_hello(tls13=True) + record(DATA, b"e" * 900))
    talk.says(80, record(DATA, b"c" * 1200))
    talk.says(85, record(DATA, b"f" * FINISHED_13))
    talk.says(90, record(DATA, b"q" * 100))
    talk.hears(300, record(DATA, b"a" * 2000))
    tables = talk.tables(tmp_path)
    assert set_up(tables) == [30, 60, 85]
    assert after_start(tables.exchanges.rows()[0]["request_first_ns"]) == 90


def test_tls_12_ends_with_the_last_of_both_finished(tmp_path: Path) -> None:
    talk = Tls()
    talk.says(30, client_hello())
    talk.hears(60, server_hello(tls13=False) + record(HANDSHAKE, message(11, b"c" * 500) + message(14, b"")))
    talk.says(80, record(HANDSHAKE, message(16, b"k" * 64)) + record(CCS, b"\1") + record(HANDSHAKE, b"f" * 40))
    talk.hears(110, record(CCS, b"\1") + record(HANDSHAKE, b"f" * 40))
    talk.says(120, record(DATA, b"q" * 100))
    talk.hears(200, record(DATA, b"a" * 100))
    tables = talk.tables(tmp_path)
    assert set_up(tables) == [30, 60, 110]
    assert tables.flows.rows()[0]["tls_version"] == 0x0303
    assert [after_start(tables.exchanges.rows()[0][n]) for n in ("request_first_ns", "response_first_ns")] == [120, 200]


def test_a_request_sent_before_the_servers_finished_is_one(tmp_path: Path) -> None:
    talk = Tls()
    talk.says(30, client_hello())
    talk.hears(60, server_hello(tls13=False) + record(HANDSHAKE, message(14, b"")))
    talk.says(80, record(HANDSHAKE, message(16, b"k")) + record(CCS, b"\1") + record(HANDSHAKE, b"f" * 40))
    talk.says(81, record(DATA, b"q" * 100))
    talk.hears(110, record(CCS, b"\1") + record(HANDSHAKE, b"f" * 40))
    talk.hears(111, record(DATA, b"a" * 100))
    tables = talk.tables(tmp_path)
    assert set_up(tables)[2] == 110
    assert [after_start(tables.exchanges.rows()[0][n]) for n in ("request_first_ns", "response_first_ns")] == [81, 111]


def test_an_alert_in_the_handshake_is_kept_and_there_is_no_end(tmp_path: Path) -> None:
    talk = Tls()
    talk.says(30, client_hello())
    talk.hears(60, record(ALERT, b"\x02\x28"))
    tables = talk.tables(tmp_path)
    flow = tables.flows.rows()[0]
    assert (after_start(flow["tls_alert_ns"]), flow["tls_end_ns"], len(tables.exchanges)) == (60, -1, 0)


def test_a_hello_over_several_segments_out_of_order_is_read(tmp_path: Path) -> None:
    talk = Tls()
    hello = client_hello(padding=3000)
    talk.client(30, 1, 1, "A", hello[:1448])
    talk.client(31, 2897, 1, "PA", hello[2896:])
    talk.client(32, 1449, 1, "A", hello[1448:2896])
    flow = talk.tables(tmp_path).flows.rows()[0]
    assert (flow["server_name"], after_start(flow["tls_start_ns"])) == (b"www.example", 30)


def test_a_handshake_cut_by_the_snap_length_has_no_end_and_no_exchange(tmp_path: Path) -> None:
    talk = tls13()
    talk.says(90, record(DATA, b"q" * 100))
    talk.frames = [frame.cut(120) for frame in talk.frames]
    tables = talk.tables(tmp_path)
    assert (tables.flows.rows()[0]["tls_end_ns"], len(tables.exchanges)) == (-1, 0)


def test_a_closing_record_of_the_server_is_not_the_end_of_its_response(tmp_path: Path) -> None:
    talk = tls13()
    talk.says(90, record(DATA, b"q" * 100))
    talk.hears(300, record(DATA, b"a" * 2000))
    talk.hears(5300, record(DATA, b"x" * 19))
    talk.closes(5301)
    exchange = talk.tables(tmp_path).exchanges.rows()[0]
    assert (after_start(exchange["response_last_ns"]), exchange["response_bytes"]) == (300, 2005)


def test_a_hello_tells_roles_where_no_handshake_was_captured(tmp_path: Path) -> None:
    talk = Conversation(client_port=400, server_port=40_000)
    talk.client(0, 1, 1, "PA", client_hello())
    row = talk.tables(tmp_path).flows.rows()[0]
    assert (row["role"], row["client_port"], row["server_name"]) == (Role.LIKELY, 400, b"www.example")
