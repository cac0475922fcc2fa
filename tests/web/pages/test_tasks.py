"""Home and the pages of a task, with the analysis as it really runs."""

from datetime import UTC, datetime

import httpx
from sqlalchemy import text

from pcap_analyzer.report import schema
from pcap_analyzer.store import tasks as rows
from tests.waiting import until
from tests.web.house import House

URL = "/api/v1/tasks?filename=one.pcap"


async def analysed(client: httpx.AsyncClient, capture: bytes) -> str:
    """The page of a capture that was uploaded and analysed."""
    url = str((await client.post(URL, content=capture)).json()["url"])

    async def over() -> bool:
        task = (await client.get(f"/api/v1{url}")).json()
        assert task["status"] != "failed", task
        return bool(task["status"] == "completed")

    await until(over)
    return url


async def test_from_upload_to_report_and_downloads(house: House, capture: bytes) -> None:
    async with house.client(await house.admin(), accept="text/html") as client:
        url = await analysed(client, capture)
        page, home = await client.get(url), await client.get("/")
        as_json, as_html = await client.get(f"{url}/report.json"), await client.get(f"{url}/report.html")

    assert page.status_code == home.status_code == 200
    assert "one.pcap" in home.text
    assert schema.load(as_json.content).capture.frames == 20
    assert as_json.headers["content-disposition"].startswith('attachment; filename="one.pcap.json"')
    assert as_html.headers["content-disposition"].startswith('attachment; filename="one.pcap.html"')
    assert as_html.text.startswith("<!doctype html>")


async def test_deletion_removes_rows_and_files(house: House, capture: bytes) -> None:
    async with house.client(await house.admin(), accept="text/html") as client:
        url = await analysed(client, capture)
        asked = await client.get(f"{url}/delete")
        deleted = await client.post(f"{url}/delete")
        after = await client.get(url)

    assert asked.status_code == 200
    assert (deleted.status_code, deleted.headers["location"]) == (303, "/?notice=deleted")
    assert after.status_code == 404
    assert house.files() == []


async def test_a_failed_task_says_why_and_is_tried_again(house: House, capture: bytes) -> None:
    async with house.client(await house.admin(), accept="text/html") as client:
        url = await analysed(client, capture)
        async with house.runtime.database.transaction() as session:
            await session.execute(text("UPDATE tasks SET status = 'failed', error_message = 'It was cut short.'"))
        page = await client.get(url)
        again = await client.post(f"{url}/retry")

        async def completed() -> bool:
            return bool((await client.get(f"/api/v1{url}")).json()["status"] == "completed")

        await until(completed)

    assert "It was cut short." in page.text
    assert again.status_code == 303


async def test_what_was_never_analysed_is_listed_without_a_moment(house: House, capture: bytes) -> None:
    async with house.client(await house.admin(), accept="text/html") as client:
        await analysed(client, capture)
        before = (await client.get("/")).text
        async with house.runtime.database.transaction() as session:
            await session.execute(text("UPDATE tasks SET status = 'failed', analyzed_at = NULL"))
        after = (await client.get("/")).text

    cell = 'data-label="Analysed"><'
    assert (f"{cell}time" in before, f"{cell}time" in after) == (True, False)
    assert f'{cell}span class="mut">—</span>' in after


async def test_a_report_that_was_changed_is_said_to_be_gone_and_is_made_again(house: House, capture: bytes) -> None:
    async with house.client(await house.admin(), accept="text/html") as client:
        url = await analysed(client, capture)
        (stored,) = [name for name in house.files() if name.startswith("results")]
        (house.runtime.storage.folder / stored).write_text("{}")
        page, download = await client.get(url), await client.get(f"{url}/report.json")
        again = await client.post(f"{url}/retry")

        async def readable() -> bool:
            return (await client.get(f"{url}/report.json")).status_code == 200

        await until(readable)

    assert (page.status_code, download.status_code, again.status_code) == (200, 410, 303)
    assert "The report is not here" in page.text
    assert "Try again" in page.text


async def test_a_report_that_is_there_is_not_put_at_risk_by_another_run(house: House, capture: bytes) -> None:
    async with house.client(await house.admin(), accept="text/html") as client:
        url = await analysed(client, capture)
        again = await client.post(f"{url}/retry")
        report = await client.get(f"{url}/report.json")

    assert (again.status_code, report.status_code) == (409, 200)


OF_A_TASK = (
    ("GET", ""),
    ("GET", "/delete"),
    ("POST", "/delete"),
    ("POST", "/retry"),
    ("GET", "/report.json"),
    ("GET", "/report.html"),
    ("GET", "/capture"),
)


async def test_another_s_task_does_not_exist(house: House, capture: bytes) -> None:
    admin = await house.admin()
    async with house.client(await house.person("ann", by=admin)) as ann:
        url = await analysed(ann, capture)
    async with house.client(await house.person("bob", by=admin)) as bob:
        answers = [await bob.request(method, url + path) for method, path in OF_A_TASK]
        answers += [await bob.request(method, f"/api/v1{url}") for method in ("GET", "DELETE")]
        answers.append(await bob.get(f"/api/v1{url}/events"))
        listed = (await bob.get("/api/v1/tasks")).json()
        home = await bob.get("/?owner=all")

    assert {answer.status_code for answer in answers} == {404}
    assert (listed["tasks"], listed["active"], listed["total"]) == ([], [], 0)
    assert url not in home.text


async def test_an_administrator_sees_everybody_s_on_demand_with_the_owner(house: House, capture: bytes) -> None:
    admin = await house.admin()
    async with house.client(await house.person("ann", by=admin)) as ann:
        url = await analysed(ann, capture)
    async with house.client(admin) as root:
        mine, everybody = await root.get("/"), await root.get("/?owner=all")

    assert url not in mine.text
    assert url in everybody.text


async def test_a_page_beyond_the_last_is_empty_and_no_error(house: House, capture: bytes) -> None:
    async with house.client(await house.admin()) as client:
        await analysed(client, capture)

        assert (await client.get("/?page=7")).status_code == 200
        assert (await client.get("/?q=nothing-like-it")).status_code == 200


async def test_progress_is_shown_while_a_task_runs(house: House, capture: bytes) -> None:
    async with house.client(await house.admin()) as client:
        url = await analysed(client, capture)
        task_id = url.rsplit("/", 1)[1]
        now = datetime.now(UTC)
        async with house.runtime.database.transaction() as session:
            await session.execute(text("UPDATE tasks SET status = 'pending'"))
            claimed = await rows.claim_next(session, now)
            assert claimed is not None
            await rows.record_progress(session, claimed[0], rows.Snapshot("read", 40.0, 12, 400, 1000, 99), now)
        task = (await client.get(f"/api/v1/tasks/{task_id}")).json()
        page = await client.get(url)

    assert (task["stage"], task["percent"], task["frames"]) == ("read", 40.0, 12)
    assert page.status_code == 200
