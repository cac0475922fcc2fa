"""Faults of the capture in words: what is said of each, how grave it is, and what it voids."""

import pytest

from pcap_analyzer.analysis.context import build
from pcap_analyzer.analysis.model import Severity
from pcap_analyzer.analysis.quality import LIMITS, Fault, faults
from pcap_analyzer.capture.faults import OVERFLOW_KINDS
from pcap_analyzer.capture.tables import EventKind
from tests.analysis.rows import T0, Rows, S, Value, event, exchange, flow, tables


def fault(kind: str, *rows: Rows, **facts: Value) -> Fault | None:
    found = [one for one in faults(build(tables(*rows, **facts))) if one.kind == kind]
    return found[0] if found else None


@pytest.mark.parametrize(
    ("steps", "severity", "words"),
    [((6_000, 999_999), Severity.LOW, "by less than 1 ms"), ((6_000, 2_500_000), Severity.MEDIUM, "by 2.5 ms at most")],
)
def test_a_slight_backward_step_is_a_remark(steps: tuple[int, int], severity: Severity, words: str) -> None:
    rows = [event(EventKind.CLOCK_STEP, 2**64 - 1, frame=5 + n, value=step) for n, step in enumerate(steps)]
    found = fault("clock_step", flow(), exchange(), *rows, clock_steps=2)
    assert found is not None
    assert (found.severity, words in found.what) == (severity, True)


def test_a_leap_of_the_clock_is_named() -> None:
    leap = event(EventKind.CLOCK_LEAP, 2**64 - 1, frame=7, value=46 * 365 * 86_400 * S)
    found = fault("clock_leap", flow(), exchange(), leap)
    assert found is not None
    assert "by 16790.0 days" in found.what
    assert found.events == ((7, T0 + S),)


def test_every_limit_of_the_engine_has_its_words() -> None:
    assert set(LIMITS) == set(OVERFLOW_KINDS)


def test_a_limit_of_a_parser_voids_names_and_no_counts() -> None:
    found = fault("limit_reached", flow(), overflows={"bytes ahead of a gap": 3}, exact_until_frame=None)
    assert found is not None
    assert "server names" in found.voids
    assert "counts and times are whole" in found.voids
    counted = fault("limit_reached", flow(), overflows={"live flows": 3}, exact_until_frame=7)
    assert counted is not None
    assert counted.voids == "exact counts and times from frame 7 on"


@pytest.mark.parametrize(
    ("frames", "payload", "filtered"),
    [((30, 30), (30, 30), True), ((30, 30), (30, 29), False), ((10, 10), (10, 10), False)],
)
def test_many_frames_that_all_carry_data_were_filtered(
    frames: tuple[int, int], payload: tuple[int, int], *, filtered: bool
) -> None:
    found = fault("filtered", flow(frames=frames, payload_frames=payload))
    assert (found is not None) == filtered


def test_a_connection_without_its_syn_may_have_been_filtered() -> None:
    found = fault("mid_stream", flow(mid_stream=True))
    assert found is not None
    assert found.what.startswith("No SYN of 1 TCP connection is in the file")
    assert "filtered" in found.what


def test_copies_of_a_frame_may_be_more_than_two() -> None:
    found = fault("duplicate_frames", flow(), duplicate_frames=81)
    assert found is not None
    assert "more than once" in found.what
