"""Verdicts in words: every cause can be said, with and without somebody to name."""

import re

import numpy as np
import pytest

from pcap_analyzer.analysis.context import Context, build
from pcap_analyzer.analysis.failed_services import CAUSES, FailedService
from pcap_analyzer.analysis.intervals import Code
from pcap_analyzer.analysis.model import Cause, Confidence, Party
from pcap_analyzer.analysis.phrases import PHRASES
from pcap_analyzer.analysis.quantities import count, duration, percent, spread, typical
from pcap_analyzer.analysis.verdict import Decision
from pcap_analyzer.analysis.wording import verdict
from tests.analysis.rows import exchange, flow, lookup, tables

FAILURES = {cause for _, cause, _ in CAUSES} - {Cause.DNS_FAILURE}


@pytest.fixture
def context() -> Context:
    return build(tables(flow(), exchange(think_s=2.0), lookup()))


def test_every_cause_has_its_phrase() -> None:
    assert set(PHRASES) == set(Cause)


@pytest.mark.parametrize("confidence", list(Confidence))
@pytest.mark.parametrize("cause", list(Cause))
def test_every_cause_can_be_said(context: Context, cause: Cause, confidence: Confidence) -> None:
    rows, none = np.array([0], np.int64), np.empty(0, np.int64)
    failed = FailedService(cause, Party.SERVER, 5, 4, 4, 2.0, rows, none) if cause in FAILURES else None
    code = None if failed else Code.SERVER_THINKING
    said = verdict(context, Decision(cause, Party.SERVER, confidence, code, 2.0, rows, failed))
    for text in (said.headline, said.sentence, said.detail, said.next_step):
        assert not re.search(r"[{}]|  | \.|None|nan", text), text
    assert all((said.headline, said.sentence, said.next_step, said.scope))


def test_what_is_not_sure_is_said_to_be_probable(context: Context) -> None:
    said = verdict(
        context, Decision(Cause.NETWORK_LOSS, Party.NETWORK, Confidence.LOW, Code.SERVER_THINKING, 1.0, np.array([0]))
    )
    assert said.headline.startswith("Probably: the network")
    assert said.sentence.startswith("Probably, packets lost")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0123, "12.3 ms"),
        (0.25, "250 ms"),
        (1.0, "1.0 s"),
        (83.456, "83.46 s"),
        (300.0, "5.0 min"),
        (10_800.0, "3.0 h"),
        (864_000.0, "10.0 days"),
    ],
)
def test_durations_use_the_unit_of_their_size(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0 %"),
        (0.00001, "0.01 %"),
        (0.0006, "0.06 %"),
        (0.083, "8.3 %"),
        (0.83, "83 %"),
        (0.9999, "99.9 %"),
        (1.0, "100 %"),
    ],
)
def test_shares_claim_neither_all_nor_nothing_by_rounding(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("seconds", "usual", "spoken"),
    [
        ([2.0], "2.0 s", "2.0 s"),
        ([1.0, 2.0, 2.0, 4.0], "up to 4.0 s", "up to 4.0 s"),
        ([1.0, 2.0, 2.0, 4.0, 5.0], "2.0 s", "2.0 s (median), 4.80 s at the 95th percentile"),
    ],
)
def test_a_few_values_have_a_longest_and_no_median(seconds: list[float], usual: str, spoken: str) -> None:
    assert (typical(seconds), spread(seconds)) == (usual, spoken)


def test_one_thing_has_no_plural() -> None:
    assert (count(1, "query", "queries"), count(2, "query", "queries"), count(1200, "frame")) == (
        "1 query",
        "2 queries",
        "1,200 frames",
    )
