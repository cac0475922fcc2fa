"""The way in, as forms."""

import re

import pytest

from pcap_analyzer.web.pages.accounts import local_path
from tests.web.house import PASSWORD, House

ANN = {"username": "ann", "email": "ann@corp.example", "password": PASSWORD, "reason": "Night shift."}


async def test_from_the_setup_link_to_the_home_page(house: House) -> None:
    async with house.client(await house.admin(), accept="text/html") as client:
        home = await client.get("/")

    assert home.status_code == 200
    assert "root" in home.text


async def test_a_setup_link_works_once(house: House) -> None:
    await house.admin()
    async with house.client() as client:
        shown = await client.get(str(house.runtime.setup_link_path))
        again = await client.post(str(house.runtime.setup_link_path), data={**ANN, "username": "eve"})

    assert (shown.status_code, again.status_code) == (404, 404)


async def test_a_bad_setup_form_is_shown_again_and_does_not_spend_the_link(house: House) -> None:
    async with house.client() as client:
        refused = await client.post(str(house.runtime.setup_link_path), data={**ANN, "password": "short"})
        shown = await client.get(str(house.runtime.setup_link_path))

    assert refused.status_code == 422
    assert "at least 15 characters" in refused.text
    assert shown.status_code == 200


async def test_register_wait_be_approved_log_in(house: House) -> None:
    admin = await house.admin()
    async with house.client(accept="text/html") as ann, house.client(admin, accept="text/html") as root:
        asked = await ann.post("/register", data=ANN)
        entered = await ann.post("/login", data={"login": "ann", "password": PASSWORD})
        kept_out = await ann.get("/")
        waiting = await ann.get("/waiting")
        listed = await root.get("/admin/users")
        (user_id,) = set(re.findall(r"/admin/users/([0-9a-f-]{36})/approve", listed.text))
        approved = await root.post(f"/admin/users/{user_id}/approve")
        logged_out = await ann.get("/")
        back = await ann.post("/login", data={"login": "ANN@corp.example", "password": PASSWORD, "next": "/tasks/x"})

    assert (asked.status_code, asked.headers["location"]) == (303, "/waiting")
    assert (entered.status_code, kept_out.headers["location"]) == (303, "/waiting")
    assert "ann" in waiting.text
    assert "Night shift." in listed.text
    assert approved.status_code == 303
    assert logged_out.headers["location"] == "/login"
    assert (back.status_code, back.headers["location"]) == (303, "/tasks/x")


async def test_who_is_declined_reads_the_reason(house: House) -> None:
    rob = await house.person("rob", by=await house.admin(), decision="reject")
    async with house.client(rob, accept="text/html") as client:
        page = await client.get("/waiting")

    assert "Ask your lead." in page.text


async def test_a_taken_name_is_answered_like_a_free_one(house: House) -> None:
    async with house.client() as client:
        first = await client.post("/register", data=ANN)
        second = await client.post("/register", data=ANN)

    assert (first.status_code, first.headers["location"]) == (second.status_code, second.headers["location"])
    assert first.headers.get("set-cookie") == second.headers.get("set-cookie") is None
    assert first.content == second.content


async def test_a_wrong_password_is_answered_like_an_unknown_name(house: House) -> None:
    await house.admin()
    async with house.client() as client:
        known = await client.post("/login", data={"login": "root", "password": "wrong"})
        unknown = await client.post("/login", data={"login": "rood", "password": "wrong"})

    assert known.status_code == unknown.status_code == 422
    assert known.text.replace("root", "rood") == unknown.text


async def test_a_login_makes_the_token_that_came_with_it_void(house: House) -> None:
    fixed = await house.admin()
    async with house.client(fixed) as client:
        await client.post("/login", data={"login": "root", "password": PASSWORD})
    async with house.client(fixed) as thief:
        answer = await thief.get("/api/v1/users/me")

    assert answer.status_code == 401


async def test_who_logs_out_is_out(house: House) -> None:
    token = await house.admin()
    async with house.client(token) as client:
        answer = await client.post("/logout")
    async with house.client(token) as client:
        after = await client.get("/api/v1/users/me")

    assert (answer.headers["location"], after.status_code) == ("/login?notice=out", 401)
    assert '__Host-session=""' in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("/tasks/x?a=1#f", "/tasks/x?a=1#f"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example/", "/"),
        ("/x\\..\\y", "/"),
        ("/x\r\nSet-Cookie: a=b", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
    ],
)
def test_next_stays_on_this_site(given: str, path: str) -> None:
    assert local_path(given) == path


async def test_the_role_cannot_be_registered(house: House) -> None:
    async with house.client(await house.admin()) as root:
        await root.post("/register", data={**ANN, "role": "admin", "is_approved": "true"})
        listed = await root.get("/admin/users")

    assert "/approve" in listed.text
