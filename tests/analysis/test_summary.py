"""The unjudged parts of a report: vantage, flows, totals, timelines."""

import numpy as np
import pytest

from pcap_analyzer.analysis import registry
from pcap_analyzer.analysis.engine import diagnose
from pcap_analyzer.analysis.intervals import Code, Intervals
from pcap_analyzer.analysis.model import Category, Report
from tests.analysis.rows import MS, T0, Rows, S, Value, exchange, flow, lookup, second, tables


def report(*rows: Rows, **facts: Value) -> Report:
    return diagnose(tables(*rows, **facts), registry.load(), "a.pcap", lambda stage: None)


@pytest.mark.parametrize(
    ("legs", "place"),
    [
        ((0, 10 * MS), "near the client"),
        ((10 * MS, 0), "near the server"),
        ((10 * MS, 10 * MS), "in between"),
        ((-1, 10 * MS), None),
    ],
)
def test_the_legs_tell_where_the_capture_was_taken(legs: tuple[int, int], place: str | None) -> None:
    assert report(flow(leg_min_ns=legs), exchange()).capture.vantage == place


def test_shares_are_bounded_and_what_is_no_waiting_comes_last() -> None:
    shares = report(flow(), exchange(think_s=2.0), lookup()).waiting.shares
    assert all(share.low <= share.seconds <= share.high for share in shares)
    assert [share.category.is_waiting for share in shares] == sorted(
        (share.category.is_waiting for share in shares), reverse=True
    )
    assert shares[0].category is Category.SERVER_THINKING


def test_two_flows_that_wait_together_wait_once_by_the_clock() -> None:
    made = report(flow(0), flow(1), exchange(0, think_s=2.0), exchange(1, think_s=2.0))
    thinking = made.waiting.shares[0]
    assert (thinking.seconds, thinking.connection_seconds) == (2.0, 4.0)


def test_days_of_many_flows_add_up_beyond_64_bits_of_nanoseconds() -> None:
    count, day_ns = 110_000, 86_400 * 10**9
    nothing, row = np.zeros(count, np.int64), np.full(count, -1, np.int8)
    end = np.full(count, day_ns)
    idle = np.full(count, int(Code.IDLE), np.uint8)
    assert Intervals(nothing, nothing, nothing, end, idle, row, end, end).total_s() == count * 86_400.0


def test_flows_come_in_order_of_waiting_with_the_finding_that_cost_them_most() -> None:
    made = report(flow(0), flow(1), exchange(0), exchange(1, think_s=2.0))
    assert [row.stream for row in made.flows] == [1, 0]
    assert [row.diagnosis for row in made.flows] == ["slow_server", None]
    assert made.flows[0].waiting_s == pytest.approx(2.04)
    assert made.flows[0].response_p95_s == pytest.approx(2.01)


def test_a_look_up_does_not_inherit_the_diagnosis_of_the_tcp_stream_with_its_number() -> None:
    udp = flow(1, protocol=17, stream=0)
    rows = report(flow(0, stream=0), udp, exchange(0, think_s=2.0)).flows
    assert [(row.protocol, row.diagnosis, row.waiting_s is None) for row in rows] == [
        ("tcp", "slow_server", False),
        ("udp", None, True),
    ]


def test_what_was_not_measured_is_none() -> None:
    row = report(flow(leg_min_ns=(-1, 5), payload_frames=(0, 0), exchanges=0)).flows[0]
    assert (row.rtt_ms, row.retransmitted, row.response_p95_s) == (None, None, None)


def test_a_report_names_at_most_two_hundred_flows() -> None:
    assert len(report(*(flow(n) for n in range(300))).flows) == 200


def test_timelines_are_resampled_and_leave_empty_steps_empty() -> None:
    seconds = [
        second(n, payload_bytes=(0, 125), exchanges=1, response_sum_ns=S, response_max_ns=S) for n in range(0, 3000, 5)
    ]
    made = report(flow(), *seconds, last_ns=T0 + 2996 * S).series
    assert made is not None
    assert made.step_s == 3.0
    assert len(made.throughput_to_client_bps) == 999
    assert made.throughput_to_client_bps[0] == pytest.approx(1000 / 3)
    assert made.response_s[:3] == (1.0, 1.0, None)
    assert made.rtt_ms[0] is None


def test_an_empty_capture_has_no_timeline() -> None:
    assert report(first_ns=None, last_ns=None, frames=0).series is None
