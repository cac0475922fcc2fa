"""HTTP/1 framing on exchanges."""

from pathlib import Path

import numpy as np
import pytest

from pcap_analyzer.capture.tables import App, EventKind, Tables
from tests.capture.conversation import Conversation

REQUEST = b"GET /index.html HTTP/1.1\r\nHost: www.example\r\n\r\n"


def spoken(folder: Path, request: bytes, response: bytes, *, piece: int = 10_000) -> Tables:
    """One request and one response, the response in pieces of `piece` bytes."""
    talk = Conversation(server_port=80)
    talk.connect()
    talk.client(30, 1, 1, "PA", request)
    for start in range(0, len(response), piece):
        talk.server(60 + start / 1e4, 1 + start, 1 + len(request), "PA", response[start : start + piece])
    return talk.tables(folder)


def row_of(tables: Tables) -> np.void:
    assert len(tables.exchanges) == 1
    row: np.void = tables.exchanges.rows()[0]
    return row


def test_request_line_host_and_status_are_kept(tmp_path: Path) -> None:
    tables = spoken(tmp_path, REQUEST, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    row, flow = row_of(tables), tables.flows.rows()[0]
    assert (row["label"], row["status"]) == (b"GET /index.html HTTP/1.1", 404)
    assert (flow["server_name"], flow["app"], flow["app_certain"]) == (b"www.example", App.HTTP, True)


@pytest.mark.parametrize("piece", [1, 7, 10_000])
def test_content_length_tells_the_end(tmp_path: Path, piece: int) -> None:
    head = b"HTTP/1.1 200 OK\r\nServer: x\r\nCONTENT-LENGTH:  40\r\n\r\n"
    row = row_of(spoken(tmp_path, REQUEST, head + b"b" * 40, piece=piece))
    assert (row["expected_bytes"], row["complete"], row["status"]) == (len(head) + 40, True, 200)


def test_a_response_shorter_than_it_says_is_not_complete(tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n"
    row = row_of(spoken(tmp_path, REQUEST, head + b"b" * 40))
    assert (row["expected_bytes"], row["response_bytes"], row["complete"]) == (len(head) + 4000, len(head) + 40, False)


@pytest.mark.parametrize("piece", [1, 5, 10_000])
def test_chunks_tell_the_end(tmp_path: Path, piece: int) -> None:
    response = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA;x=y\r\n0123456789\r\n0\r\nT: 1\r\n\r\n"
    )
    row = row_of(spoken(tmp_path, REQUEST, response, piece=piece))
    assert (row["expected_bytes"], row["complete"]) == (len(response), True)
    cut = row_of(spoken(tmp_path, REQUEST, response[:-8], piece=piece))
    assert (cut["expected_bytes"], cut["complete"]) == (-1, False)


@pytest.mark.parametrize(
    ("request_line", "status"), [(b"HEAD", b"200 OK"), (b"GET", b"204 No Content"), (b"GET", b"304 Not Modified")]
)
def test_responses_without_a_body_end_with_their_headers(tmp_path: Path, request_line: bytes, status: bytes) -> None:
    response = b"HTTP/1.1 " + status + b"\r\nContent-Length: 500\r\n\r\n"
    row = row_of(spoken(tmp_path, request_line + b" / HTTP/1.1\r\n\r\n", response))
    assert (row["expected_bytes"], row["complete"]) == (len(response), True)


def test_an_interim_response_is_not_the_response(tmp_path: Path) -> None:
    talk = Conversation(server_port=80)
    talk.connect()
    talk.client(30, 1, 1, "PA", REQUEST)
    interim, final = b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
    talk.server(60, 1, 1 + len(REQUEST), "PA", interim)
    talk.server(560, 1 + len(interim), 1 + len(REQUEST), "PA", final)
    tables = talk.tables(tmp_path)
    row = row_of(tables)
    assert (row["status"], row["response_first_frame"], row["response_bytes"]) == (201, 6, len(final))
    assert len(tables.pauses) == 0


def test_a_body_until_the_close_is_complete_when_the_server_closes(tmp_path: Path) -> None:
    talk = Conversation(server_port=80)
    talk.connect()
    talk.client(30, 1, 1, "PA", REQUEST)
    body = b"HTTP/1.0 200 OK\r\n\r\nall of it"
    talk.server(60, 1, 1 + len(REQUEST), "PA", body)
    talk.server(61, 1 + len(body), 1 + len(REQUEST), "FA")
    row = row_of(talk.tables(tmp_path))
    assert (row["expected_bytes"], row["complete"]) == (-1, True)


def test_a_reset_inside_a_response_says_how_much_was_missing(tmp_path: Path) -> None:
    talk = Conversation(server_port=80)
    talk.connect()
    talk.client(30, 1, 1, "PA", REQUEST)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n"
    talk.server(60, 1, 1 + len(REQUEST), "PA", head + b"b" * 1000)
    talk.server(70, 1001 + len(head), 1 + len(REQUEST), "RA")
    assert talk.tables(tmp_path).events.rows()["value"].tolist() == [3000]


@pytest.mark.parametrize(("acknowledged", "complete"), [(4000, True), (3999, False)])
def test_a_response_that_the_client_acknowledged_to_its_end_is_complete(
    tmp_path: Path, acknowledged: int, complete: bool
) -> None:
    talk = Conversation(server_port=80)
    talk.connect()
    talk.client(30, 1, 1, "PA", REQUEST)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n"
    talk.server(60, 1, 1 + len(REQUEST), "PA", head + b"b" * 1000)
    talk.client(90, 1 + len(REQUEST), 1 + len(head) + acknowledged)
    talk.server(5000, 1 + len(head) + acknowledged, 1 + len(REQUEST), "RA")
    tables = talk.tables(tmp_path)
    row, events = row_of(tables), tables.events.rows()
    assert (row["expected_bytes"], row["response_bytes"]) == (len(head) + 4000, len(head) + 1000)
    assert row["complete"] == complete
    assert events["value"][events["kind"] == EventKind.RESET].tolist() == [4000 - acknowledged]


def test_headers_that_arrive_out_of_order_are_read(tmp_path: Path) -> None:
    talk = Conversation(server_port=80)
    talk.connect()
    talk.client(30, 1, 1, "PA", REQUEST)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n"
    talk.server(60, 21, 1 + len(REQUEST), "PA", head[20:] + b"b" * 40)
    talk.server(61, 1, 1 + len(REQUEST), "A", head[:20])
    row = row_of(talk.tables(tmp_path))
    assert (row["status"], row["expected_bytes"]) == (200, len(head) + 40)


def test_many_exchanges_on_one_connection_keep_their_labels(tmp_path: Path) -> None:
    talk = Conversation(server_port=80)
    talk.connect()
    seq = ack = 1
    for i in range(20):
        request = b"POST /%d HTTP/1.1\r\nContent-Length: 5\r\n\r\nbody%d" % (i, i % 10)
        response = b"HTTP/1.1 %d X\r\nContent-Length: 3000\r\n\r\n" % (200 + i)
        talk.client(30 + 100 * i, seq, ack, "PA", request)
        seq += len(request)
        for part in (response, b"b" * 1448, b"b" * 1448, b"b" * 104):
            talk.server(60 + 100 * i, ack, seq, "PA", part)
            ack += len(part)
    rows = talk.tables(tmp_path).exchanges.rows()
    assert rows["label"].tolist() == [b"POST /%d HTTP/1.1" % i for i in range(20)]
    assert rows["status"].tolist() == list(range(200, 220))
    assert rows["complete"].all()


def test_after_a_line_without_end_the_next_message_is_read(tmp_path: Path) -> None:
    talk = Conversation(server_port=80)
    talk.connect()
    talk.client(30, 1, 1, "PA", REQUEST)
    noise, answer = b"x" * 20_000, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    asked = 1 + len(REQUEST)
    for start in range(0, len(noise), 1_000):
        talk.server(60 + start / 1e3, 1 + start, asked, "PA", noise[start : start + 1_000])
    talk.client(100, asked, 1 + len(noise), "PA", REQUEST)
    talk.server(130, 1 + len(noise), asked + len(REQUEST), "PA", answer)
    rows = talk.tables(tmp_path).exchanges.rows()
    assert [(row["status"], row["complete"]) for row in rows[-1:]] == [(200, True)]
    assert rows[0]["status"] == 0
