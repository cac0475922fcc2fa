"""The model behaves as its sources say: timers, windows, recovery, closes, and no time passes by itself."""

from dataclasses import replace
from itertools import pairwise

from tests.golden.cast import BETWEEN, BROWSER, SHOP_SERVER, pages, talk
from tests.golden.conversation import Seen, simulate
from tests.golden.plan import CLIENT, MS, SERVER, Conversation, Fault, OnSyn, Reading, S
from tests.packets import Tcp

PLAN = talk(0, pages([20 * MS], body_bytes=20_000), BETWEEN, at_s=0)


def header(seen: Seen) -> Tcp:
    assert isinstance(seen.packet.body, Tcp)
    return seen.packet.body


def times_ms(plan: Conversation, sender: int, flags: str) -> list[int]:
    """When segments with exactly these flags passed, in milliseconds after the first packet."""
    seen = simulate(plan)
    found = [one for one in seen if one.sender == sender and set(header(one).flags) == set(flags)]
    return [round((one.time_ns - seen[0].time_ns) / MS) for one in found]


def stream(plan: Conversation, sender: int) -> bytes:
    """What the receiver can put together of the sender's payload at the capture point."""
    parts: dict[int, bytes] = {}
    for one in simulate(plan):
        if one.sender == sender and len(header(one).payload) > 1:
            parts[header(one).seq] = header(one).payload
    data = b""
    for seq in sorted(parts):
        data = data[: seq - min(parts)] + parts[seq]
    return data


def test_the_same_plan_gives_the_same_packets() -> None:
    assert simulate(PLAN) == simulate(PLAN)


def test_unanswered_syns_back_off_from_one_second() -> None:
    deaf = replace(PLAN, client=replace(BROWSER, syn_retries=3), server=replace(SHOP_SERVER, on_syn=OnSyn.IGNORE))
    assert times_ms(deaf, CLIENT, "S") == [0, 1000, 3000, 7000]


def test_a_lost_segment_comes_again_within_a_round_trip_and_all_arrives() -> None:
    lossy = replace(PLAN, faults=(Fault(SERVER, 4_000, lost_after_capture=True),))
    clean_ms, lossy_ms = (times_ms(plan, SERVER, "FA")[0] for plan in (PLAN, lossy))
    assert stream(lossy, SERVER) == stream(PLAN, SERVER)
    assert 0 <= lossy_ms - clean_ms <= 31


def test_a_lost_tail_costs_timeouts_that_double() -> None:
    tail = max(len(stream(PLAN, SERVER)) - 1, 0)
    lossy = replace(PLAN, faults=(Fault(SERVER, tail, (0, 1, 2), lost_after_capture=True),))
    sent = times_ms(lossy, SERVER, "PA")
    first, second, third = (after - before for before, after in pairwise(sent))
    assert len(sent) == 4
    assert 400 < second < 600
    assert second / 2 <= first  # the timer was set anew by the last acknowledgement
    assert abs(third - 2 * second) <= 2


def test_a_reader_that_stops_closes_its_window_for_as_long() -> None:
    lazy = replace(BROWSER, receive_buffer_bytes=5 * 1448, window_scale=0, reading=Reading(2_896, 2 * S))
    stopped = simulate(replace(PLAN, client=lazy))
    closed = [one.time_ns for one in stopped if one.sender == CLIENT and header(one).window == 0]
    opened = [one.time_ns for one in stopped if one.time_ns > closed[-1] and one.sender == CLIENT]
    assert 1_800 * MS < opened[0] - closed[0] < 2_100 * MS


def test_an_empty_window_is_never_overrun() -> None:
    lazy = replace(BROWSER, receive_buffer_bytes=5 * 1448, window_scale=0, reading=Reading(2_896, 2 * S))
    right_edge = None
    for one in simulate(replace(PLAN, client=lazy)):
        if one.sender == CLIENT:
            right_edge = max(right_edge or 0, header(one).ack + header(one).window)
        elif header(one).payload:
            assert right_edge is not None
            assert header(one).seq + len(header(one).payload) <= right_edge


def test_without_sack_no_segment_carries_blocks() -> None:
    lossy = replace(PLAN, faults=(Fault(SERVER, 4_000, lost_before_capture=True),))
    plain = replace(lossy, server=replace(SHOP_SERVER, sack=False))
    with_blocks, without = (
        max(len(header(one).options) for one in simulate(plan) if "S" not in header(one).flags)
        for plan in (lossy, plain)
    )
    assert (with_blocks, without) == (20, 12)
    assert stream(plain, SERVER) == stream(PLAN, SERVER)
