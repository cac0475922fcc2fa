"""From a stranger to a report on every foundation: SQLite, PostgreSQL, and PostgreSQL behind PgBouncer."""

import asyncio

import pytest
from sqlalchemy import text

from pcap_analyzer.store.session import open_database
from tests.waiting import until
from tests.web.house import PASSWORD, House

FOUNDATIONS = pytest.mark.parametrize("foundation", ["", "postgresql", "pgbouncer"], indirect=True)


@FOUNDATIONS
async def test_a_stranger_is_let_in_uploads_reads_and_deletes(house: House, capture: bytes) -> None:
    admin = await house.admin()
    async with house.client() as client, house.client(admin) as office:
        form = {"username": "Uma", "email": "Uma@corp.example", "password": PASSWORD, "reason": "Naïve \0 reason"}
        asked = await client.post("/register", data=form)
        before = await client.post("/login", data={"login": "uma", "password": PASSWORD})
        shut_out = await client.get("/api/v1/tasks")
        (waiting,) = (await office.get("/api/v1/users?status=pending")).json()["users"]
        approved = await office.post(f"/admin/users/{waiting['id']}/approve")
        again = await office.post(f"/admin/users/{waiting['id']}/approve")
        await client.post("/login", data={"login": "UMA@corp.example", "password": PASSWORD})
        made = await client.post("/api/v1/tasks?filename=one%00.pcap", content=capture)
        url = f"/api/v1/tasks/{made.json()['id']}"

        async def analysed() -> bool:
            return bool((await client.get(url)).json()["status"] == "completed")

        await until(analysed)
        events, found = await client.get(f"{url}/events"), await client.get("/api/v1/tasks?q=ONE")
        report = await client.get(f"/tasks/{made.json()['id']}/report.json")
        retried = await client.post(f"/tasks/{made.json()['id']}/retry")
        deleted, gone = await client.delete(url), await client.get(url)

    assert (asked.status_code, before.status_code, shut_out.status_code) == (303, 303, 403)
    assert (approved.status_code, again.status_code, made.status_code) == (303, 409, 201)
    assert "event: done" in events.text
    assert [task["id"] for task in found.json()["tasks"]] == [made.json()["id"]]
    assert report.json()["capture"]["frames"] == 20
    assert (retried.status_code, deleted.status_code, gone.status_code) == (409, 204, 404)
    assert house.files() == []


@FOUNDATIONS
@pytest.mark.parametrize("path", ["/api/v1/tasks/no-uuid", "/tasks/x%00y", "/setup/%FF", "/api/v1/tasks?q=%00"])
async def test_what_no_database_can_hold_is_no_mistake(house: House, path: str) -> None:
    async with house.client(await house.admin()) as client:
        answer = await client.get(path)

    assert answer.status_code in {200, 404}


@FOUNDATIONS
async def test_readiness_says_what_it_looked_at(house: House) -> None:
    async with house.client() as client:
        answer = await client.get("/health/ready")

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "database": "ok",
        "revision": "ok",
        "storage": "ok",
        "disk": "ok",
        "queue": {"runs": "here", "waiting": 0, "running": 0},
    }


@pytest.mark.parametrize("foundation", ["postgresql"], indirect=True)
async def test_probes_of_a_database_that_hangs_wait_for_one_answer(house: House) -> None:
    database, elsewhere = house.runtime.database, open_database(house.runtime.settings.database_urls())
    async with elsewhere.transaction() as session:
        await session.execute(text("LOCK TABLE tasks"))
        before = database.pool()
        async with house.client() as client:
            answers = await asyncio.gather(*(client.get("/health/ready") for _ in range(4)))
            answers += await asyncio.gather(*(client.get("/health/ready") for _ in range(4)))
        during = database.pool()
    async with house.client() as client:

        async def ready() -> bool:
            return (await client.get("/health/ready")).status_code == 200

        await until(ready)
    await elsewhere.close()

    assert {(answer.status_code, answer.json()["database"]) for answer in answers} == {
        (503, "The database does not answer.")
    }
    assert before is not None
    assert during is not None
    assert during.in_use - before.in_use <= 3  # the dispatcher and the count of tasks may wait as well
