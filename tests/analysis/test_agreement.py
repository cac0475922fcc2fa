"""Verdict and findings of one report are equally grave."""

from pcap_analyzer.analysis.model import Cause, Severity
from pcap_analyzer.capture.tables import S2C
from tests.analysis.rows import MS, T0, S, Value, exchange, flow
from tests.analysis.test_verdict import report, unanswered


def test_a_failure_raises_its_finding() -> None:
    never: dict[str, Value] = {
        "response_first_ns": -1,
        "response_last_ns": -1,
        "request_ack_ns": T0 + S + 10 * MS,
        "status": 0,
    }
    made = report(*(flow(n, last_ns=T0 + 20 * S) for n in range(3)), *(exchange(n, **never) for n in range(3)))
    assert (made.verdict.cause, made.verdict.severity) == (Cause.NO_RESPONSE, Severity.HIGH)
    assert [one.severity for one in made.findings if one.kind == "no_response"] == [Severity.HIGH]


def test_a_refusal_that_cost_nothing_is_as_grave_as_the_verdict() -> None:
    refused: dict[str, Value] = {
        "frames": (1, 1),
        "reset_ns": T0 + MS,
        "reset_direction": S2C,
        "syn_count": 1,
        "syn_last_ns": T0,
    }
    made = report(*(unanswered(n, **refused) for n in range(3)))
    assert {one.severity for one in made.findings if one.kind == "connect_refused"} == {made.verdict.severity}


def test_a_verdict_about_waiting_is_no_graver_than_its_worst_finding() -> None:
    far: dict[str, Value] = {"leg_min_ns": (0, 900 * MS), "synack_ns": T0 + 900 * MS, "synack_last_ns": T0 + 900 * MS}
    asked = exchange(
        start_s=1.0, leg_server_ns=900 * MS, response_first_ns=T0 + 1900 * MS, response_last_ns=T0 + 1900 * MS
    )
    made = report(flow(established_ns=T0 + 900 * MS, **far), asked)
    assert made.verdict.cause is Cause.NETWORK_DELAY
    about = [one.severity.rank for one in made.findings if one.kind == "slow_connect"]
    assert made.verdict.severity.rank == max(about) == Severity.MEDIUM.rank
