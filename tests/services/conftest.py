"""A real database at head, new for each test."""

from collections.abc import AsyncIterator

import pytest

from pcap_analyzer.store.session import Database, open_database
from pcap_analyzer.store.urls import DatabaseUrls


@pytest.fixture
async def database(database_urls: DatabaseUrls) -> AsyncIterator[Database]:
    """On each of the two databases in turn; on PostgreSQL as the role that serves."""
    database = open_database(database_urls)
    yield database
    await database.close()
