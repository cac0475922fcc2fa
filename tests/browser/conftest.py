"""One browser for the tests of a module; each test has a profile of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import Watch, running_browser
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
