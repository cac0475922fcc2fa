"""What tests of every folder may ask for."""

import os
from collections.abc import Iterator

import pytest

from tests.databases import database_urls
from tests.needs import need
from tests.postgres import Cluster, Server, given_server

__all__ = ["cluster", "database_urls"]


@pytest.fixture(scope="session")
def cluster() -> Iterator[Server]:
    """The server of TEST_DATABASE_URL, else one that the first test to ask for it starts for the whole run.

    It stays up: a test that stops, restarts or reconfigures a server makes a Cluster of its own.
    """
    if url := os.environ.get("TEST_DATABASE_URL"):
        yield given_server(url)
        return
    need("postgresql")
    with Cluster() as own:
        yield own
