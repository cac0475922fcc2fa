"""Databases at head on SQLite and PostgreSQL, new for each test; on PostgreSQL the service's role uses them.

async def test_both(database_urls: DatabaseUrls) -> None:
    database = open_database(database_urls)
"""

import asyncio
import functools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection

from pcap_analyzer.store import grants, upgrade
from pcap_analyzer.store.connections import tool_connection
from pcap_analyzer.store.urls import DatabaseUrl, DatabaseUrls, parse_url, parse_urls
from tests.head_database import at_head
from tests.postgres import APP, OWNER, PgDatabase, Server

NOWHERE = Path("/nonexistent")


def postgres_at_head(cluster: Server) -> PgDatabase:
    """A new, empty database at head, in which the service's role has its rights; whoever asks for it drops it."""
    return cluster.create_database(template=_template(cluster))


def postgres_urls(database: PgDatabase) -> DatabaseUrls:
    """As a deployment with two roles has them: the service's, and the owner's as the direct one."""
    return parse_urls(database.app_url, database.owner_url, "", data_dir=NOWHERE)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_urls(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DatabaseUrls]:
    """A new, empty database at head on each of the two."""
    if request.param == "sqlite":
        url = at_head(tmp_path / "test.db")
        yield DatabaseUrls(url, url)
        return
    cluster: Server = request.getfixturevalue("cluster")
    database = postgres_at_head(cluster)
    yield postgres_urls(database)
    cluster.drop_database(database.name)


@functools.cache
def _template(cluster: Server) -> str:
    """Made once for each server: the chain itself is tested in tests/migrations."""
    made = cluster.create_database()
    url = parse_url(made.owner_url, data_dir=NOWHERE)
    with ThreadPoolExecutor(max_workers=1) as elsewhere:  # whoever asks may be in an event loop already
        elsewhere.submit(asyncio.run, _build(url)).result()
    return made.name


async def _build(url: DatabaseUrl) -> None:
    await upgrade.apply(url, "head")
    async with tool_connection(url, "grants") as connection:
        await connection.run_sync(_grant)
        await connection.commit()


def _grant(connection: Connection) -> None:
    for statement in grants.statements(APP.name, OWNER.name):
        connection.exec_driver_sql(statement)
