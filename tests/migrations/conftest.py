"""A database of either kind, new for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pcap_analyzer.store.urls import DatabaseUrl, PostgresUrl, SqliteUrl, parse_url
from tests.postgres import Server


@pytest.fixture
def postgres_url(cluster: Server) -> Iterator[PostgresUrl]:
    """An empty database of the role that owns it."""
    database = cluster.create_database()
    url = parse_url(database.owner_url, data_dir=Path())
    assert isinstance(url, PostgresUrl)
    yield url
    cluster.drop_database(database.name)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> DatabaseUrl:
    if request.param == "sqlite":
        return SqliteUrl(tmp_path / "test.db")
    found: PostgresUrl = request.getfixturevalue("postgres_url")
    return found
