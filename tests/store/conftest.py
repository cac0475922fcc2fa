"""A real database at head, new for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pcap_analyzer.store.session import Database, open_database
from pcap_analyzer.store.urls import DatabaseUrls, SqliteUrl
from tests.head_database import at_head


@pytest.fixture
def url(tmp_path: Path) -> SqliteUrl:
    """Of a database on SQLite alone."""
    return at_head(tmp_path / "sqlite.db")


@pytest.fixture
async def database(database_urls: DatabaseUrls) -> AsyncIterator[Database]:
    """On each of the two databases in turn; on PostgreSQL as the role that serves."""
    database = open_database(database_urls)
    yield database
    await database.close()
