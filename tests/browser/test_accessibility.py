"""axe-core finds nothing on any page, light and dark (WCAG 2.2 AA and its own best practices)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from pcap_analyzer.report import html
from tests.browser.people import ADMIN, PRIYA, log_in, register
from tests.browser.service import Service
from tests.report import sample

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
AXE = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """A page whose policy is off, because axe is injected; the other tests watch over the policy."""
    assert AXE.exists(), "axe-core comes with `make setup`"
    context = browser.new_context(color_scheme=request.param, bypass_csp=True, viewport={"width": 1440, "height": 900})
    yield context.new_page()
    context.close()


def violations(page: Page) -> list[str]:
    page.evaluate("document.querySelectorAll('details.find').forEach((details) => { details.open = true; })")
    page.add_script_tag(path=AXE)
    found = page.evaluate("(rules) => axe.run(document, { runOnly: rules }).then((result) => result.violations)", RULES)
    return [f"{item['id']}: {item['help']}: {item['nodes'][0]['html']}" for item in found]


@pytest.mark.parametrize("make", [sample.report, sample.damaged, sample.empty, sample.hostile])
def test_the_one_file_report(page: Page, tmp_path: Path, make: object) -> None:
    assert callable(make)
    file = tmp_path / "report.html"
    file.write_text(html.render(make()), "utf-8")

    page.goto(file.as_uri())

    assert violations(page) == []


@pytest.mark.parametrize("path", ["/login", "/register", "/waiting", "/setup/wrong"])
def test_pages_for_strangers(page: Page, service: Service, path: str) -> None:
    page.goto(f"{service.url}{path}")

    assert violations(page) == []


def test_pages_for_users(browser: Browser, page: Page, admin: Page, service: Service) -> None:
    guest = browser.new_context().new_page()
    register(guest, service, PRIYA.called(f"guest{page.evaluate('Date.now()')}"), reason="Ticket INC-48812")
    admin.goto(service.url)
    admin.get_by_role("button", name="Try a sample").click()
    expect(admin.locator("#verdict h2")).not_to_be_empty(timeout=20_000)
    log_in(page, service, ADMIN)

    for address in (service.url, admin.url, f"{admin.url}/delete", f"{service.url}/admin/users"):
        page.goto(address)
        assert violations(page) == [], address
