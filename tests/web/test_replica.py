"""Lists may come from a replica that lags; whoever has just written sees it all the same."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from pcap_analyzer.store.session import AsyncSession
from tests.needs import need
from tests.waiting import until
from tests.web.house import PASSWORD, House
from tests.web.replicated import comes_in, house_on, replicated

DELAY_MS = 2000


@pytest.fixture(scope="module")
def urls() -> Iterator[dict[str, object]]:
    need("postgresql")
    with replicated(DELAY_MS) as settings:
        yield settings


@pytest.fixture
async def house(tmp_path: Path, urls: dict[str, object]) -> AsyncIterator[House]:
    async with house_on(tmp_path, urls) as house:
        yield house


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
