"""A real database at head, new for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pcap_analyzer.store.session import Database, open_database
from pcap_analyzer.store.urls import DatabaseUrls, SqliteUrl
from tests.head_database import at_head


@pytest.fixture
def url(tmp_path: Path) -> SqliteUrl:
    return at_head(tmp_path / "test.db")


@pytest.fixture
async def database(url: SqliteUrl) -> AsyncIterator[Database]:
    database = open_database(DatabaseUrls(url, url))
    yield database
    await database.close()
