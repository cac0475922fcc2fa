"""A real database at head, new for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pcap_analyzer.store import upgrade
from pcap_analyzer.store.session import Database, SqliteUrl, open_database


@pytest.fixture
def url(tmp_path: Path) -> SqliteUrl:
    url = SqliteUrl(tmp_path / "test.db")
    upgrade.upgrade(url)
    return url


@pytest.fixture
async def database(url: SqliteUrl) -> AsyncIterator[Database]:
    database = open_database(url)
    yield database
    await database.close()
