"""What `db info` and `db verify` learn of a replica."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pcap_analyzer.store.engines import EngineOptions
from pcap_analyzer.store.facts import replica_facts
from pcap_analyzer.store.urls import PostgresUrl, parse_url
from tests.needs import need
from tests.postgres import Cluster


@pytest.fixture
def primary() -> Iterator[Cluster]:
    need("postgresql")
    with Cluster() as made:
        yield made


def parsed(url: str) -> PostgresUrl:
    given = parse_url(url, data_dir=Path())
    assert isinstance(given, PostgresUrl)
    return given


async def test_a_replica_is_measured_against_its_primary(primary: Cluster) -> None:
    database = primary.create_database()
    url = parsed(database.owner_url)
    with primary.replica() as replica:
        there = parsed(replica.database(database.name).owner_url)
        found = await replica_facts(there, url, EngineOptions())
        replica.stop()
        gone = await replica_facts(there, url, EngineOptions())

    assert (found.reachable, found.problem) == (True, None)
    assert found.lag_s is not None
    assert found.lag_s < 2
    assert (gone.reachable, gone.lag_s) == (False, None)
    assert gone.problem is not None


async def test_a_replica_that_does_not_replay_is_told_in_bytes(primary: Cluster) -> None:
    database = primary.create_database()
    with primary.replica(apply_delay_ms=3_600_000) as replica:
        primary.psql("CREATE TABLE written AS SELECT generate_series(1, 1000)", database.name)
        primary.psql("SELECT pg_switch_wal()")  # all of it is written by now
        found = await replica_facts(
            parsed(replica.database("postgres").owner_url),
            parsed(primary.database("postgres").owner_url),
            EngineOptions(),
        )

    assert found.lag_bytes is not None
    assert found.lag_bytes > 0
    assert found.problem is not None
    assert "behind" in found.problem
