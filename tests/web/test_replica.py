"""Lists may come from a replica that lags; whoever has just written sees it all the same."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from pcap_analyzer.store.session import AsyncSession
from tests.databases import postgres_at_head
from tests.needs import need
from tests.postgres import Cluster
from tests.waiting import until
from tests.web.house import PASSWORD, House, open_house

UPLOAD = "/api/v1/tasks?filename=one.pcap"
DELAY_MS = 2000


@pytest.fixture(scope="module")
def urls() -> Iterator[dict[str, object]]:
    """A primary at head, and a replica that shows commits two seconds late."""
    need("postgresql")
    with Cluster() as primary:
        made = postgres_at_head(primary)
        with primary.replica(DELAY_MS) as replica:
            yield {
                "database_url": made.app_url,
                "database_direct_url": made.owner_url,
                "database_replica_url": replica.database(made.name).app_url,
            }


@pytest.fixture
async def house(tmp_path: Path, urls: dict[str, object]) -> AsyncIterator[House]:
    async with open_house(tmp_path / "data", **urls) as house:
        replica = house.runtime.database.replica
        assert replica is not None

        async def keeps_up() -> bool:
            return replica.keeps_up()

        await until(keeps_up)
        yield house


async def comes_in(house: House, admin: str, name: str, capture: bytes) -> bool:
    """Ask for access, be approved, log in, upload: is it in the list?"""
    async with house.client() as client, house.client(admin) as office:
        form = {"username": name, "email": f"{name}@corp.example", "password": PASSWORD}
        await client.post("/register", data=form)
        user_id = await house.runtime.database.read(
            lambda session: session.scalar(text("SELECT id FROM users WHERE username = :name"), {"name": name})
        )
        approved = await office.post(f"/admin/users/{user_id}/approve")
        assert approved.status_code == 303, approved.text
        entered = await client.post("/login", data={"login": name, "password": PASSWORD})
        assert entered.status_code == 303, entered.text
        task = (await client.post(UPLOAD, content=capture)).json()["id"]
        found = (await client.get("/api/v1/tasks")).json()
        return task in {one["id"] for one in found["active"] + found["tasks"]}


async def test_everybody_sees_what_they_did_and_others_a_little_later(house: House, capture: bytes) -> None:
    admin = await house.admin()
    async with house.client() as other:  # the same person elsewhere, who has not written there
        await other.post("/login", data={"login": "root", "password": PASSWORD})
        seen = [await comes_in(house, admin, f"person{number}", capture) for number in range(10)]
        late = (await other.get("/api/v1/tasks?page=1")).json()

        async def caught_up() -> bool:
            found = (await other.get("/api/v1/tasks")).json()
            return len(found["active"]) + len(found["tasks"]) == 10

        await until(caught_up)

    assert seen == [True] * 10
    assert len(late["active"]) + len(late["tasks"]) < 10  # so the replica is what others read


async def test_a_session_that_reads_refuses_to_write(house: House) -> None:
    async def write(session: AsyncSession) -> None:
        await session.execute(text("DELETE FROM sessions"))

    for may_lag in (False, True):
        with pytest.raises(RuntimeError, match="asked to write"):
            await house.runtime.database.read(write, may_lag=may_lag)
