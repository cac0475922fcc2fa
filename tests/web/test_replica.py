"""Lists may come from a replica that lags; whoever has just written sees it all the same."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from pcap_analyzer.store.session import AsyncSession
from tests.needs import need
from tests.postgres import APP, OWNER
from tests.waiting import until
from tests.web.house import PASSWORD, House
from tests.web.replicated import UPLOAD, Pair, comes_in, house_on, replicated

DELAY_MS = 2000


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    need("postgresql")
    with replicated(DELAY_MS) as started:
        yield started


@pytest.fixture
async def house(tmp_path: Path, pair: Pair) -> AsyncIterator[House]:
    async with house_on(tmp_path, pair.settings()) as house:
        yield house


async def execute(house: House, sql: str) -> None:
    async with house.runtime.database.transaction() as session:
        await session.execute(text(sql))


async def forget_writes(house: House) -> None:
    """As if everybody had logged in and written long ago."""
    await execute(house, "UPDATE sessions SET wrote_at = NULL")


async def listed(client: httpx.AsyncClient) -> set[str]:
    found = (await client.get("/api/v1/tasks")).json()
    return {one["id"] for one in found["active"] + found["tasks"]}


async def test_everybody_sees_what_they_did_and_others_a_little_later(house: House, capture: bytes) -> None:
    admin, another = await house.admin(), await house.person("another", by=None)
    await execute(house, "UPDATE users SET role = 'admin', is_approved = true, is_active = true")
    await forget_writes(house)
    async with house.client(another) as other:
        seen = [await comes_in(house, admin, f"person{number}", capture) for number in range(5)]
        late = await listed(other)

        async def caught_up() -> bool:
            return len(await listed(other)) == 5

        await until(caught_up)

    assert seen == [True] * 5
    assert len(late) < 5  # so the replica is what others read


async def test_who_writes_sees_it_in_every_browser_and_after_another_login(house: House, capture: bytes) -> None:
    writing = await house.person("uma", by=await house.admin())
    async with house.client(writing) as here, house.client() as elsewhere, house.client() as later:
        await elsewhere.post("/login", data={"login": "uma", "password": PASSWORD})
        await forget_writes(house)
        task = (await here.post(UPLOAD, content=capture)).json()["id"]
        seen_elsewhere = await listed(elsewhere)
        await here.post("/logout")
        await later.post("/login", data={"login": "uma", "password": PASSWORD})
        seen_later = await listed(later)

    assert (seen_elsewhere, seen_later) == ({task}, {task})


async def test_a_report_can_be_downloaded_as_soon_as_it_is_there(house: House, capture: bytes) -> None:
    replica = house.runtime.database.replica
    assert replica is not None
    async with house.client(await house.person("uma", by=await house.admin())) as client:
        task = (await client.post(UPLOAD, content=capture)).json()["id"]

        async def completed() -> bool:
            return bool((await client.get(f"/api/v1/tasks/{task}")).json()["status"] == "completed")

        await until(completed)
        key = f"results/{task}/report.json"
        await execute(house, "UPDATE tasks SET status = 'processing', report_key = NULL")

        async def replica_has_it_running() -> bool:
            async with replica.engine.connect() as connection:
                return str(await connection.scalar(text("SELECT status FROM tasks"))) == "processing"

        await until(replica_has_it_running)
        await forget_writes(house)
        await execute(house, f"UPDATE tasks SET status = 'completed', report_key = '{key}'")
        answers = [(await client.get(f"/tasks/{task}/report.{kind}")).status_code for kind in ("json", "html")]

    assert answers == [200, 200]


async def test_a_replica_that_hangs_leaves_the_lists_to_the_primary(house: House, pair: Pair, capture: bytes) -> None:
    replica = house.runtime.database.replica
    assert replica is not None
    async with house.client(await house.person("uma", by=await house.admin())) as client:
        task = (await client.post(UPLOAD, content=capture)).json()["id"]
        await forget_writes(house)
        with pair.replica.hung():
            async with asyncio.timeout(15):
                seen = await asyncio.gather(*(listed(client) for _ in range(20)))
            kept_up = replica.keeps_up()
            async with asyncio.timeout(1):
                afterwards = await listed(client)

    assert (seen, afterwards, kept_up) == ([{task}] * 20, {task}, False)


async def test_what_a_replica_lacks_yet_is_read_from_the_primary(house: House, pair: Pair) -> None:
    database = house.runtime.database
    name = str(await database.read(lambda session: session.scalar(text("SELECT current_database()"))))
    pair.primary.psql(f"CREATE TABLE made_later (id int); GRANT SELECT ON made_later TO {APP.name}", name, OWNER)

    async def work(session: AsyncSession) -> str:
        return str(await session.scalar(text("SELECT count(*) FROM made_later")))

    assert await database.read(work, may_lag=True) == "0"


async def test_a_mistake_while_measuring_ends_no_watcher(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    replica = house.runtime.database.replica
    assert replica is not None

    async def mistaken() -> float:
        raise ZeroDivisionError

    monkeypatch.setattr(replica, "measure", mistaken)

    async def is_given_up() -> bool:
        return not replica.keeps_up()

    async def is_read_again() -> bool:
        return replica.keeps_up()

    await until(is_given_up)
    monkeypatch.undo()
    await until(is_read_again)


async def test_a_session_that_reads_refuses_to_write(house: House) -> None:
    async def write(session: AsyncSession) -> None:
        await session.execute(text("DELETE FROM sessions"))

    for may_lag in (False, True):
        with pytest.raises(RuntimeError, match="asked to write"):
            await house.runtime.database.read(write, may_lag=may_lag)
