"""From the setup link to the report and back, as two people do it: a real service, a real browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.captures import long_capture
from tests.browser.chromium import Watch, watched_context
from tests.browser.people import ADMIN, PRIYA, log_in, register
from tests.browser.service import Service

pytestmark = pytest.mark.browser

SAMPLE = Path(__file__).parents[2] / "examples" / "slow-checkout.pcapng"


def upload(page: Page, *files: Path) -> None:
    page.locator("[data-files]").set_input_files(files)


def test_the_setup_link_makes_the_first_administrator_and_leads_home(admin: Page, service: Service) -> None:
    admin.goto(service.url)

    expect(admin.get_by_role("heading", level=1, name="Analyses")).to_be_visible()
    expect(admin.get_by_role("link", name="Admin")).to_be_visible()


def test_the_setup_link_works_once(browser: Browser, watch: Watch, admin: Page, service: Service) -> None:
    del admin
    watch.expected_statuses.add(404)
    page = watched_context(browser, watch).new_page()

    page.goto(service.setup_link)

    expect(page.get_by_role("alert")).to_contain_text("no longer valid")


def test_a_stranger_asks_waits_is_approved_and_logs_in(
    browser: Browser, watch: Watch, admin: Page, service: Service
) -> None:
    watch.expected_statuses.add(403)
    page = watched_context(browser, watch).new_page()
    page.clock.install()
    register(page, service, PRIYA, reason="Ticket INC-48812")
    expect(page.get_by_text("Waiting for approval")).to_be_visible()
    log_in(page, service, PRIYA)
    expect(page.get_by_role("link", name="Analyses")).to_have_count(0)

    admin.goto(f"{service.url}/admin/users")
    expect(admin.get_by_text("Ticket INC-48812")).to_be_visible()
    admin.get_by_role("button", name=f"Approve {PRIYA.username}").click()
    expect(admin.get_by_text("Nobody is waiting")).to_be_visible()

    page.clock.run_for(16_000)
    expect(page.get_by_role("heading", name="You are in")).to_be_visible()
    log_in(page, service, PRIYA)
    expect(page.get_by_role("heading", level=1, name="Analyses")).to_be_visible()
    expect(page.get_by_role("link", name="Admin")).to_have_count(0)


def test_who_was_declined_reads_the_reason(browser: Browser, watch: Watch, admin: Page, service: Service) -> None:
    watch.expected_statuses.add(403)
    page = watched_context(browser, watch).new_page()
    stranger = PRIYA.called("stranger")
    register(page, service, stranger, reason="")
    admin.goto(f"{service.url}/admin/users")

    admin.get_by_role("link", name=f"Decline {stranger.username}").click()
    admin.get_by_label("Your reason").fill("Ask your team lead first.")
    admin.get_by_role("button", name="Decline").click()
    page.get_by_role("link", name="Look again").click()
    expect(page.get_by_role("heading", name="Your request was declined")).to_be_visible()
    log_in(page, service, stranger)

    expect(page.get_by_text("Ask your team lead first.")).to_be_visible()


def test_an_upload_becomes_a_report_without_leaving_home(admin: Page, service: Service) -> None:
    admin.goto(service.url)

    upload(admin, SAMPLE)

    row = admin.locator("[data-jobs] .job", has_text=SAMPLE.name)
    expect(row).to_contain_text("Done", timeout=20_000)
    expect(admin.locator("#recent").get_by_role("link", name=SAMPLE.name)).to_be_visible()
    row.get_by_role("link", name=SAMPLE.name).click()
    expect(admin.get_by_role("heading", level=1, name=SAMPLE.name)).to_be_visible()
    expect(admin.locator("#verdict h2")).not_to_be_empty()
    expect(admin.locator("#findings")).to_be_visible()
    expect(admin.locator("#capture")).to_be_visible()


def test_a_file_that_is_no_capture_is_refused_with_a_sentence(
    browser: Browser, watch: Watch, admin: Page, service: Service, tmp_path: Path
) -> None:
    del admin
    watch.expected_statuses.add(415)
    page = watched_context(browser, watch).new_page()
    log_in(page, service, ADMIN)
    archive = tmp_path / "captures.zip"
    archive.write_bytes(b"PK\x03\x04" + bytes(200))

    upload(page, archive)

    expect(page.get_by_role("alert")).to_contain_text("ZIP")


def test_a_session_that_ended_leads_to_the_login(browser: Browser, watch: Watch, admin: Page, service: Service) -> None:
    del admin
    watch.expected_statuses.add(401)
    page = watched_context(browser, watch).new_page()
    log_in(page, service, ADMIN)
    page.context.clear_cookies()

    upload(page, SAMPLE)

    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("the file was not kept")
    alert.get_by_role("link", name="Log in").click()
    expect(page.get_by_label("Password")).to_be_visible()


def test_a_name_that_turns_its_own_text_is_shown_alike_everywhere(
    admin: Page, service: Service, tmp_path: Path
) -> None:
    admin.goto(service.url)
    turned = tmp_path / "in\u202egnp.pcapng"
    turned.write_bytes(SAMPLE.read_bytes())

    upload(admin, turned)

    row = admin.locator("[data-jobs] .job", has_text="in\ufffdgnp.pcapng")
    expect(row).to_contain_text("Done", timeout=20_000)
    expect(admin.locator("#recent").get_by_role("link", name="in\ufffdgnp.pcapng")).to_be_visible()


def test_a_page_from_the_browser_s_memory_is_asked_for_again(
    browser: Browser, watch: Watch, admin: Page, service: Service
) -> None:
    del admin
    watch.expected_statuses.add(404)
    page = watched_context(browser, watch).new_page()
    log_in(page, service, ADMIN)
    page.get_by_role("button", name="Try a sample").click()
    expect(page.locator("#verdict h2")).not_to_be_empty(timeout=20_000)
    other = page.context.new_page()
    other.goto(f"{page.url}/delete")
    other.get_by_role("button", name="Delete").click()
    expect(other.get_by_text("The analysis was deleted")).to_be_visible()

    # What the Back button does where the browser keeps pages, which it does not under remote control.
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")

    expect(page.get_by_text("There is no such analysis.")).to_be_visible()


@pytest.mark.parametrize("width", [1280, 1440])
def test_the_list_hides_no_column_on_a_screen(browser: Browser, watch: Watch, service: Service, width: int) -> None:
    page = watched_context(browser, watch, width=width).new_page()
    log_in(page, service, ADMIN)
    long = page.locator("#recent .fname bdi").first
    long.evaluate("(name) => { name.textContent = 'a long name of a capture '.repeat(9); }")

    box = page.get_by_role("region", name="Table of analyses")

    assert box.evaluate("(box) => box.scrollWidth - box.clientWidth") <= 0


def test_a_dropped_file_is_uploaded(admin: Page, service: Service) -> None:
    admin.goto(service.url)

    admin.evaluate(
        """(text) => {
          const transfer = new DataTransfer();
          const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
          transfer.items.add(new File([bytes], "dropped.pcap"));
          dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
        }""",
        "1MOyoQIABAAAAAAAAAAAAAAABAABAAAA",
    )

    expect(admin.locator("[data-jobs] .job", has_text="dropped.pcap")).to_contain_text("Done", timeout=20_000)


def test_the_page_of_a_task_turns_into_the_report(admin: Page, service: Service) -> None:
    admin.goto(service.url)

    admin.get_by_role("button", name="Try a sample").click()

    expect(admin.locator("#verdict h2")).not_to_be_empty(timeout=20_000)


def test_progress_is_seen_while_it_happens(admin: Page, service: Service, tmp_path: Path) -> None:
    admin.goto(service.url)

    upload(admin, long_capture(tmp_path / "long.pcap.gz", members=120))
    row = admin.locator("[data-jobs] [data-task]", has_text="long.pcap.gz")
    expect(row.locator("[data-percent]")).to_have_text(re.compile(r"\d+\u202f%"), timeout=20_000)
    expect(row.locator("[data-figures]")).to_contain_text("packets")
    row.get_by_role("link").click()

    expect(admin.locator("#verdict h2")).not_to_be_empty(timeout=60_000)


def test_progress_is_asked_for_where_event_streams_do_not_come_through(
    browser: Browser, admin: Page, service: Service
) -> None:
    del admin
    page = watched_context(browser, Watch()).new_page()
    page.route("**/events", lambda route: route.abort())
    log_in(page, service, ADMIN)

    upload(page, SAMPLE)

    expect(page.locator("[data-jobs] .job", has_text=SAMPLE.name)).to_contain_text("Done", timeout=30_000)


def test_an_upload_can_be_cancelled(
    browser: Browser, watch: Watch, admin: Page, service: Service, tmp_path: Path
) -> None:
    del admin
    context = watched_context(browser, watch)
    page = context.new_page()
    log_in(page, service, ADMIN)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 100_000}
    context.new_cdp_session(page).send("Network.emulateNetworkConditions", slow)
    upload(page, long_capture(tmp_path / "slow.pcap.gz", members=20))
    row = page.locator("[data-jobs] .job", has_text="slow.pcap.gz")
    expect(row).to_contain_text("left")

    row.get_by_role("button", name="Cancel the upload of slow.pcap.gz").click()

    expect(row).to_have_count(0)
    page.reload()
    expect(page.locator("#recent").get_by_role("link", name="slow.pcap.gz")).to_have_count(0)


def test_the_report_can_be_downloaded_and_opens_offline(
    browser: Browser, watch: Watch, admin: Page, service: Service, tmp_path: Path
) -> None:
    admin.goto(service.url)
    admin.locator("#recent").get_by_role("link", name=SAMPLE.name).first.click()

    with admin.expect_download() as started:
        admin.get_by_role("link", name="Report", exact=True).click()
    saved = tmp_path / "saved.html"
    started.value.save_as(saved)

    offline = watched_context(browser, watch)
    offline.set_offline(True)
    page = offline.new_page()
    page.goto(saved.as_uri())
    expect(page.get_by_role("heading", level=1, name=SAMPLE.name)).to_be_visible()


def test_deleting_asks_first_and_then_removes(admin: Page, service: Service) -> None:
    admin.goto(service.url)
    upload(admin, SAMPLE)
    row = admin.locator("[data-jobs] .job", has_text=SAMPLE.name)
    expect(row).to_contain_text("Done", timeout=20_000)
    row.get_by_role("link").click()
    address = admin.url

    admin.get_by_label("More downloads and actions").click()
    admin.get_by_role("link", name="Delete").click()
    admin.get_by_role("dialog").get_by_role("button", name="Delete").click()

    expect(admin.get_by_text("The analysis was deleted")).to_be_visible()
    assert admin.request.get(address).status == 404


def test_everything_but_uploads_works_without_script(
    browser: Browser, watch: Watch, admin: Page, service: Service
) -> None:
    del admin
    page = watched_context(browser, watch, script=False).new_page()
    log_in(page, service, ADMIN)

    page.get_by_role("button", name="Try a sample").click()
    heading = page.locator("#verdict h2")
    for _ in range(40):
        if heading.count():
            break
        page.wait_for_timeout(250)
        page.reload()
    expect(heading).not_to_be_empty()
    page.goto(f"{page.url}/delete")
    page.get_by_role("button", name="Delete").click()

    expect(page.get_by_text("The analysis was deleted")).to_be_visible()


def test_pages_are_keyboard_first(admin: Page, service: Service) -> None:
    admin.goto(service.url)

    admin.keyboard.press("/")
    expect(admin.get_by_role("searchbox")).to_be_focused()
    admin.keyboard.press("Escape")
    admin.keyboard.press("j")
    admin.keyboard.press("Enter")

    expect(admin.locator("#verdict")).to_be_visible()


def test_search_finds_by_name_and_says_when_nothing_matches(admin: Page, service: Service) -> None:
    admin.goto(service.url)
    search = admin.get_by_role("searchbox")

    search.fill("no such capture")
    search.press("Enter")

    expect(admin.get_by_text("Nothing matches")).to_be_visible()
