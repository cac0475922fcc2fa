"""Where a request comes from, what every answer carries, how much may be sent."""

import pytest

from pcap_analyzer.settings import Settings
from pcap_analyzer.web.security import POLICY, cookie_name
from tests.web.house import ORIGIN, House

FORM = {"login": "nobody", "password": "wrong"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 422),
        ({"Sec-Fetch-Site": "none"}, 422),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": ORIGIN}, 403),
        ({"Sec-Fetch-Site": ""}, 403),
        ({"Origin": ORIGIN}, 422),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "https://captures.example.evil.example"}, 403),
        ({}, 403),
    ],
)
async def test_an_unsafe_request_says_that_it_comes_from_here(
    house: House, headers: dict[str, str], status: int
) -> None:
    async with house.client() as client:
        del client.headers["Origin"]
        answer = await client.post("/login", data=FORM, headers=headers)

    assert answer.status_code == status


async def test_a_safe_request_may_come_from_anywhere(house: House) -> None:
    async with house.client() as client:
        answer = await client.get("/login", headers={"Sec-Fetch-Site": "cross-site"})

    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/login", "/", "/nowhere", "/api/v1/users/me", "/static/nothing.js", "/health/live"])
async def test_every_answer_carries_the_headers(house: House, path: str) -> None:
    async with house.client() as client:
        headers = (await client.get(path)).headers

    assert headers["content-security-policy"] == POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["strict-transport-security"].startswith("max-age=")
    assert headers["cache-control"] == "no-store"


def test_the_policy_admits_nothing_inline_and_nothing_from_elsewhere() -> None:
    assert "unsafe" not in POLICY
    assert "http" not in POLICY
    assert POLICY.startswith("default-src 'none'")


async def test_a_large_body_is_refused_where_no_capture_is_expected(house: House) -> None:
    async with house.client() as client:
        answer = await client.post("/login", data={"login": "x" * 200_000})

    assert answer.status_code == 413


async def test_the_cookie_is_bound_to_the_host_and_out_of_reach_of_script(house: House) -> None:
    await house.admin()
    async with house.client() as client:
        answer = await client.post("/login", data={"login": "root", "password": "correct horse battery staple"})

    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-session=")
    assert {part.strip().lower() for part in cookie.split(";")[1:]} == {"httponly", "secure", "samesite=lax", "path=/"}


def test_without_tls_the_cookie_gives_up_its_prefix_because_browsers_would_drop_it() -> None:
    assert cookie_name(Settings(insecure_http=True)) == "session"
