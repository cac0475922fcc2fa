"""Everything that the model enumerates has a word."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pcap_analyzer.analysis.model import Category, Cause, Confidence, Party, Severity
from pcap_analyzer.report import words
from tests.report import sample


def test_every_member_of_every_enumeration_has_its_word() -> None:
    assert set(words.CATEGORIES) == set(Category)
    assert set(words.CATEGORY_EXPLANATIONS) == set(Category)
    assert set(words.SEVERITIES) == set(Severity)
    assert set(words.CONFIDENCES) == set(Confidence)


def test_no_two_categories_share_a_word() -> None:
    assert len(set(words.CATEGORIES.values())) == len(Category)


def test_what_is_not_waiting_says_so() -> None:
    for category in Category:
        assert words.CATEGORY_EXPLANATIONS[category].endswith("not waiting") is not category.is_waiting


@pytest.mark.parametrize(
    ("cause", "party", "impact"),
    [
        (Cause.SERVER_THINKING, Party.SERVER, "Low impact"),
        (Cause.INSUFFICIENT_DATA, Party.UNKNOWN, "Impact unknown"),
        (Cause.TRUNCATED_FILE, Party.CAPTURE, "Impact unknown"),
    ],
)
def test_a_verdict_about_the_capture_claims_no_impact(cause: Cause, party: Party, impact: str) -> None:
    verdict = replace(sample.report().verdict, cause=cause, party=party, severity=Severity.LOW)

    assert words.verdict_impact(verdict) == impact
