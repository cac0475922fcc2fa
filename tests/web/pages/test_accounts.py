"""The way in, as forms."""

import re

import bcrypt
import pytest
from sqlalchemy import text

from pcap_analyzer.services import accounts
from pcap_analyzer.store.session import AsyncSession
from pcap_analyzer.web.pages.accounts import local_path
from tests.web.house import PASSWORD, House

LONG = "correct horse battery staple " * 3  # 87 bytes
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
    shapes = [re.sub(r"[0-9a-f]+(?=[-.;])", "x", answer.headers["set-cookie"]) for answer in (first, second)]
    assert shapes[0] == shapes[1]
    assert "session" not in shapes[0]
    assert first.content == second.content


async def test_until_somebody_decides_a_dropped_request_reads_like_one_that_waits(house: House) -> None:
    async with house.client() as free, house.client() as taken:
        for client in (free, taken):
            await client.post("/register", data={**ANN, "reason": ""})
        first, second = await free.get("/waiting"), await taken.get("/waiting")

    assert first.text == second.text
    assert "If this name and address are not taken yet, administrators now see your request." in first.text
    assert "reason" not in first.text


@pytest.mark.parametrize("logged_in", [False, True])
async def test_the_browser_that_asked_is_told_that_it_was_approved(house: House, logged_in: bool) -> None:
    admin = await house.admin()
    async with house.client(accept="text/html") as ann, house.client(admin) as root:
        await ann.post("/register", data=ANN)
        if logged_in:
            await ann.post("/login", data={"login": "ann", "password": PASSWORD})
        waiting = await ann.get("/waiting")
        (user_id,) = set(re.findall(r"/admin/users/([0-9a-f-]{36})/approve", (await root.get("/admin/users")).text))
        await root.post(f"/admin/users/{user_id}/approve")
        approved = await ann.get("/waiting")

    assert "Waiting for approval" in waiting.text
    assert "You are in" in approved.text
    assert 'href="/login">Log in</a>' in approved.text


async def test_the_browser_that_asked_reads_why_it_was_declined(house: House) -> None:
    admin = await house.admin()
    async with house.client(accept="text/html") as ann, house.client(admin) as root:
        await ann.post("/register", data=ANN)
        (user_id,) = set(re.findall(r"/admin/users/([0-9a-f-]{36})/approve", (await root.get("/admin/users")).text))
        await root.post(f"/admin/users/{user_id}/reject", data={"reason": "Ask your lead."})
        declined = await ann.get("/waiting")
        listed = await root.get("/admin/users")

    assert "Your request was declined" in declined.text
    assert "Ask your lead." in declined.text
    assert "Declined" in listed.text
    assert "Rejected" not in listed.text


async def test_the_script_is_told_which_page_still_waits(house: House) -> None:
    admin = await house.admin()
    waits, declined = await house.person("ann", by=None), await house.person("bob", by=admin, decision="reject")
    async with house.client() as stranger, house.client(waits) as ann, house.client(declined) as bob:
        pages = [(await client.get("/waiting")).text for client in (stranger, ann, bob)]

    assert ["data-undecided" in page for page in pages] == [False, True, False]


async def test_an_account_is_suspended_after_a_question_and_reactivated(house: House) -> None:
    admin = await house.admin()
    ann = await house.person("ann", by=admin)
    async with house.client(admin) as root, house.client(ann) as client:
        user_id = (await client.get("/api/v1/users/me")).json()["id"]
        at = f"/admin/users/{user_id}"
        listed = (await root.get("/admin/users")).text
        asked = await root.get(f"{at}/suspend")
        suspended = await root.post(f"{at}/suspend")
        shut_out = await client.get("/api/v1/users/me")
        then = (await root.get("/admin/users")).text
        restored = await root.post(f"{at}/restore")
        entered = await client.post("/login", data={"login": "ann", "password": PASSWORD})
        back = await client.get("/api/v1/users/me")
        own_id = (await root.get("/api/v1/users/me")).json()["id"]
        oneself = await root.post(f"/admin/users/{own_id}/suspend")

    assert (f'href="{at}/suspend"' in listed, f'action="{at}/restore"' in listed) == (True, False)
    assert (f'href="{at}/suspend"' in then, f'action="{at}/restore"' in then) == (False, True)
    assert own_id + "/suspend" not in listed
    assert "Suspend <bdi>ann</bdi>?" in asked.text
    assert (suspended.headers["location"], shut_out.status_code) == ("/admin/users?notice=suspended", 401)
    assert (restored.headers["location"], entered.status_code) == ("/admin/users?notice=restored", 303)
    assert (back.status_code, oneself.status_code) == (200, 409)


async def test_a_receipt_that_was_made_up_tells_nothing(house: House) -> None:
    admin = await house.admin()
    async with house.client(admin) as root:
        user_id = (await root.get("/api/v1/users/me")).json()["id"]
    async with house.client() as eve:
        eve.cookies.set("__Host-request", f"{user_id}.{'0' * 64}")
        page = await eve.get("/waiting")

    assert "You are in" not in page.text


async def test_the_login_page_of_a_new_server_tells_where_the_first_account_comes_from(house: House) -> None:
    async with house.client() as client:
        before = await client.get("/login")
        await house.admin()
        after = await client.get("/login")

    assert "The first administrator is made with the setup link." in before.text
    assert "setup link" not in after.text


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


async def test_a_hash_of_an_older_release_lets_in_once_and_is_replaced(house: House) -> None:
    old = bcrypt.hashpw(LONG.encode()[:72], bcrypt.gensalt(4)).decode()
    await house.person("ann", by=await house.admin())
    await house.runtime.database.write(lambda session: _store_hash(session, "ann", old))

    async with house.client() as client:
        wrong = await client.post("/login", data={"login": "ann", "password": "another password"})
        unchanged = await house.runtime.database.read(lambda session: _hash_of(session, "ann"))
        first = await client.post("/login", data={"login": "ann", "password": LONG})
        replaced = await house.runtime.database.read(lambda session: _hash_of(session, "ann"))
        again = await client.post("/login", data={"login": "ann@corp.example", "password": LONG})
        cut = await client.post("/login", data={"login": "ann", "password": LONG[:72]})
        kept = await house.runtime.database.read(lambda session: _hash_of(session, "ann"))

    assert (wrong.status_code, unchanged) == (422, old)
    assert (first.status_code, again.status_code, cut.status_code) == (303, 303, 422)
    assert replaced.startswith("$argon2id$")
    assert kept == replaced


async def test_a_better_hash_does_not_undo_a_change_of_the_password(house: House) -> None:
    await house.person("ann", by=await house.admin())

    async def race(session: AsyncSession) -> bool:
        stored = await accounts.credentials(session, "ann")
        assert stored.user_id is not None
        await _store_hash(session, "ann", "newer")
        return await accounts.rehash(session, stored.user_id, str(stored.hashed_password), "better")

    assert not await house.runtime.database.write(race)
    assert await house.runtime.database.read(lambda session: _hash_of(session, "ann")) == "newer"


async def _store_hash(session: AsyncSession, name: str, hashed: str) -> None:
    await session.execute(
        text("UPDATE users SET hashed_password = :hashed WHERE username = :name"), {"hashed": hashed, "name": name}
    )


async def _hash_of(session: AsyncSession, name: str) -> str:
    found = await session.scalar(text("SELECT hashed_password FROM users WHERE username = :name"), {"name": name})
    return str(found)
