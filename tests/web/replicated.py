"""A house on a primary and a streaming replica that shows commits late."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from tests.databases import postgres_at_head
from tests.postgres import Cluster
from tests.waiting import until
from tests.web.house import PASSWORD, House, open_house

UPLOAD = "/api/v1/tasks?filename=one.pcap"


@dataclass(frozen=True)
class Pair:
    """A primary and its replica."""

    primary: Cluster
    replica: Cluster

    def settings(self) -> dict[str, object]:
        """Of a new database at head."""
        made = postgres_at_head(self.primary)
        return {
            "database_url": made.app_url,
            "database_direct_url": made.owner_url,
            "database_replica_url": self.replica.database(made.name).app_url,
        }


@contextmanager
def replicated(delay_ms: int) -> Iterator[Pair]:
    """A replica that is so much behind."""
    with Cluster() as primary, primary.replica(delay_ms) as replica:
        yield Pair(primary, replica)


@asynccontextmanager
async def house_on(folder: Path, urls: dict[str, object]) -> AsyncIterator[House]:
    """A house that reads from the replica already."""
    async with open_house(folder / "data", **urls) as house:
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
