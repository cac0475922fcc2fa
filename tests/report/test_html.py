"""The one-file report: what it holds, what it escapes, and what its own policy admits."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pcap_analyzer.analysis.model import (
    Category,
    Cause,
    Party,
    Report,
    Severity,
    Verdict,
    WaitingAccount,
    WaitShare,
)
from pcap_analyzer.errors import AppError
from pcap_analyzer.report import figures, html
from pcap_analyzer.report.format import seconds
from tests.report import sample


class Page(HTMLParser):
    """Elements, attributes and texts of a page, as a browser would see them."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._stack: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._stack.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def every(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def _text(report: Report, verdict: Verdict) -> str:
    return " ".join(Page(html.render(replace(report, verdict=verdict))).texts)


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> None:
    """A front end of two lines, so that these tests need no Node."""
    assets = {"report.css": ".wait { height: 14px }", "report.js": "document.title;"}
    monkeypatch.setattr(html, "_built", assets.__getitem__)


SAMPLES = [sample.report, sample.healthy, sample.damaged, sample.empty, sample.hostile]


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("make", SAMPLES)
def test_every_report_renders_without_inline_styles_or_handlers(make: Callable[[], Report]) -> None:
    page = Page(html.render(make()))

    named = {name for _, attributes in page.elements for name in attributes}

    assert "style" not in named
    assert not [name for name in named if name.startswith("on")]


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("make", SAMPLES)
def test_nothing_is_loaded_from_elsewhere(make: Callable[[], Report]) -> None:
    page = Page(html.render(make()))

    loaded = [a[k] or "" for _, a in page.elements for k in ("src", "href", "action", "srcset", "data") if k in a]

    assert [address for address in loaded if not address.startswith(("#", "data:"))] == []


@pytest.mark.usefixtures("built")
def test_the_policy_admits_exactly_the_inlined_style_and_script() -> None:
    source = html.render(sample.report())
    policy = next(a["content"] or "" for a in Page(source).every("meta") if "http-equiv" in a)

    for element in ("style", "script"):
        inlined = re.search(rf"<{element}(?: type=.module.)?>(.*?)</{element}>", source, re.DOTALL)
        assert inlined is not None
        digest = base64.b64encode(hashlib.sha256(inlined[1].encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")


@pytest.mark.usefixtures("built")
def test_text_from_packets_stays_text() -> None:
    source = html.render(sample.hostile())

    scripts = Page(source).every("script")

    assert [a.get("type") for a in scripts] == ["application/json", "module"]
    assert "<script>x()" not in source
    assert "&lt;script&gt;x()" in source


@pytest.mark.usefixtures("built")
def test_characters_that_hide_or_turn_text_are_shown() -> None:
    source = html.render(sample.hostile())

    assert re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", source) is None
    assert "\u241b[31mred" in source
    assert "\u2400nul" in source


@pytest.mark.usefixtures("built")
def test_verdict_findings_filters_and_next_steps_are_there() -> None:
    report = sample.report()
    text = " ".join(Page(html.render(report)).texts)

    for finding in report.findings:
        assert finding.title in text
        assert finding.display_filter in text
        assert finding.next_step in text
    assert report.verdict.headline in text
    assert report.verdict.sentence in text
    assert all(ruled.what in text for ruled in report.verdict.ruled_out)


@pytest.mark.usefixtures("built")
def test_damage_and_what_was_not_computed_are_said_before_the_verdict() -> None:
    report = sample.damaged()
    source = html.render(report)

    before = source[: source.index('id="verdict"')]

    assert report.capture.damage is not None
    assert report.capture.damage in before
    assert all(missing.reason in before for missing in report.not_computed)


@pytest.mark.usefixtures("built")
def test_a_damaged_file_has_one_banner_that_says_where_and_what_it_voids() -> None:
    report = sample.damaged()
    source = html.render(report)

    before = source[: source.index('id="verdict"')]

    assert before.count(sample.REASON) == 1
    assert report.quality[0].voids in before
    assert report.quality[1].what in before


@pytest.mark.usefixtures("built")
def test_causes_that_overlap_are_said_to_exceed_the_whole() -> None:
    report = sample.report()
    wait = WaitShare(Category.SERVER_THINKING, 8.0, 8.0, 8.0, 8.0)
    shares = (wait, replace(wait, category=Category.LOSS_RECOVERY))
    overlapping = replace(report, waiting=WaitingAccount(shares, 10.0, 16.0, 1, 1, 0))

    assert "Causes overlap in time" in html.render(overlapping)
    assert "Causes overlap in time" not in html.render(sample.healthy())


@pytest.mark.usefixtures("built")
def test_every_range_that_the_figures_show_is_shown_with_a_key() -> None:
    ranges = {figures.bounds(share) for share in sample.report().waiting.shares} - {None}

    source = html.render(sample.report())

    assert len(ranges) > 1
    assert set(re.findall(r'<span class="range">(.*?)</span>', source)) == ranges
    assert "Range: what the capture leaves open" in source
    assert "Range:" not in html.render(sample.healthy())


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(
    ("cause", "party", "pill"),
    [
        (Cause.INSUFFICIENT_DATA, Party.UNKNOWN, "Impact unknown"),
        (Cause.TRUNCATED_FILE, Party.CAPTURE, "Impact unknown"),
        (Cause.SERVER_THINKING, Party.CAPTURE, "Impact unknown"),
        (Cause.SERVER_THINKING, Party.SERVER, "Low impact"),
        (Cause.NONE, Party.NOBODY, "No problem"),
    ],
)
def test_a_verdict_on_the_capture_claims_no_impact(cause: Cause, party: Party, pill: str) -> None:
    report = sample.report()
    verdict = replace(report.verdict, cause=cause, party=party, severity=Severity.LOW)

    shown = [known for known in ("Impact unknown", "Low impact", "No problem") if known in _text(report, verdict)]

    assert shown == [pill]


@pytest.mark.usefixtures("built")
def test_what_was_not_measured_is_a_dash_and_no_zero() -> None:
    report = sample.report()
    unmeasured = replace(
        report.flows[0],
        rtt_ms=None,
        response_p95_s=None,
        retransmitted=None,
        waiting_s=None,
        waiting={},
        diagnosis=None,
    )

    source = html.render(replace(report, flows=(unmeasured,)))

    for label in ("Waiting", "RTT", "Response p95", "Retrans."):
        assert re.search(rf'data-value="" data-label="{re.escape(label)}">—</td>', source)
    assert "No finding" not in source


@pytest.mark.usefixtures("built")
def test_a_flow_that_no_finding_names_is_not_called_healthy() -> None:
    report = sample.report()
    unnamed = replace(report.flows[0], waiting_s=120.0, waiting={Category.SERVER_THINKING: 120.0}, diagnosis=None)

    source = html.render(replace(report, flows=(unnamed,)))

    assert '<span class="mut">No finding</span>' in source


@pytest.mark.usefixtures("built")
def test_a_flow_whose_waiting_is_unknown_is_not_judged() -> None:
    report = sample.report()
    unknown = replace(report.flows[0], waiting_s=3.0, waiting={Category.UNKNOWN: 3.0}, diagnosis=None)

    source = html.render(replace(report, flows=(unknown,)))

    assert "Not judged" in source
    assert "No finding" not in source


@pytest.mark.usefixtures("built")
def test_the_timelines_read_the_columns_of_the_series() -> None:
    report = sample.report()
    source = html.render(report)

    block = re.search(r'<script type="application/json" id="timeline-data">(.*?)</script>', source, re.DOTALL)

    assert block is not None
    data = json.loads(block[1])
    assert report.series is not None
    assert data["step_s"] == report.series.step_s
    assert data["rtt_ms"] == list(report.series.rtt_ms)


@pytest.mark.usefixtures("built")
def test_a_flow_leads_to_the_finding_that_explains_it() -> None:
    report = sample.report()
    page = Page(html.render(report))
    ranks = figures.finding_of_kind(report)
    diagnosed = [flow.diagnosis for flow in report.flows if flow.diagnosis in ranks]

    links = [a["href"] for a in page.every("a") if (a.get("class") or "").startswith("tag")]

    assert links == [f"#f{ranks[kind]}" for kind in diagnosed if kind]


def test_a_report_without_the_built_front_end_says_which_file_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("importlib.resources.files", lambda _package: tmp_path)

    with pytest.raises(AppError, match=r"report\.css, which is not built"):
        html.render(sample.report())


def test_segments_fill_the_bar_and_keep_small_parts_visible() -> None:
    laid = figures.segments([("server_thinking", 0.999), ("dns_lookup", 0.001), ("idle", 0.0)])

    assert [part.category for part in laid] == ["server_thinking", "dns_lookup"]
    assert laid[0].x == 0
    assert laid[-1].x + laid[-1].width == pytest.approx(100)
    assert laid[1].width > 0.8


def test_parts_of_waiting_leave_out_what_is_not_waiting() -> None:
    parts = figures.parts_of_waiting(sample.report().waiting)

    assert Category.CLIENT_THINKING not in [part.wait.category for part in parts]
    assert sum(part.share for part in parts) == pytest.approx(1, abs=0.01)


def test_parts_of_waiting_are_parts_of_the_wall_clock_also_where_causes_overlap() -> None:
    wait = WaitShare(Category.SERVER_THINKING, 8.0, 8.0, 8.0, 8.0)
    loss = replace(wait, category=Category.LOSS_RECOVERY)

    parts = figures.parts_of_waiting(WaitingAccount((wait, loss), 10.0, 16.0, 1, 1, 0))

    assert [part.share for part in parts] == [0.8, 0.8]


def test_a_range_is_shown_where_it_reads_unlike_the_value() -> None:
    share = WaitShare(Category.SERVER_THINKING, 4.0, 3.6, 8.6, 8.0)

    assert figures.bounds(share) == f"{seconds(3.6)} to {seconds(8.6)}"
    assert figures.bounds(replace(share, low=4.0000001, high=4.0000001)) is None


def test_a_sparkline_draws_no_bar_for_nothing() -> None:
    assert figures.spark_path([0, 0]) == ""
    assert figures.spark_path([0, 10]) == "M3 14v-13h2v13z"


def test_kinds_of_findings_read_as_words() -> None:
    assert html.kind_title("slow_dns") == "Slow DNS"
    assert html.kind_title("receiver_not_reading") == "Receiver not reading"
