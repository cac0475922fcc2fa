"""Nothing that a stranger sends is answered with a mistake of ours."""

import httpx
import pytest

from tests.web.house import House

FORM, MULTIPART, JSON = "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json"
BODIES = (
    b"",
    b"&&&&==",
    b"a=b&" * 5000,
    b"login=%00&password=%ff%fe",
    b"login=\xff\xfe&password=\x00",
    b"login=%ED%A0%80&password=" + b"x" * 60_000,
    b"username=ab%ED%A0%80&email=a%ED%A0%80@b&password=abcdefghijklmnopqrst%ED%A0%80&reason=%00",
)
FORMS = (
    "/login",
    "/register",
    "/setup/x",
    "/admin/users/%00/reject",
    "/admin/users/a/approve",
    "/tasks/%00/retry",
    "/tasks/%ff/delete",
)
ADDRESSES = (
    "/?q=%00",
    "/?q=%ED%A0%80",
    "/?q=%ff",
    "/?page=999999999999999999999",
    "/?page=-1",
    "/?owner=x&notice=%3Cscript%3E",
    "/tasks/%00",
    "/tasks/%ED%A0%80",
    "/tasks/" + "a" * 5000,
    "/api/v1/tasks/%ff/events",
    "/api/v1/tasks?page=1000000&q=%25_%5C",
    "/login?next=%00",
    "/static/%00",
    "/static/%2e%2e/app.py",
    "/setup/%ED%A0%80",
)
HEADERS = (
    {"Last-Event-ID": "x"},
    {"Last-Event-ID": "9" * 30},
    {"Cookie": "__Host-session=\x7f"},
    {"Cookie": "__Host-session=" + "a" * 5000},
    {"Host": "x y"},
    {"Origin": "http://["},
)


def mistakes(answers: list[httpx.Response]) -> list[str]:
    return [f"{answer.request.method} {answer.request.url}" for answer in answers if answer.status_code >= 500]


@pytest.mark.parametrize("kind", [FORM, MULTIPART, JSON])
async def test_malformed_bodies_are_refused(house: House, kind: str) -> None:
    async with house.client(await house.admin(), accept="text/html") as client:
        answers = [
            await client.post(path, content=body, headers={"Content-Type": kind}) for path in FORMS for body in BODIES
        ]

    assert mistakes(answers) == []


@pytest.mark.parametrize("accept", ["text/html", "*/*"])
async def test_malformed_addresses_are_refused(house: House, accept: str) -> None:
    async with house.client(await house.admin(), accept=accept) as client:
        answers = [await client.get(address) for address in ADDRESSES]

    assert mistakes(answers) == []


async def test_malformed_headers_are_refused(house: House) -> None:
    async with house.client(await house.admin()) as client:
        answers = [
            await client.request(method, path, headers=headers)
            for headers in HEADERS
            for method, path in (("GET", "/api/v1/tasks/x/events"), ("POST", "/login"), ("GET", "/"))
        ]

    assert mistakes(answers) == []
