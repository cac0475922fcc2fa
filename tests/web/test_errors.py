"""A failure is a page for people and problem+json for programs, with an id that the log has too."""

import re

import pytest

from pcap_analyzer.services import tasks
from tests.web.house import House


async def test_programs_get_problem_json(house: House) -> None:
    async with house.client(await house.admin()) as client:
        answer = await client.get("/api/v1/tasks/nothing")

    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (problem["status"], problem["title"], problem["detail"]) == (404, "Not found", "There is no such analysis.")
    assert re.fullmatch("[0-9a-f]{8}", problem["error_id"])


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("/tasks/nothing", "Look for it in the list of analyses."),
        ("/nowhere", "Check the address"),
        ("/setup/used", "If an administrator exists already, log in"),
    ],
)
async def test_what_is_not_found_is_looked_for_where_it_may_be(house: House, path: str, hint: str) -> None:
    async with house.client(await house.admin(), accept="text/html") as client:
        answer = await client.get(path)

    assert answer.status_code == 404
    assert hint in answer.text


@pytest.mark.parametrize("path", ["/nowhere", "/static/nothing", "/tasks/nothing"])
async def test_an_error_page_keeps_the_frame_of_who_is_logged_in(house: House, path: str) -> None:
    async with house.client(await house.admin(), accept="text/html") as client:
        answer = await client.get(path)

    assert answer.status_code == 404
    assert "root@corp.example" in answer.text
    assert 'href="/login"' not in answer.text


async def test_people_get_a_page(house: House) -> None:
    async with house.client(await house.admin(), accept="text/html,*/*;q=0.8") as client:
        answer = await client.get("/tasks/nothing")

    assert answer.status_code == 404
    assert "There is no such analysis." in answer.text
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/?page=zero", 422), ("/tasks/x/retry", 405)])
async def test_the_framework_s_own_errors_look_the_same(house: House, path: str, status: int) -> None:
    async with house.client(await house.admin()) as client:
        page = await client.get(path, headers={"Accept": "text/html"})
        problem = await client.get(path)

    assert page.status_code == problem.status_code == status
    assert page.headers["content-type"].startswith("text/html")
    assert problem.json()["status"] == status


async def test_a_mistake_shows_an_id_and_nothing_of_the_inside(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def mistaken(*_given: object) -> None:
        raise RuntimeError("inner secret")

    monkeypatch.setattr(tasks, "overview", mistaken)
    async with house.client(await house.admin()) as client:
        answer = await client.get("/")

    problem = answer.json()
    assert answer.status_code == 500
    assert "inner secret" not in answer.text
    assert problem["error_id"] in caplog.text
    assert "inner secret" in caplog.text
    assert "content-security-policy" in answer.headers
