"""A service for each test."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.bouncer import PgBouncer
from tests.databases import postgres_at_head
from tests.needs import need
from tests.packets import Frame, write_pcap
from tests.postgres import Server
from tests.web.house import House, open_house


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # no .env is found there
    for name in ("DATA_DIR", "DATABASE_URL", "DATABASE_DIRECT_URL", "PUBLIC_URL", "INSECURE_HTTP", "MAX_UPLOAD_BYTES"):
        monkeypatch.delenv(name, raising=False)


#: What the house stands on: nothing for SQLite, "postgresql", or "pgbouncer" for PostgreSQL behind it.
STANDS_ON = "TEST_HOUSE_ON"


@pytest.fixture
def foundation(request: pytest.FixtureRequest) -> Iterator[dict[str, object]]:
    """The settings of the database: SQLite, or what TEST_HOUSE_ON or the test's own parameter names."""
    kind = getattr(request, "param", os.environ.get(STANDS_ON, ""))
    if not kind:
        yield {}
        return
    cluster: Server = request.getfixturevalue("cluster")
    database = postgres_at_head(cluster)
    with ExitStack() as stack:
        stack.callback(cluster.drop_database, database.name)
        settings: dict[str, object] = {"database_url": database.app_url, "database_direct_url": database.owner_url}
        if kind == "pgbouncer":
            bouncer: Server = request.getfixturevalue("bouncer")
            settings |= {"database_url": bouncer.database(database.name).app_url, "database_pgbouncer": True}
        yield settings


@pytest.fixture(scope="session")
def bouncer(cluster: Server) -> Iterator[Server]:
    """A PgBouncer in transaction mode before the cluster of the run; TEST_PGBOUNCER_PORT names one that is there."""
    if port := os.environ.get("TEST_PGBOUNCER_PORT"):
        yield Server(cluster.host, int(port), cluster.superuser)
        return
    need("pgbouncer")
    with PgBouncer(cluster) as started:
        yield started


@pytest.fixture
async def house(tmp_path: Path, foundation: dict[str, object]) -> AsyncIterator[House]:
    async with open_house(tmp_path / "data", **foundation) as house:
        yield house


@pytest.fixture
def capture(tmp_path: Path) -> bytes:
    """A small pcap of frames that hold nothing."""
    path = tmp_path / "made.pcap"
    write_pcap(path, [Frame(1_700_000_000_000_000_000 + number, b"\0" * 60) for number in range(20)])
    return path.read_bytes()
