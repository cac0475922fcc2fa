"""Every route, as everybody: what is not written down here fails."""

from dataclasses import dataclass

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from sqlalchemy import text
from starlette.routing import Mount

from tests.web.house import House

ROLES = ("anonymous", "pending", "rejected", "user", "admin")


@dataclass(frozen=True)
class Expected:
    """The status that each role is answered with, in the order of ROLES."""

    anonymous: int
    pending: int
    rejected: int
    user: int
    admin: int


EVERY_ROUTE: dict[tuple[str, str], Expected] = {
    ("GET", "/login"): Expected(200, 303, 303, 303, 303),
    ("POST", "/login"): Expected(422, 422, 422, 422, 422),
    ("POST", "/logout"): Expected(303, 303, 303, 303, 303),
    ("GET", "/register"): Expected(200, 303, 303, 303, 303),
    ("POST", "/register"): Expected(422, 422, 422, 422, 422),
    ("GET", "/waiting"): Expected(200, 200, 200, 303, 303),
    ("GET", "/setup/{token}"): Expected(404, 404, 404, 404, 404),
    ("POST", "/setup/{token}"): Expected(422, 422, 422, 422, 422),
    ("GET", "/health/live"): Expected(200, 200, 200, 200, 200),
    ("GET", "/health/ready"): Expected(200, 200, 200, 200, 200),
    ("GET", "/metrics"): Expected(404, 404, 404, 404, 404),
    ("GET", "/"): Expected(401, 403, 403, 200, 200),
    ("POST", "/samples/slow-checkout"): Expected(401, 403, 403, 303, 303),
    ("GET", "/tasks/{task_id}"): Expected(401, 403, 403, 404, 404),
    ("GET", "/tasks/{task_id}/delete"): Expected(401, 403, 403, 404, 404),
    ("POST", "/tasks/{task_id}/delete"): Expected(401, 403, 403, 404, 404),
    ("POST", "/tasks/{task_id}/retry"): Expected(401, 403, 403, 404, 404),
    ("GET", "/tasks/{task_id}/report.json"): Expected(401, 403, 403, 404, 404),
    ("GET", "/tasks/{task_id}/report.html"): Expected(401, 403, 403, 404, 404),
    ("GET", "/tasks/{task_id}/old-report.html"): Expected(401, 403, 403, 404, 404),
    ("GET", "/tasks/{task_id}/old-report.json"): Expected(401, 403, 403, 404, 404),
    ("GET", "/tasks/{task_id}/capture"): Expected(401, 403, 403, 404, 404),
    ("GET", "/admin/users"): Expected(401, 403, 403, 403, 200),
    ("POST", "/admin/users/{user_id}/approve"): Expected(401, 403, 403, 403, 404),
    ("GET", "/admin/users/{user_id}/reject"): Expected(401, 403, 403, 403, 404),
    ("POST", "/admin/users/{user_id}/reject"): Expected(401, 403, 403, 403, 404),
    ("GET", "/admin/users/{user_id}/suspend"): Expected(401, 403, 403, 403, 404),
    ("POST", "/admin/users/{user_id}/suspend"): Expected(401, 403, 403, 403, 404),
    ("POST", "/admin/users/{user_id}/restore"): Expected(401, 403, 403, 403, 404),
    ("POST", "/api/v1/tasks"): Expected(401, 403, 403, 422, 422),
    ("GET", "/api/v1/tasks"): Expected(401, 403, 403, 200, 200),
    ("GET", "/api/v1/tasks/{task_id}"): Expected(401, 403, 403, 404, 404),
    ("DELETE", "/api/v1/tasks/{task_id}"): Expected(401, 403, 403, 404, 404),
    ("GET", "/api/v1/tasks/{task_id}/events"): Expected(401, 403, 403, 404, 404),
    ("GET", "/api/v1/users/me"): Expected(401, 403, 403, 200, 200),
    ("GET", "/api/v1/users"): Expected(401, 403, 403, 403, 200),
}


def routes_of(app: FastAPI) -> set[tuple[str, str]]:
    """Method and path of every route; the built files under /static are public, and nothing else is mounted."""
    found: set[tuple[str, str]] = set()
    for route in iter_route_contexts(app.routes):
        if isinstance(route.original_route, Mount) and route.path == "/static":
            continue
        found |= {(method, str(route.path)) for method in route.methods or {"any"}}
    return found


async def tokens(house: House) -> dict[str, str | None]:
    admin = await house.admin()
    return {
        "anonymous": None,
        "pending": await house.person("pia", by=None),
        "rejected": await house.person("rob", by=admin, decision="reject"),
        "user": await house.person("uma", by=admin),
        "admin": admin,
    }


def test_no_route_is_missing_from_the_list(house: House) -> None:
    assert routes_of(house.app) == set(EVERY_ROUTE)


@pytest.mark.parametrize("role", ROLES)
async def test_every_route_answers_each_role_as_written_down(house: House, role: str) -> None:
    token = (await tokens(house))[role]
    answered = {}
    for method, path in EVERY_ROUTE:
        async with house.client(token) as client:
            address = path.format(token="no-such-token", task_id="no-such-task", user_id="no-such-user")
            # A log-out ends the session that the other routes are asked with, so it gets one of nobody.
            cookies = {"__Host-session": "nobody"} if path == "/logout" else None
            answer = await client.request(method, address, headers=_cookie(cookies))
        answered[method, path] = answer.status_code

    assert answered == {route: getattr(expected, role) for route, expected in EVERY_ROUTE.items()}


def _cookie(cookies: dict[str, str] | None) -> dict[str, str]:
    return {} if cookies is None else {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}


async def test_pages_send_strangers_to_the_login_and_back(house: House) -> None:
    async with house.client(accept="text/html") as client:
        answer = await client.get("/tasks/one?from=1&to=2")

    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/tasks/one%3Ffrom%3D1%26to%3D2")


async def test_pages_send_who_waits_to_the_waiting_page(house: House) -> None:
    async with house.client(await house.person("pia", by=None), accept="text/html") as client:
        answer = await client.get("/")

    assert (answer.status_code, answer.headers["location"]) == (303, "/waiting")


async def test_a_status_that_changes_counts_from_the_next_request(house: House) -> None:
    admin = await house.admin()
    uma = await house.person("uma", by=admin)
    async with house.client(uma) as client:
        before = (await client.get("/api/v1/users/me")).status_code
        async with house.runtime.database.transaction() as session:
            await session.execute(text("UPDATE users SET is_active = false WHERE username = 'uma'"))
        after = (await client.get("/api/v1/users/me")).status_code

    assert (before, after) == (200, 403)
