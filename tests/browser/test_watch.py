"""The watch itself: what a browser complains about must not go by unseen."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import Watch, watched_context

pytestmark = pytest.mark.browser

POLICY = "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; script-src 'nonce-x'\">"


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("<p style='color: red'>", "policy violation: style-src"),
        ("<script>1</script>", "policy violation: script-src"),
        ("<img src='file:///nowhere.png'>", "policy violation: img-src"),
        ("<script nonce=x>console.error('broken')</script>", "console error: broken"),
        ("<script nonce=x>throw new Error('thrown')</script>", "exception: thrown"),
    ],
)
def test_what_a_page_does_wrong_is_kept(browser: Browser, tmp_path: Path, body: str, complaint: str) -> None:
    watch = Watch()
    page = watched_context(browser, watch).new_page()
    file = tmp_path / "page.html"
    file.write_text(f"<!doctype html>{POLICY}{body}", "utf-8")

    page.goto(file.as_uri())
    page.wait_for_timeout(100)

    assert any(complaint in kept for kept in watch.complaints), watch.complaints
