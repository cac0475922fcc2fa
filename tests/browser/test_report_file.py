"""The one-file report in a browser: opened from disk, with nothing but itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from pcap_analyzer.analysis.model import Report
from pcap_analyzer.report import html
from tests.browser.chromium import Watch, watched_context
from tests.report import sample

pytestmark = pytest.mark.browser


def opened(browser: Browser, watch: Watch, folder: Path, report: Report, *, width: int = 1440) -> Page:
    file = folder / "report.html"
    file.write_text(html.render(report), "utf-8")
    context = watched_context(browser, watch, width=width)
    context.set_offline(True)
    page = context.new_page()
    page.goto(file.as_uri())
    return page


def test_it_opens_offline_and_draws_every_timeline(browser: Browser, watch: Watch, tmp_path: Path) -> None:
    page = opened(browser, watch, tmp_path, sample.report())

    expect(page.get_by_role("heading", level=2, name="The server is slow")).to_be_visible()
    expect(page.locator(".plot canvas")).to_have_count(4)


def test_hostile_text_runs_nothing(browser: Browser, watch: Watch, tmp_path: Path) -> None:
    page = opened(browser, watch, tmp_path, sample.hostile())

    assert page.evaluate("typeof x") == "undefined"
    expect(page.locator("h1")).to_contain_text("<script>x()</script>")


@pytest.mark.parametrize("make", [sample.report, sample.healthy, sample.damaged, sample.empty, sample.hostile])
def test_nothing_scrolls_sideways_on_a_phone(browser: Browser, watch: Watch, tmp_path: Path, make: object) -> None:
    assert callable(make)
    page = opened(browser, watch, tmp_path, make(), width=390)

    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("width", [1110, 1280, 1440])
@pytest.mark.parametrize("make", [sample.report, sample.damaged, sample.hostile])
def test_no_table_hides_a_column_on_a_screen(
    browser: Browser, watch: Watch, tmp_path: Path, make: object, width: int
) -> None:
    assert callable(make)
    page = opened(browser, watch, tmp_path, with_long_addresses(make()), width=width)
    page.evaluate("document.querySelectorAll('details.find').forEach((details) => { details.open = true; })")

    hidden = page.evaluate("[...document.querySelectorAll('.tw')].map((box) => box.scrollWidth - box.clientWidth)")

    assert max(hidden) <= 0


def with_long_addresses(report: Report) -> Report:
    client = "[2601:647:4b02:1d20:fd05:6f66:ecce:8bc7]:49651"
    return replace(report, flows=tuple(replace(flow, client=client) for flow in report.flows))


def test_a_copy_button_copies_the_filter_and_says_so(browser: Browser, watch: Watch, tmp_path: Path) -> None:
    report = sample.report()
    page = opened(browser, watch, tmp_path, report)

    page.get_by_role("button", name="Copy the display filter of finding 1").click()

    expect(page.locator("[data-toast]")).to_contain_text(report.findings[0].display_filter)


def test_buttons_zoom_all_timelines_and_reset(browser: Browser, watch: Watch, tmp_path: Path) -> None:
    page = opened(browser, watch, tmp_path, sample.report())
    reset = page.get_by_role("button", name="Reset zoom")
    expect(reset).to_be_disabled()

    page.get_by_role("button", name="Zoom in").click()
    expect(reset).to_be_enabled()
    reset.click()

    expect(reset).to_be_disabled()


def test_dragging_zooms(browser: Browser, watch: Watch, tmp_path: Path) -> None:
    page = opened(browser, watch, tmp_path, sample.report())
    plot = page.locator(".u-over").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2

    page.mouse.move(box["x"] + 200, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 400, middle, steps=4)
    page.mouse.up()

    expect(page.get_by_role("button", name="Reset zoom")).to_be_enabled()


def test_the_data_table_holds_every_step(browser: Browser, watch: Watch, tmp_path: Path) -> None:
    report = sample.report()
    assert report.series is not None
    page = opened(browser, watch, tmp_path, report)

    page.get_by_role("button", name="Data table").click()

    expect(page.locator("#timelines-table tbody tr")).to_have_count(len(report.series.retransmissions))


def test_flows_sort_by_their_headers_and_filter_by_words(browser: Browser, watch: Watch, tmp_path: Path) -> None:
    report = sample.report()
    page = opened(browser, watch, tmp_path, report)
    streams = page.locator("#flows tbody tr:visible [data-stop]")

    page.get_by_role("button", name="Stream", exact=True).click()
    expect(streams.first).to_have_text(f"tcp {max(flow.stream for flow in report.flows)}")
    page.get_by_role("searchbox").fill("static.corp")

    expect(streams).to_have_count(sum("static.corp" in flow.server for flow in report.flows))


def test_keys_move_and_copy(browser: Browser, watch: Watch, tmp_path: Path) -> None:
    report = sample.report()
    page = opened(browser, watch, tmp_path, report)

    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator("#f2 > summary")).to_be_focused()
    page.keyboard.press("c")

    expect(page.locator("[data-toast]")).to_contain_text(report.findings[1].display_filter)


def test_a_link_to_a_finding_opens_it(browser: Browser, watch: Watch, tmp_path: Path) -> None:
    page = opened(browser, watch, tmp_path, sample.report())

    page.evaluate("location.hash = '#f3'")

    expect(page.locator("#f3")).to_have_attribute("open", "")


def test_the_theme_can_be_pinned(browser: Browser, watch: Watch, tmp_path: Path) -> None:
    page = opened(browser, watch, tmp_path, sample.report())

    page.get_by_role("button", name="Dark").click()

    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
    expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")
