"""Pictures of every page and state: `python -m tests.browser.screenshots DIR` writes NAME-WIDTH-THEME.png.

They come from a real service with real captures, light and dark, on two screens and on a phone.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.captures import long_capture
from tests.browser.chromium import Watch, running_browser, watched_context
from tests.browser.people import ADMIN, PRIYA, log_in, register, set_up
from tests.browser.service import Service, running_service

EXAMPLE = Path(__file__).parents[2] / "examples" / "slow-checkout.pcapng"
GOLDEN = Path(__file__).parents[1] / "golden"
WIDTHS = (1440, 1280, 390)
WAIT_MS = 60_000


@dataclass(frozen=True)
class Camera:
    """Takes a page in both themes and widths."""

    browser: Browser
    folder: Path
    watch: Watch

    @contextmanager
    def contexts(self) -> Iterator[list[tuple[str, BrowserContext]]]:
        made = [
            (f"{width}-{theme}", watched_context(self.browser, self.watch, width=width, dark=theme == "dark"))
            for width in WIDTHS
            for theme in ("light", "dark")
        ]
        yield made
        for _, context in made:
            context.close()

    def take(self, page: Page, name: str, suffix: str) -> None:
        page.wait_for_timeout(150)
        page.screenshot(path=self.folder / f"{name}-{suffix}.png", full_page=True)


def strangers(camera: Camera, service: Service) -> None:
    """What is seen before anybody was let in."""
    camera.watch.expected_statuses |= {403, 404, 422}
    with camera.contexts() as contexts:
        for suffix, context in contexts:
            page = context.new_page()
            for name in ("login", "register", "waiting"):
                page.goto(f"{service.url}/{name}")
                camera.take(page, name, suffix)
            log_in(page, service, PRIYA.called("nobody"))
            camera.take(page, "login-refused", suffix)
            page.goto(f"{service.url}/setup/no-such-link")
            camera.take(page, "error", suffix)


def analyse(page: Page, service: Service, files: list[Path]) -> None:
    page.goto(service.url)
    page.locator("[data-files]").set_input_files(files)
    expect(page.locator("[data-jobs] .job.done")).to_have_count(len(files), timeout=WAIT_MS)


def residents(camera: Camera, service: Service, links: list[str]) -> None:
    """What an administrator sees, with people waiting and reports there."""
    with camera.contexts() as contexts:
        for suffix, context in contexts:
            page = context.new_page()
            log_in(page, service, ADMIN)
            camera.take(page, "home", suffix)
            for number, link in enumerate(links):
                page.goto(f"{service.url}{link}")
                camera.take(page, f"report-{number + 1}", suffix)
            page.goto(f"{service.url}{links[0]}/delete")
            camera.take(page, "delete", suffix)
            page.goto(f"{service.url}/admin/users")
            camera.take(page, "admin", suffix)
            page.get_by_role("link", name="Decline").first.click()
            camera.take(page, "decline", suffix)


def progress(camera: Camera, service: Service, capture: Path) -> None:
    """Home and task page while an analysis runs."""
    with camera.contexts() as contexts:
        for suffix, context in contexts:
            page = context.new_page()
            log_in(page, service, ADMIN)
            page.locator("[data-files]").set_input_files([capture, capture])
            link = page.locator("[data-jobs] [data-task] a.name").first
            expect(link).to_be_visible(timeout=WAIT_MS)
            camera.take(page, "progress", suffix)
            page.goto(f"{service.url}{link.get_attribute('href')}")
            camera.take(page, "progress-task", suffix)


def main(folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    watch = Watch()
    with tempfile.TemporaryDirectory() as scratch, running_browser() as browser:
        work = Path(scratch)
        try:
            with running_service(work / "data") as service:
                walk(Camera(browser, folder, watch), service, work)
        finally:
            if watch.complaints:
                print(*watch.complaints, (work / "service.log").read_text(), sep="\n", file=sys.stderr)
    return 1 if watch.complaints else 0


def walk(camera: Camera, service: Service, work: Path) -> None:
    """Through every page, in the order in which a new server is taken into use."""
    strangers(camera, service)
    page = watched_context(camera.browser, camera.watch).new_page()
    set_up(page, service, ADMIN)
    for name in ("priya", "tom.becker"):
        guest = watched_context(camera.browser, camera.watch).new_page()
        register(guest, service, PRIYA.called(name), reason="Ticket INC-48812: checkout is slow since Monday")
    analyse(page, service, [EXAMPLE, *sorted(GOLDEN.glob("*/fires-*.pcap*"))[::5]])
    links = page.locator("#recent a.fname").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    residents(camera, service, links[-3:])
    progress(camera, service, long_capture(work / "night-shift.pcap.gz", members=200))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
