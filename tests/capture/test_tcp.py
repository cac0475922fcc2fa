"""What the kernel states about a TCP connection: set-up, legs, losses, windows, resets."""

from pathlib import Path

import pytest

from pcap_analyzer.capture.reader import read
from pcap_analyzer.capture.tables import C2S, NO_FLOW, S2C, EventKind, Role, Tables
from tests.capture.conversation import CLIENT, CLIENT_ISN, MS, SERVER, START_NS, Conversation, after_start
from tests.packets import (
    Frame,
    Ipv4,
    Tcp,
    ethernet,
    icmp_error,
    mss_option,
    padded_options,
    sack_option,
    timestamps_option,
    window_scale_option,
    write_pcap,
)

FULL = b"d" * 1448


def kinds(tables: Tables) -> list[EventKind]:
    return [EventKind(int(kind)) for kind in tables.events.rows()["kind"]]


def download(*, segments: int = 3) -> Conversation:
    """A request at 30 ms and `segments` full segments 1 ms apart from 60 ms on, none acknowledged yet."""
    talk = Conversation()
    talk.connect()
    talk.client(30, 1, 1, "PA", b"q" * 100)
    for i in range(segments):
        talk.server(60 + i, 1 + 1448 * i, 101, "A", FULL)
    return talk


def test_the_handshake_gives_roles_options_and_both_legs(tmp_path: Path) -> None:
    talk = Conversation()
    talk.connect(leg_server_ms=20, leg_client_ms=1)
    row = talk.tables(tmp_path).flows.rows()[0]
    assert (row["role"], row["client_port"], row["server_port"]) == (Role.CERTAIN, 40_000, 9_000)
    assert row["leg_min_ns"].tolist() == [1 * MS, 20 * MS]
    assert (row["mss"].tolist(), row["window_scale"].tolist()) == ([1460, 1460], [7, 7])
    assert [after_start(row[name]) for name in ("syn_ns", "synack_ns", "established_ns")] == [0, 20, 21]
    assert not row["mid_stream"]


def test_a_window_scale_that_one_side_lacks_is_used_by_neither(tmp_path: Path) -> None:
    talk = Conversation()
    talk.client(0, 0, 0, "S", options=mss_option(1460) + window_scale_option(7))
    talk.server(20, 0, 1, "SA", options=mss_option(1400))
    row = talk.tables(tmp_path).flows.rows()[0]
    assert row["window_scale"].tolist() == [-2, -2]


def test_repeated_syns_are_counted_and_give_no_leg(tmp_path: Path) -> None:
    talk = Conversation()
    talk.client(0, 0, 0, "S")
    talk.client(1000, 0, 0, "S")
    talk.server(1020, 0, 1, "SA")
    talk.server(2020, 0, 1, "SA")
    tables = talk.tables(tmp_path)
    row, events = tables.flows.rows()[0], tables.events.rows()
    assert (row["syn_count"], row["synack_count"], after_start(row["syn_last_ns"])) == (2, 2, 1000)
    assert row["leg_min_ns"].tolist() == [-1, -1]
    assert kinds(tables) == [EventKind.SYN_RETRANSMISSION, EventKind.SYNACK_RETRANSMISSION]
    assert (events["value"].tolist(), events["other_frame"].tolist()) == ([1000 * MS, 1000 * MS], [1, 3])
    assert tables.series.rows()["retransmissions"].tolist() == [0, 1, 1]


@pytest.mark.parametrize(("days", "leaps"), [(0.9, 0), (1.1, 1)])
def test_more_than_a_day_without_any_frame_is_a_leap_of_the_clock(tmp_path: Path, days: float, leaps: int) -> None:
    talk = Conversation()
    talk.connect(leg_server_ms=20, leg_client_ms=1)
    talk.client(21 + days * 86_400_000, 1, 1, "PA", b"q")
    talk.server(20 + days * 86_400_000, 1, 2)
    talk.client(22 + days * 86_400_000, 2, 1, "PA", b"q")
    events = talk.tables(tmp_path).events.rows()
    found = events[events["kind"] == EventKind.CLOCK_LEAP]
    assert found["value"].tolist() == [round(days * 86_400_000) * MS] * leaps
    assert found["frame"].tolist() == [4] * leaps
    assert (found["flow"] == NO_FLOW).all()


def test_what_repeats_the_greeting_of_a_connection_that_is_up_is_no_try_to_make_it(tmp_path: Path) -> None:
    talk = Conversation()
    talk.connect(leg_server_ms=20, leg_client_ms=1)
    talk.client(30, 1, 1, "PA", b"q" * 100)
    talk.client(31_000, 0, 0, "S")
    talk.server(31_500, 0, 1, "SA")
    tables = talk.tables(tmp_path)
    row = tables.flows.rows()[0]
    assert (row["syn_count"], row["synack_count"], after_start(row["syn_last_ns"])) == (1, 1, 0)
    assert kinds(tables) == [EventKind.SYNACK_RETRANSMISSION]
    assert after_start(row["synack_last_ns"]) == 31_500
    assert tables.series.rows()["retransmissions"].sum() == 0


def test_only_pure_acknowledgements_of_data_sent_once_are_leg_samples(tmp_path: Path) -> None:
    talk = download()
    talk.client(70, 101, 1 + 1448 * 3)
    talk.client(80, 101, 1 + 1448 * 3, "PA", b"next")
    talk.server(180, 1 + 1448 * 3, 105, "PA", b"an answer that took its time")
    row = talk.tables(tmp_path).flows.rows()[0]
    # The client's: the handshake (1 ms) and the download's last segment; the server's: the handshake alone, as the
    # answers carry thinking.
    assert row["leg_samples"].tolist() == [2, 1]
    assert row["leg_min_ns"].tolist() == [1 * MS, 20 * MS]


def test_a_resend_that_is_acknowledged_a_leg_later_was_needed(tmp_path: Path) -> None:
    talk = download()
    talk.client(61, 101, 1449)
    talk.server(300, 1449, 101, "A", FULL)
    talk.client(301, 101, 1 + 1448 * 3)
    tables = talk.tables(tmp_path)
    row, event = tables.flows.rows()[0], tables.events.rows()[-1]
    assert row["retransmitted_frames"].tolist() == [0, 1]
    assert row["retransmitted_bytes"].tolist() == [0, 1448]
    assert (event["kind"], event["direction"]) == (EventKind.RETRANSMISSION, S2C)
    assert (event["value"], event["other_frame"]) == (239 * MS, 6)


def test_a_resend_of_what_was_acknowledged_is_spurious(tmp_path: Path) -> None:
    talk = download()
    talk.client(63, 101, 1 + 1448 * 3)
    talk.server(300, 1449, 101, "A", FULL)
    tables = talk.tables(tmp_path)
    assert tables.flows.rows()[0]["spurious_frames"].tolist() == [0, 1]
    assert kinds(tables)[-1] == EventKind.SPURIOUS_RETRANSMISSION


def test_a_resend_that_a_dsack_reports_is_spurious_although_it_looked_needed(tmp_path: Path) -> None:
    talk = download()
    talk.server(300, 1449, 101, "A", FULL)
    talk.client(301, 101, 1 + 1448 * 3)
    start, end = 7_000 + 1449, 7_000 + 1449 + 1448
    talk.client(302, 101, 1 + 1448 * 3, options=padded_options(sack_option([(start, end)])))
    tables = talk.tables(tmp_path)
    row = tables.flows.rows()[0]
    assert (row["spurious_frames"].tolist(), row["retransmitted_frames"].tolist()) == ([0, 1], [0, 0])
    assert kinds(tables) == [EventKind.SPURIOUS_RETRANSMISSION]


def test_a_gap_filled_within_a_round_trip_is_reordering(tmp_path: Path) -> None:
    talk = download(segments=1)
    talk.server(61, 1 + 1448 * 2, 101, "A", FULL)
    talk.server(62, 1 + 1448, 101, "A", FULL)
    tables = talk.tables(tmp_path)
    row, events = tables.flows.rows()[0], tables.events.rows()
    assert (row["out_of_order_frames"].tolist(), row["gaps"].tolist()) == ([0, 1], [0, 0])
    assert kinds(tables) == [EventKind.GAP, EventKind.OUT_OF_ORDER]
    assert (events["value"].tolist(), events["other_frame"].tolist()) == ([1448, 1 * MS], [0, 6])


def test_a_gap_filled_later_was_a_loss_before_the_capture_point(tmp_path: Path) -> None:
    talk = download(segments=1)
    talk.server(61, 1 + 1448 * 2, 101, "A", FULL)
    talk.server(261, 1 + 1448, 101, "A", FULL)
    tables = talk.tables(tmp_path)
    assert tables.flows.rows()[0]["gaps"].tolist() == [0, 1]
    assert kinds(tables) == [EventKind.GAP, EventKind.GAP_FILLED]
    assert tables.series.rows()["retransmissions"].sum() == 1
    assert tables.flows.rows()[0]["retransmitted_frames"].tolist() == [0, 0]
    pause = tables.pauses.rows()[-1]
    assert pause["hole_open"]
    assert after_start(pause["hole_sign_ns"]) == 61


def test_bytes_acknowledged_and_never_captured_are_counted_once(tmp_path: Path) -> None:
    talk = download(segments=1)
    talk.server(61, 1 + 1448 * 2, 101, "A", FULL)
    talk.client(62, 101, 1 + 1448 * 3)
    talk.client(63, 101, 1 + 1448 * 5)
    talk.server(64, 1 + 1448 * 5, 101, "A", FULL)
    tables = talk.tables(tmp_path)
    row, events = tables.flows.rows()[0], tables.events.rows()
    assert row["acked_unseen_bytes"].tolist() == [0, 3 * 1448]
    assert kinds(tables) == [EventKind.ACKED_UNSEEN, EventKind.ACKED_UNSEEN]
    assert events["value"].tolist() == [1448, 2 * 1448]


def test_an_acknowledgement_captured_before_its_data_leaves_nothing_unseen(tmp_path: Path) -> None:
    talk = download(segments=1)
    talk.server(61, 1 + 1448 * 2, 101, "A", FULL)
    talk.client(61.01, 101, 1 + 1448 * 3)
    talk.server(61.02, 1 + 1448, 101, "A", FULL)
    tables = talk.tables(tmp_path)
    assert tables.flows.rows()[0]["acked_unseen_bytes"].tolist() == [0, 0]
    assert kinds(tables) == []


def test_the_third_duplicate_acknowledgement_is_an_event(tmp_path: Path) -> None:
    talk = download()
    for i in range(5):
        talk.client(64 + i, 101, 1449)
    tables = talk.tables(tmp_path)
    assert tables.flows.rows()[0]["duplicate_acks"].tolist() == [4, 0]
    assert kinds(tables) == [EventKind.DUPLICATE_ACK]


def test_a_closed_window_is_one_episode_with_its_length(tmp_path: Path) -> None:
    talk = download()
    talk.client(64, 101, 1 + 1448 * 3, window=0)
    talk.server(400, 1 + 1448 * 3, 101, "A", b"x")
    talk.client(401, 101, 1 + 1448 * 3, window=0)
    talk.client(1064, 101, 1 + 1448 * 3, window=1000)
    tables = talk.tables(tmp_path)
    row, events = tables.flows.rows()[0], tables.events.rows()
    assert (row["zero_windows"].tolist(), row["zero_window_ns"].tolist()) == ([1, 0], [1000 * MS, 0])
    assert kinds(tables) == [EventKind.ZERO_WINDOW, EventKind.WINDOW_PROBE]
    assert events["value"][0] == 1000 * MS
    assert tables.exchanges.rows()[0]["response_bytes"] == 1448 * 3


def test_a_window_that_never_opens_has_no_length(tmp_path: Path) -> None:
    talk = download()
    talk.client(64, 101, 1 + 1448 * 3, window=0)
    assert talk.tables(tmp_path).events.rows()["value"].tolist() == [-1]


def test_keep_alives_are_no_payload(tmp_path: Path) -> None:
    talk = download()
    talk.client(64, 101, 1 + 1448 * 3)
    talk.server(60_000, 1448 * 3, 101, "A", b"\0")
    talk.client(60_001, 101, 1 + 1448 * 3)
    talk.server(120_000, 1448 * 3, 101, "A")
    tables = talk.tables(tmp_path)
    assert tables.flows.rows()[0]["keep_alives"] == 2
    assert kinds(tables) == [EventKind.KEEP_ALIVE, EventKind.KEEP_ALIVE]
    assert after_start(tables.exchanges.rows()[0]["response_last_ns"]) == 62


def test_a_reset_names_its_sender_and_ttl(tmp_path: Path) -> None:
    talk = download()
    talk.server(70, 1 + 1448 * 3, 101, "RA")
    row = talk.tables(tmp_path).flows.rows()[0]
    assert (row["resets"], row["reset_direction"], row["reset_ttl"], row["reset_frame"]) == (1, S2C, 64, 8)


def test_the_same_packet_captured_twice_counts_once(tmp_path: Path) -> None:
    talk = download()
    talk.frames.insert(6, Frame(talk.frames[5].time_ns + 1000, talk.frames[5].data))
    tables = talk.tables(tmp_path)
    row = tables.flows.rows()[0]
    assert (tables.capture.duplicate_frames, row["duplicate_frames"]) == (1, 1)
    assert row["retransmitted_frames"].tolist() == [0, 0]
    assert row["payload_bytes"].tolist() == [100, 3 * 1448]
    assert [(event["kind"], event["other_frame"]) for event in tables.events.rows()] == [(EventKind.DUPLICATE_FRAME, 6)]


def test_a_backward_stamp_is_a_step_of_the_clock_and_time_stands(tmp_path: Path) -> None:
    talk = download()
    talk.server(40, 1 + 1448 * 3, 101, "A", FULL)
    tables = talk.tables(tmp_path)
    assert tables.capture.clock_steps == 1
    assert kinds(tables) == [EventKind.CLOCK_STEP]
    assert tables.events.rows()["value"].tolist() == [22 * MS]
    assert after_start(tables.exchanges.rows()[0]["response_last_ns"]) == 62


def test_a_new_connection_on_the_same_ports_is_another_stream(tmp_path: Path) -> None:
    talk = download()
    talk.client(500, 1_000_000, 0, "S")
    tables = talk.tables(tmp_path)
    rows = tables.flows.rows()
    assert (rows["stream"].tolist(), rows["flow"].tolist()) == ([0, 1], [0, 1])
    assert kinds(tables) == [EventKind.PORT_REUSED]


def test_sequence_numbers_wrap(tmp_path: Path) -> None:
    talk = Conversation()
    talk.connect()
    for i in range(4):
        talk.client(30 + i, 1 + 1448 * i, 1, "A", FULL)
    talk.server(60, 1, 1 + 1448 * 4)
    assert CLIENT_ISN + 1448 > 2**32
    tables = talk.tables(tmp_path)
    assert tables.flows.rows()[0]["payload_bytes"].tolist() == [4 * 1448, 0]
    assert kinds(tables) == []


def test_a_flow_without_handshake_starts_at_its_first_payload(tmp_path: Path) -> None:
    talk = Conversation()
    talk.server(0, 5_000, 101, "A", FULL)
    talk.server(1, 5_000 + 1448, 101, "A", FULL)
    tables = talk.tables(tmp_path)
    row = tables.flows.rows()[0]
    assert (row["mid_stream"], row["role"], row["client_port"]) == (True, Role.GUESSED, 40_000)
    assert row["gaps"].tolist() == [0, 0]
    assert kinds(tables) == []


def test_an_echoed_timestamp_gives_the_leg_of_a_sender_with_data_in_flight(tmp_path: Path) -> None:
    talk = download(segments=4)
    talk.client(65, 101, 1449, options=padded_options(timestamps_option(900, 1)))
    talk.server(90, 1 + 1448 * 4, 101, "A", FULL, options=padded_options(timestamps_option(2, 900)))
    row = talk.tables(tmp_path).flows.rows()[0]
    assert row["leg_samples"][S2C] == 2
    assert row["leg_min_ns"][S2C] == 20 * MS


@pytest.mark.parametrize("quoted", [28, 40])  # RFC 792 promises eight bytes behind the IP header
def test_an_icmp_error_is_an_event_of_the_flow_that_it_quotes(tmp_path: Path, quoted: int) -> None:
    syn = Ipv4(CLIENT, SERVER, Tcp(40_000, 81, 5, 0, "S"), identification=1)
    errors = [icmp_error(3, 1, syn, quoted_bytes=quoted), icmp_error(11, 0, syn, quoted_bytes=quoted)]
    errors.append(icmp_error(3, 4, syn, rest=1400, quoted_bytes=quoted))
    frames = [Frame(START_NS, ethernet(syn))]
    frames += [Frame(START_NS + i * MS, ethernet(Ipv4("203.0.113.9", CLIENT, e))) for i, e in enumerate(errors)]
    path = tmp_path / "a.pcap"
    write_pcap(path, frames)
    tables = read(path)
    rows = tables.events.rows()
    assert kinds(tables) == [
        EventKind.ICMP_UNREACHABLE,
        EventKind.ICMP_TIME_EXCEEDED,
        EventKind.FRAGMENTATION_NEEDED,
    ]
    assert rows["value"].tolist() == [3 << 8 | 1, 11 << 8, 1400]
    assert (rows["other_frame"].tolist(), rows["direction"].tolist()) == ([1, 1, 1], [S2C, S2C, S2C])


def test_a_quote_of_a_flow_never_captured_uses_up_a_stream_number_and_gives_no_row(tmp_path: Path) -> None:
    unseen = Ipv4(CLIENT, SERVER, Tcp(1, 2, 5, 0, "S"), identification=1)
    seen = Ipv4(CLIENT, SERVER, Tcp(3, 4, 5, 0, "S"), identification=2)
    error = Ipv4(SERVER, CLIENT, icmp_error(3, 1, unseen, quoted_bytes=40))
    path = tmp_path / "a.pcap"
    write_pcap(path, [Frame(START_NS, ethernet(error)), Frame(START_NS, ethernet(seen))])
    assert read(path).flows.rows()["stream"].tolist() == [1]


def test_roles_of_a_flow_without_handshake_follow_its_first_words(tmp_path: Path) -> None:
    talk = Conversation(client_port=80, server_port=9_000)
    talk.client(0, 1, 1, "PA", b"GET / HTTP/1.1\r\n\r\n")
    row = talk.tables(tmp_path).flows.rows()[0]
    assert (row["role"], row["client_port"]) == (Role.LIKELY, 80)
    assert row["payload_frames"].tolist() == [1, 0]
    assert row["frames"][C2S] == 1


@pytest.mark.parametrize(("others", "role", "client_port"), [(2, Role.LIKELY, 100), (1, Role.GUESSED, 9_000)])
def test_who_serves_two_other_flows_serves_one_without_handshake(
    tmp_path: Path, others: int, role: Role, client_port: int
) -> None:
    frames = []
    for i in range(others):
        talk = Conversation(client_port=40_000 + i)
        talk.connect()
        frames += talk.frames
    talk = Conversation(client_port=100)
    talk.client(50, 1, 1, "PA", b"words of no protocol known here")
    path = tmp_path / "a.pcap"
    write_pcap(path, [*frames, *talk.frames])
    row = read(path).flows.rows()[-1]
    assert (row["role"], row["client_port"]) == (role, client_port)
