"""Synthetic tables: rows with defaults that say "nothing happened", so that a test names only what matters to it."""

import socket
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from pcap_analyzer.capture.tables import (
    DNS,
    EVENTS,
    EXCHANGES,
    FLOWS,
    PAUSES,
    SERIES,
    App,
    CaptureFacts,
    Damage,
    EventKind,
    Role,
    Table,
    Tables,
)

Rows = npt.NDArray[np.void]
Value = Any  # what NumPy accepts for a field
T0 = 1_700_000_000_000_000_000
MS, S = 1_000_000, 1_000_000_000


def address(text: str) -> npt.NDArray[np.uint8]:
    """Network order in sixteen bytes, as the columns have it."""
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    return np.frombuffer(socket.inet_pton(family, text).ljust(16, b"\0"), np.uint8)


def row(dtype: np.dtype[np.void], **values: Value) -> Rows:
    """One row: times default to "never" (-1), everything else to zero."""
    made = np.zeros(1, dtype)
    for name in dtype.names or ():
        if name.endswith("_ns"):
            made[name] = -1
    for name, value in values.items():
        made[name] = value
    return made


def flow(
    number: int = 0, *, client: str = "10.0.0.1", server: str = "10.0.0.2", port: int = 80, **values: Value
) -> Rows:
    """A TCP connection that came up in 10 ms and lasted 10 s, captured beside the client (Rc 0, Rs 10 ms)."""
    defaults: dict[str, Value] = {
        "flow": number,
        "protocol": 6,
        "ip_version": 6 if ":" in client else 4,
        "stream": number,
        "client_ip": address(client),
        "server_ip": address(server),
        "client_port": 40_000 + number % 20_000,
        "server_port": port,
        "role": Role.CERTAIN,
        "app": App.HTTP,
        "app_certain": True,
        "first_frame": 1,
        "last_frame": 100,
        "first_ns": T0,
        "last_ns": T0 + 10 * S,
        "frames": (50, 50),
        "payload_frames": (10, 10),
        "payload_bytes": (1000, 10_000),
        "ttl_max": (64, 60),
        "syn_count": 1,
        "synack_count": 1,
        "syn_frame": 1,
        "synack_frame": 2,
        "established_frame": 3,
        "syn_ns": T0,
        "syn_last_ns": T0,
        "synack_ns": T0 + 10 * MS,
        "synack_last_ns": T0 + 10 * MS,
        "established_ns": T0 + 10 * MS,
        "mss": (1460, 1460),
        "window_scale": (7, 7),
        "window_max": (64_000, 64_000),
        "leg_min_ns": (0, 10 * MS),
        "leg_samples": (1, 1),
        "reset_direction": -1,
        "exchanges": 1,
        "zero_window_ns": (0, 0),
    }
    return row(FLOWS, **(defaults | values))


def exchange(number: int = 0, index: int = 0, *, start_s: float = 1.0, think_s: float = 0.0, **values: Value) -> Rows:
    """A request at `start_s`, its acknowledgement 10 ms later, the response `think_s` after that, over in 20 ms."""
    asked = T0 + round(start_s * S)
    answered = asked + 10 * MS + round(think_s * S)
    frame = 10 * index
    defaults: dict[str, Value] = {
        "flow": number,
        "index": index,
        "request_first_ns": asked,
        "request_last_ns": asked,
        "response_first_ns": answered,
        "response_last_ns": answered + 20 * MS,
        "request_first_frame": frame + 4,
        "request_last_frame": frame + 4,
        "response_first_frame": frame + 6,
        "response_last_frame": frame + 8,
        "request_ack_ns": asked + 10 * MS if think_s > 0 else -1,
        "request_ack_frame": frame + 5 if think_s > 0 else 0,
        "leg_server_ns": 10 * MS,
        "leg_client_ns": 0,
        "request_bytes": 300,
        "response_bytes": 5000,
        "request_frames": 1,
        "response_frames": 4,
        "status": 200,
        "expected_bytes": 5000,
        "complete": True,
        "label": b"GET / HTTP/1.1",
    }
    return row(EXCHANGES, **(defaults | values))


def pause(number: int = 0, exchange: int = 0, *, start_s: float, end_s: float, **values: Value) -> Rows:
    """A silence of the server with nothing in flight and a window wide open."""
    defaults: dict[str, Value] = {
        "flow": number,
        "exchange": exchange,
        "direction": 1,
        "start_ns": T0 + round(start_s * S),
        "end_ns": T0 + round(end_s * S),
        "start_frame": 6,
        "end_frame": 7,
        "next_bytes": 1460,
        "last_bytes": 1460,
        "window_room_bytes": 64_000,
        "window_bytes": 64_000,
        "window_known": True,
        "leg_sender_ns": 10 * MS,
        "leg_receiver_ns": 0,
    }
    return row(PAUSES, **(defaults | values))


def event(kind: EventKind, number: int = 0, *, at_s: float = 1.0, frame: int = 5, **values: Value) -> Rows:
    return row(
        EVENTS,
        **({"flow": number, "kind": kind, "frame": frame, "time_ns": T0 + round(at_s * S), "value": -1} | values),
    )


def lookup(name: str = "shop.example", *, start_s: float = 0.5, took_s: float | None = 0.003, **values: Value) -> Rows:
    """A look-up that was answered; `took_s` None: never."""
    asked = T0 + round(start_s * S)
    defaults: dict[str, Value] = {
        "client_ip": address("10.0.0.1"),
        "server_ip": address("10.0.0.53"),
        "ip_version": 4,
        "server_port": 53,
        "app": App.DNS,
        "query_type": 1,
        "rcode": 0 if took_s is not None else -1,
        "tries": 1,
        "server_tries": values.get("tries", 1),
        "servers": 1,
        "query_frame": 20,
        "last_query_frame": 20,
        "answer_frame": 21 if took_s is not None else 0,
        "query_ns": asked,
        "last_query_ns": asked,
        "answer_ns": asked + round(took_s * S) if took_s is not None else -1,
        "name": name.encode(),
    }
    return row(DNS, **(defaults | values))


def second(number: int = 0, **values: Value) -> Rows:
    return row(SERIES, **({"time_ns": T0 + number * S, "response_sum_ns": 0, "leg_sum_ns": 0} | values))


def tables(*rows: Rows, damage: Damage | None = None, **facts: Value) -> Tables:
    """Rows of any tables, each put where its dtype says."""

    def table(dtype: np.dtype[np.void]) -> Table:
        chosen: Iterable[Rows] = [one for one in rows if one.dtype == dtype]
        chunks = [np.concatenate(list(chosen))] if any(one.dtype == dtype for one in rows) else []
        return Table(dtype, chunks)

    defaults: dict[str, Value] = {
        "format": "pcapng",
        "compression": None,
        "byte_order": "little",
        "link_types": ("ETHERNET",),
        "snap_length": 262_144,
        "file_bytes": 100_000,
        "stream_bytes": 100_000,
        "frames": 1000,
        "wire_bytes": 90_000,
        "first_ns": T0,
        "last_ns": T0 + 10 * S,
        "cut_frames": 0,
        "interface_drops": 0,
        "clock_steps": 0,
        "duplicate_frames": 0,
        "tcp_frames": 900,
        "udp_frames": 100,
        "damage": damage,
    }
    capture = CaptureFacts(**(defaults | facts))
    return Tables(capture, *(table(dtype) for dtype in (FLOWS, EXCHANGES, PAUSES, EVENTS, DNS, SERIES)))
