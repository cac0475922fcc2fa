"""One browser and one service for the tests of a module; each test has a profile of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.chromium import Watch, running_browser, watched_context
from tests.browser.people import ADMIN, set_up
from tests.browser.service import Service, running_service
from tests.needs import need


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    need("chromium")
    with running_browser() as running:
        yield running


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Fails the test for anything that the browser complained about."""
    kept = Watch()
    yield kept
    assert kept.complaints == []


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    need("chromium")
    with running_service(tmp_path_factory.mktemp("service") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def admin(browser: Browser, service: Service) -> Iterator[Page]:
    """The administrator's browser, logged in through the setup link; its complaints fail the module."""
    watch = Watch()
    page = watched_context(browser, watch).new_page()
    set_up(page, service, ADMIN)
    yield page
    page.context.close()
    assert watch.complaints == []
