"""What people do at the door: set up, ask for access, log in."""

from __future__ import annotations

from dataclasses import dataclass, replace

from playwright.sync_api import Page

from tests.browser.service import Service


@dataclass(frozen=True)
class Someone:
    username: str
    email: str
    password: str

    def called(self, username: str) -> Someone:
        return replace(self, username=username, email=f"{username}@corp.example")


ADMIN = Someone("marta", "marta@corp.example", "violet harbour seven lanterns")
PRIYA = Someone("priya", "priya@corp.example", "quiet copper meadow ninety")


def set_up(page: Page, service: Service, who: Someone) -> None:
    page.goto(service.setup_link)
    _fill(page, who)
    page.get_by_role("button", name="Create the account").click()
    page.wait_for_url(f"{service.url}/")


def register(page: Page, service: Service, who: Someone, *, reason: str) -> None:
    page.goto(f"{service.url}/register")
    _fill(page, who)
    page.get_by_label("Why do you need access?").fill(reason)
    page.get_by_role("button", name="Send the request").click()
    page.wait_for_url(f"{service.url}/waiting")


def log_in(page: Page, service: Service, who: Someone) -> None:
    page.goto(f"{service.url}/login")
    page.get_by_label("User name or e-mail").fill(who.username)
    page.get_by_label("Password").fill(who.password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_load_state()


def _fill(page: Page, who: Someone) -> None:
    page.get_by_label("User name").fill(who.username)
    page.get_by_label("E-mail").fill(who.email)
    page.get_by_label("Password").fill(who.password)
