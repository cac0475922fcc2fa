"""Where the waiting goes: the invariant first, then each rule by the smallest flow that shows it."""

import numpy as np
import pytest

from pcap_analyzer.analysis.intervals import Code
from pcap_analyzer.analysis.model import Category
from pcap_analyzer.analysis.waiting import Account, account
from pcap_analyzer.capture.tables import S2C, App, EventKind, PacketKind, Role
from tests.analysis.rows import MS, T0, Rows, S, Value, event, exchange, flow, lookup, pause, tables


def seconds(made: Account, row: int = 0) -> dict[str, float]:
    """Seconds of each category that occurs on a flow."""
    return {code.category.value: made.flow_ns[row, code] / S for code in Code if made.flow_ns[row, code]}


def test_codes_name_the_categories_in_order() -> None:
    assert [code.category for code in Code] == list(Category)


def hostile_rows(seed: int) -> list[Rows]:
    """Flows, exchanges, pauses and events whose times make no sense at all."""
    random = np.random.default_rng(seed)

    def times(names: tuple[str, ...]) -> dict[str, Value]:
        return {name: T0 + int(random.integers(-2 * S, 14 * S)) if random.random() < 0.8 else -1 for name in names}

    rows: list[Rows] = []
    for number in range(20):
        last = T0 + int(random.integers(0, 12 * S))
        setup = times(("syn_ns", "syn_last_ns", "established_ns", "tls_start_ns", "tls_end_ns", "reset_ns"))
        rows.append(
            flow(number, last_ns=last, role=int(random.integers(0, 3)), app=int(random.integers(0, 3)), **setup)
        )
        for index in range(int(random.integers(0, 5))):
            marks = times(
                tuple(name for name in exchange().dtype.names or () if name.endswith("_ns") and "leg" not in name)
            )
            marks |= {"request_copies": int(random.integers(0, 3)), "request_bytes": int(random.integers(0, 200))}
            rows.append(exchange(number, index, **marks))
            for _ in range(int(random.integers(0, 4))):
                a, b = sorted(random.uniform(-1, 13, 2))
                facts = {"direction": int(random.integers(0, 2)), "next_kind": int(random.integers(0, 4))}
                facts |= {
                    "in_flight_bytes": int(random.integers(-1, 3000)),
                    "window_room_bytes": int(random.integers(-10, 3000)),
                }
                facts |= {"hole_open": bool(random.integers(0, 2)), "queue": bool(random.integers(0, 2))}
                rows.append(pause(number, index, start_s=a, end_s=b, release_ns=T0 + int(b * S), **facts))
        rows.append(event(EventKind.ACKED_UNSEEN, number, at_s=float(random.uniform(0, 10))))
    return rows


@pytest.mark.parametrize("seed", range(30))
def test_categories_of_a_flow_sum_to_its_lifetime_to_the_nanosecond(seed: int) -> None:
    made = account(tables(*hostile_rows(seed)))
    lifetimes = made.flows["last_ns"] - made.flows["first_ns"]
    assert (made.flow_ns.sum(axis=1) == lifetimes).all()
    assert (made.intervals.low_ns <= made.intervals.length_ns).all()
    assert (made.intervals.high_ns >= made.intervals.length_ns).all()


@pytest.mark.parametrize("seed", range(30))
def test_intervals_of_a_flow_neither_overlap_nor_leave_gaps(seed: int) -> None:
    made = account(tables(*hostile_rows(seed)))
    tiles = made.intervals.where(made.intervals.flow >= 0)
    same = tiles.flow[1:] == tiles.flow[:-1]
    assert (tiles.start_ns[1:][same] == tiles.end_ns[:-1][same]).all()


def test_an_exchange_sums_to_its_duration() -> None:
    made = account(tables(flow(), exchange(think_s=2.0)))
    chosen = made.intervals.where(made.intervals.unit == 0).waiting()
    assert chosen.length_ns.sum() == 2 * S + 30 * MS


def test_the_servers_leg_is_taken_off_its_thinking() -> None:
    made = account(tables(flow(), exchange(think_s=2.0)))
    assert seconds(made) == {
        "tcp_connect": 0.01,
        "client_thinking": 0.99,
        "path_delay": 0.01,
        "server_thinking": 2.0,
        "response_transfer": 0.02,
        "idle": pytest.approx(6.97),
    }


def test_an_ack_that_a_timer_explains_is_only_a_bound() -> None:
    made = account(tables(flow(), exchange(think_s=0.3, request_ack_ns=T0 + S + 210 * MS)))
    thinking = made.intervals.of(Code.SERVER_THINKING)
    assert thinking.length_ns.tolist() == [300 * MS]
    assert thinking.low_ns.tolist() == [100 * MS]


def test_a_request_sent_again_and_answered_at_once_was_lost() -> None:
    copy = T0 + S + 300 * MS
    facts = {"request_copies": 1, "request_last_copy_ns": copy, "request_ack_ns": -1}
    made = account(tables(flow(), exchange(think_s=0.31, **facts)))
    assert seconds(made)["loss_recovery"] == 0.3
    assert seconds(made)["server_thinking"] == 0.01


def test_a_request_acknowledged_late_lost_the_time_up_to_the_acknowledgement() -> None:
    copy = T0 + S + 300 * MS
    facts = {"request_copies": 1, "request_last_copy_ns": copy, "request_ack_ns": copy + 10 * MS}
    made = account(tables(flow(), exchange(think_s=2.3, **facts)))
    assert seconds(made)["loss_recovery"] == 0.3
    assert seconds(made)["server_thinking"] == 2.0


def test_guessed_roles_blame_nobody() -> None:
    made = account(tables(flow(role=Role.GUESSED), exchange(think_s=1.0), exchange(index=1, start_s=3.0, think_s=4.0)))
    assert "server_thinking" not in seconds(made)
    assert seconds(made)["unknown"] == 1.0
    assert seconds(made)["idle"] >= 4.0


def test_an_answer_that_was_not_captured_makes_the_gap_unknown() -> None:
    made = account(tables(flow(), exchange(think_s=2.0), event(EventKind.ACKED_UNSEEN, at_s=2.0, direction=S2C)))
    assert seconds(made)["unknown"] == 2.0


def test_a_service_that_never_answers_keeps_nobody_waiting() -> None:
    never = {"response_first_ns": -1, "response_last_ns": -1, "status": 0, "expected_bytes": -1}
    made = account(tables(flow(app=App.UNKNOWN), exchange(**never)))
    assert set(seconds(made)) <= {"tcp_connect", "client_thinking", "path_delay", "idle"}


def test_equal_long_waits_are_long_polls() -> None:
    polls = [exchange(0, i, start_s=1 + 30 * i, think_s=25.0, next_request_ns=T0 + (31 + 30 * i) * S) for i in range(3)]
    made = account(tables(flow(last_ns=T0 + 100 * S), *polls))
    assert "server_thinking" not in seconds(made)


def test_a_last_small_message_before_the_close_is_idle() -> None:
    bye = {"response_first_ns": -1, "response_last_ns": -1, "request_bytes": 31}
    made = account(tables(flow(fin_ns=(T0 + S + MS, -1)), exchange(**bye)))
    assert set(seconds(made)) == {"tcp_connect", "client_thinking", "idle"}


def judged(**facts: Value) -> dict[str, float]:
    """Seconds of the categories of a response of 3 s with one pause of 1 s in it."""
    rows = [flow(), exchange(response_last_ns=T0 + 4 * S), pause(start_s=2.0, end_s=3.0, **facts)]
    made = account(tables(*rows))
    return {
        name: value for name, value in seconds(made).items() if name not in ("tcp_connect", "client_thinking", "idle")
    }


def test_a_pause_with_nothing_in_flight_is_the_servers() -> None:
    assert judged()["server_stall"] == 1.0


def test_a_full_window_with_everything_acknowledged_is_the_receivers() -> None:
    assert judged(window_room_bytes=0, window_bytes=0)["receiver_not_reading"] == 1.0


def test_a_full_window_of_full_size_limits() -> None:
    facts = {"window_room_bytes": 100, "in_flight_bytes": 64_000, "release_ns": T0 + 3 * S}
    assert judged(**facts)["window_limited"] == 1.0


def test_a_full_window_behind_a_queue_is_transfer() -> None:
    facts = {"window_room_bytes": 100, "in_flight_bytes": 64_000, "release_ns": T0 + 3 * S, "queue": True}
    assert "window_limited" not in judged(**facts)


def test_a_full_window_of_unknown_scale_says_nothing() -> None:
    facts = {"window_room_bytes": 100, "in_flight_bytes": 64_000, "release_ns": T0 + 3 * S, "window_known": False}
    assert "window_limited" not in judged(**facts)


def test_a_needed_copy_ends_a_recovery_that_began_when_its_ack_was_due() -> None:
    facts = {"next_kind": PacketKind.COPY, "in_flight_bytes": 1460, "leg_receiver_ns": 200 * MS}
    assert judged(**facts)["loss_recovery"] == pytest.approx(0.8)


def test_a_lost_tail_takes_the_whole_pause() -> None:
    rows = [flow(), exchange(response_last_ns=T0 + 3 * S)]
    facts = {"next_kind": PacketKind.COPY, "in_flight_bytes": 1460, "leg_receiver_ns": 200 * MS}
    made = account(tables(*rows, pause(start_s=2.0, end_s=3.0, **facts)))
    assert seconds(made)["loss_recovery"] == 1.0


def test_the_excess_of_a_delayed_ack_is_cut_off() -> None:
    facts = {"in_flight_bytes": 300, "last_bytes": 300, "release_ns": T0 + 2 * S + 210 * MS, "leg_receiver_ns": 10 * MS}
    rows = [flow(), exchange(response_last_ns=T0 + 4 * S), pause(start_s=2.0, end_s=2.22, **facts)]
    assert seconds(account(tables(*rows)))["ack_delay"] == pytest.approx(0.2)


def test_an_ack_that_releases_after_a_loss_is_recovery() -> None:
    facts = {"in_flight_bytes": 3000, "release_ns": T0 + 3 * S, "after_loss": True}
    assert judged(**facts)["loss_recovery"] == 1.0


def test_packets_spread_by_a_window_that_a_loss_cut_are_recovery_in_part() -> None:
    facts = {"in_flight_bytes": 3_000, "flight_before_loss_bytes": 12_000, "after_loss": True, "release_ns": T0 + 2 * S}
    rows = [flow(leg_min_ns=(0, S)), exchange(response_last_ns=T0 + 4 * S), pause(start_s=2.0, end_s=2.2, **facts)]
    found = seconds(account(tables(*rows)))
    assert found["loss_recovery"] == pytest.approx(0.15)


@pytest.mark.parametrize(("unseen", "category"), [(0, "loss_recovery"), (9000, "unknown")])
def test_a_hole_that_stays_open_where_much_was_missed_is_the_captures(unseen: int, category: str) -> None:
    hole = event(EventKind.GAP, at_s=1.9, direction=1, frame=7)
    facts = {"hole_open": True, "hole_sign_ns": T0 + 1_900 * MS, "in_flight_bytes": 3000}
    rows = [flow(acked_unseen_bytes=(0, unseen)), exchange(response_last_ns=T0 + 4 * S)]
    made = account(tables(*rows, hole, pause(start_s=2.0, end_s=3.0, **facts)))
    assert seconds(made)[category] == pytest.approx(1.0)


def test_a_hole_that_closed_is_a_loss_however_much_was_missed() -> None:
    holes = [event(EventKind.GAP, at_s=1.9, direction=1, frame=7)]
    holes.append(event(EventKind.GAP_FILLED, at_s=3.0, direction=1, frame=9, other_frame=7))
    facts = {"hole_open": True, "hole_sign_ns": T0 + 1_900 * MS, "in_flight_bytes": 3000}
    rows = [flow(acked_unseen_bytes=(0, 9000)), exchange(response_last_ns=T0 + 4 * S)]
    made = account(tables(*rows, *holes, pause(start_s=2.0, end_s=3.0, **facts)))
    assert seconds(made)["loss_recovery"] == pytest.approx(1.0)


def test_equal_pauses_between_single_packets_are_pacing() -> None:
    paced = [pause(start_s=2 + 0.1 * i, end_s=2.1 + 0.1 * i, start_frame=6 + i, end_frame=7 + i) for i in range(8)]
    made = account(tables(flow(), exchange(response_last_ns=T0 + 4 * S), *paced))
    assert seconds(made).get("server_stall", 0) <= 0.1


def test_a_long_silence_after_a_complete_message_is_a_push() -> None:
    facts = {"last_push": True, "last_bytes": 100, "next_bytes": 100}
    rows = [flow(), exchange(response_last_ns=T0 + 9 * S, status=0, expected_bytes=-1)]
    made = account(tables(*rows, pause(start_s=2.0, end_s=8.0, **facts)))
    assert seconds(made)["idle"] >= 6.0
    assert "server_stall" not in seconds(made)


def test_an_unfinished_response_waits_until_the_client_gives_up() -> None:
    facts = {"expected_bytes": 9000, "complete": False}
    made = account(tables(flow(fin_ns=(T0 + 6 * S, -1)), exchange(**facts)))
    assert seconds(made)["server_stall"] == pytest.approx(4.97)


def test_one_sided_flows_are_unknown() -> None:
    made = account(tables(flow(frames=(0, 50)), exchange(think_s=2.0)))
    assert seconds(made) == {"unknown": 10.0}


def test_nobody_waits_across_a_leap_of_the_clock() -> None:
    leap_s = 3 * 86_400
    rows = [
        flow(last_ns=T0 + (leap_s + 10) * S),
        exchange(think_s=0.5, next_request_ns=T0 + 2 * S),
        exchange(index=1, start_s=2.0, think_s=leap_s + 1.0),
        event(EventKind.CLOCK_LEAP, 2**64 - 1, at_s=leap_s + 2.5, value=leap_s * S),
    ]
    made = account(tables(*rows))
    found = seconds(made)
    assert found["server_thinking"] == pytest.approx(0.5, abs=0.02)
    assert found["idle"] > leap_s
    assert int(made.flow_ns.sum()) == (leap_s + 10) * S


def test_healthy_paths_are_not_counted() -> None:
    made = account(tables(flow(), exchange(think_s=2.0), lookup()))
    chosen = made.intervals.where(made.counted)
    assert {Code(code) for code in chosen.code} == {Code.SERVER_THINKING, Code.RESPONSE_TRANSFER, Code.DNS_LOOKUP}


def test_a_far_servers_path_is_counted() -> None:
    made = account(tables(flow(leg_min_ns=(0, 150 * MS)), exchange(leg_server_ns=150 * MS, think_s=0.14)))
    chosen = made.intervals.where(made.counted)
    assert Code.PATH_DELAY in set(chosen.code)


def test_a_lookup_without_answer_lasts_to_its_last_try() -> None:
    made = account(tables(lookup(took_s=None, tries=3, last_query_ns=T0 + 6 * S)))
    assert made.intervals.of(Code.DNS_LOOKUP).length_ns.tolist() == [5_500 * MS]


def test_nothing_captured_is_nothing_waited() -> None:
    made = account(tables())
    assert len(made.intervals) == 0
    assert made.intervals.wall_ns() == 0
