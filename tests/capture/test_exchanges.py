"""Requests, responses and the silences inside them."""

from pathlib import Path

from pcap_analyzer.capture.tables import C2S, S2C, App, PacketKind, Role
from tests.capture.conversation import MS, Conversation, after_start

FULL = b"d" * 1448


def test_a_request_and_its_response_are_one_exchange(tmp_path: Path) -> None:
    talk = Conversation()
    talk.connect()
    talk.client(30, 1, 1, "PA", b"q" * 100)
    talk.server(51, 1, 101)
    talk.server(250, 1, 101, "A", FULL)
    talk.server(250.5, 1449, 101, "PA", b"end")
    talk.client(252, 101, 1452)
    row = talk.tables(tmp_path).exchanges.rows()[0]
    times = ("request_first_ns", "request_last_ns", "request_ack_ns", "response_first_ns", "response_last_ns")
    assert [after_start(row[name]) for name in times] == [30, 30, 51, 250, 250.5]
    assert (row["request_first_frame"], row["request_ack_frame"], row["response_last_frame"]) == (4, 5, 7)
    assert (row["request_bytes"], row["response_bytes"], row["response_frames"]) == (100, 1451, 2)
    assert (row["leg_server_ns"], row["leg_client_ns"]) == (20 * MS, 1 * MS)
    assert (row["next_request_ns"], row["request_copies"], row["complete"]) == (-1, 0, False)


def test_the_next_request_ends_the_exchange_before_it(tmp_path: Path) -> None:
    talk = Conversation()
    talk.connect()
    for i in range(3):
        talk.client(100 * i + 30, 1 + 10 * i, 1 + 20 * i, "PA", b"q" * 10)
        talk.server(100 * i + 60, 1 + 20 * i, 11 + 10 * i, "PA", b"a" * 20)
    tables = talk.tables(tmp_path)
    rows = tables.exchanges.rows()
    assert rows["index"].tolist() == [0, 1, 2]
    assert [after_start(time) for time in rows["next_request_ns"][:2]] == [130, 230]
    assert rows["complete"].tolist() == [True, True, False]
    assert tables.flows.rows()["exchanges"].tolist() == [3]


def test_a_server_that_speaks_first_has_an_exchange_without_request(tmp_path: Path) -> None:
    talk = Conversation(server_port=25)
    talk.connect()
    talk.server(80, 1, 1, "PA", b"220 mail.example ESMTP\r\n")
    talk.client(90, 1, 25, "PA", b"EHLO me\r\n")
    talk.server(120, 25, 10, "PA", b"250 mail.example\r\n")
    tables = talk.tables(tmp_path)
    first, second = tables.exchanges.rows()
    assert (first["request_first_ns"], first["request_bytes"], after_start(first["response_first_ns"])) == (-1, 0, 80)
    assert after_start(second["request_first_ns"]) == 90
    assert tables.flows.rows()[0]["app"] == App.SMTP


def test_a_farewell_before_the_close_is_no_exchange(tmp_path: Path) -> None:
    talk = Conversation()
    talk.connect()
    talk.client(30, 1, 1, "PA", b"q" * 100)
    talk.server(60, 1, 101, "PA", b"a" * 20)
    talk.client(500, 101, 21, "PA", b"bye")
    talk.client(501, 104, 21, "FA")
    tables = talk.tables(tmp_path)
    assert tables.flows.rows()[0]["exchanges"] == 1
    assert tables.exchanges.rows()["next_request_ns"].tolist() == [-1]


def test_copies_of_an_unacknowledged_request_are_counted(tmp_path: Path) -> None:
    talk = Conversation()
    talk.connect()
    talk.client(30, 1, 1, "PA", b"q" * 100)
    talk.client(230, 1, 1, "PA", b"q" * 100)
    talk.client(630, 1, 1, "PA", b"q" * 100)
    talk.server(651, 1, 101, "PA", b"a")
    row = talk.tables(tmp_path).exchanges.rows()[0]
    assert (row["request_copies"], after_start(row["request_last_copy_ns"])) == (2, 630)
    assert (after_start(row["request_last_ns"]), row["request_bytes"]) == (30, 100)


def test_a_late_piece_of_an_earlier_response_belongs_to_it(tmp_path: Path) -> None:
    talk = Conversation()
    talk.connect()
    talk.client(30, 1, 1, "PA", b"q" * 10)
    talk.server(60, 1, 11, "A", FULL)
    talk.server(61, 2897, 11, "PA", FULL)
    talk.client(62, 11, 1449, "PA", b"q" * 10)
    talk.server(300, 1449, 21, "A", FULL)
    talk.server(310, 4345, 21, "PA", b"second")
    first, second = talk.tables(tmp_path).exchanges.rows()
    assert (first["response_bytes"], after_start(first["response_last_ns"])) == (3 * 1448, 300)
    assert (second["response_bytes"], after_start(second["response_first_ns"])) == (6, 310)


def test_a_spurious_copy_does_not_prolong_the_response(tmp_path: Path) -> None:
    talk = Conversation()
    talk.connect()
    talk.client(30, 1, 1, "PA", b"q" * 10)
    talk.server(60, 1, 11, "PA", b"answer")
    talk.client(61, 11, 7)
    talk.server(400, 1, 11, "PA", b"answer")
    assert after_start(talk.tables(tmp_path).exchanges.rows()[0]["response_last_ns"]) == 60


def test_a_silence_of_the_server_is_a_pause_with_what_it_knew(tmp_path: Path) -> None:
    talk = Conversation()
    talk.connect()
    talk.client(30, 1, 1, "PA", b"q" * 100)
    talk.server(60, 1, 101, "A", FULL)
    talk.server(60.2, 1449, 101, "A", FULL)
    talk.client(61, 101, 1 + 2 * 1448, window=100)
    talk.server(81, 1 + 2 * 1448, 101, "PA", FULL)
    pause = talk.tables(tmp_path).pauses.rows()[0]
    assert (pause["direction"], pause["exchange"], pause["next_kind"]) == (S2C, 0, PacketKind.NEW)
    assert [after_start(pause[name]) for name in ("start_ns", "end_ns", "release_ns")] == [60.2, 81, 61]
    assert (pause["start_frame"], pause["release_frame"], pause["end_frame"]) == (6, 7, 8)
    # Just before the release the server still thought both segments to be on their way.
    assert (pause["in_flight_bytes"], pause["window_room_bytes"]) == (2 * 1448, 1000 * 128 - 2 * 1448)
    assert (pause["window_bytes"], pause["window_known"]) == (1000 * 128, True)
    assert (pause["leg_sender_ns"], pause["last_push"], pause["hole_open"]) == (20 * MS, False, False)


def test_a_silence_that_no_acknowledgement_ends_has_no_release(tmp_path: Path) -> None:
    talk = Conversation()
    talk.connect()
    talk.client(30, 1, 1, "PA", b"q" * 100)
    talk.server(60, 1, 101, "PA", b"part one")
    talk.client(61, 101, 9)
    talk.server(900, 9, 101, "PA", b"part two")
    pause = talk.tables(tmp_path).pauses.rows()[0]
    assert (pause["release_ns"], pause["in_flight_bytes"], pause["last_push"]) == (-1, 0, True)
    assert (pause["last_bytes"], pause["next_bytes"]) == (8, 8)


def test_the_gap_between_request_and_response_is_no_pause(tmp_path: Path) -> None:
    talk = Conversation()
    talk.connect()
    talk.client(30, 1, 1, "PA", b"q" * 100)
    talk.server(900, 1, 101, "PA", b"answer")
    talk.client(1900, 101, 7, "PA", b"more")
    assert len(talk.tables(tmp_path).pauses) == 0


def test_a_pause_ended_by_a_needed_resend_holds_a_loss_signed_when_its_ack_was_due(tmp_path: Path) -> None:
    talk = Conversation()
    talk.connect()
    talk.client(30, 1, 1, "PA", b"q" * 100)
    talk.server(60, 1, 101, "A", FULL)
    talk.server(61, 1449, 101, "A", FULL)
    talk.server(361, 1449, 101, "A", FULL)
    talk.client(362, 101, 2897)
    pause = talk.tables(tmp_path).pauses.rows()[-1]
    assert (pause["next_kind"], pause["hole_open"], after_start(pause["hole_sign_ns"])) == (PacketKind.COPY, True, 62)


def test_a_pause_of_the_client_inside_its_request_is_one_of_that_direction(tmp_path: Path) -> None:
    talk = Conversation()
    talk.connect()
    talk.client(30, 1, 1, "PA", b"q" * 100)
    talk.client(95, 101, 1, "PA", b"q" * 100)
    tables = talk.tables(tmp_path)
    assert tables.pauses.rows()["direction"].tolist() == [C2S]
    assert tables.exchanges.rows()["request_bytes"].tolist() == [200]


def test_a_response_without_a_captured_request_is_an_exchange(tmp_path: Path) -> None:
    talk = Conversation(server_port=80)
    talk.server(0, 1, 1, "PA", b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno")
    tables = talk.tables(tmp_path)
    row = tables.exchanges.rows()[0]
    assert (row["request_first_ns"], row["status"], row["complete"]) == (-1, 503, True)
    assert tables.flows.rows()[0]["role"] == Role.LIKELY


def test_the_series_holds_the_longest_wait_of_each_second(tmp_path: Path) -> None:
    talk = Conversation()
    talk.connect()
    talk.client(30, 1, 1, "PA", b"q" * 10)
    talk.server(130, 1, 11, "PA", b"a" * 10)
    talk.client(3030, 11, 11, "PA", b"q" * 10)
    talk.server(3330, 11, 21, "PA", b"a" * 10)
    rows = talk.tables(tmp_path).series.rows()
    assert [after_start(time) for time in rows["time_ns"]] == [0, 3000]
    assert rows["response_max_ns"].tolist() == [100 * MS, 300 * MS]
    assert (rows["exchanges"].tolist(), rows["connections"].tolist()) == ([1, 1], [1, 0])
    assert rows["payload_bytes"].tolist() == [[10, 10], [10, 10]]


def test_after_a_loss_the_window_stays_reduced_until_the_flight_is_back(tmp_path: Path) -> None:
    talk = Conversation()
    talk.connect()
    talk.client(30, 1, 1, "PA", b"q" * 100)
    for i in range(10):
        talk.server(60 + i / 100, 1 + 1448 * i, 101, "A", FULL)
    talk.client(61, 101, 1)
    talk.server(360, 1, 101, "A", FULL)
    talk.client(361, 101, 1 + 14_480)
    talk.server(381, 1 + 14_480, 101, "A", FULL)
    talk.client(382, 101, 1 + 15_928)
    talk.server(402, 1 + 15_928, 101, "A", FULL)
    before, first, second = talk.tables(tmp_path).pauses.rows()[-3:]
    assert (before["next_kind"], before["after_loss"], before["flight_before_loss_bytes"]) == (
        PacketKind.COPY,
        False,
        0,
    )
    assert [row["after_loss"] for row in (first, second)] == [True, True]
    assert first["flight_before_loss_bytes"] == 14_480


def test_what_was_acknowledged_of_a_request_is_forgotten_when_it_goes_on(tmp_path: Path) -> None:
    talk = Conversation()
    talk.connect()
    talk.client(30, 1, 1, "PA", b"first part")
    talk.server(50, 1, 11)
    talk.client(60, 11, 1, "PA", b"second part")
    talk.client(660, 11, 1, "PA", b"second part")
    talk.client(1860, 11, 1, "PA", b"second part")
    row = talk.tables(tmp_path).exchanges.rows()[0]
    assert (row["request_ack_ns"], row["request_ack_frame"]) == (-1, 0)
    assert (row["request_copies"], after_start(row["request_last_copy_ns"])) == (2, 1860)
