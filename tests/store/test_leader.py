"""One process leads; whoever loses the lock is told so, and another one takes over."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pcap_analyzer.store.leader import Alone, Elected, leader_of
from pcap_analyzer.store.urls import DatabaseUrl, SqliteUrl, parse_url
from tests.postgres import Server
from tests.waiting import until

LOCK_HOLDERS = "FROM pg_locks JOIN pg_database d ON d.oid = database WHERE locktype = 'advisory' AND granted"


@pytest.fixture
def url(cluster: Server) -> Iterator[DatabaseUrl]:
    database = cluster.create_database()
    yield parse_url(database.owner_url, data_dir=Path())
    cluster.drop_database(database.name)


def terminate_leader(cluster: Server, url: DatabaseUrl) -> None:
    cluster.psql(f"SELECT pg_terminate_backend(pid) {LOCK_HOLDERS} AND datname = '{_name(url)}'")


def _name(url: DatabaseUrl) -> str:
    assert not isinstance(url, SqliteUrl)
    return url.database


async def test_one_leads_until_it_resigns(url: DatabaseUrl) -> None:
    first, second = Elected(url), Elected(url)

    before = (await first.leads(), await second.leads(), await first.leads())
    await first.resign()
    after = await second.leads()
    await second.resign()

    assert before == (True, False, True)
    assert after


async def test_who_loses_the_connection_is_told_once_and_may_lead_again(cluster: Server, url: DatabaseUrl) -> None:
    leader = Elected(url)
    await leader.leads()
    terminate_leader(cluster, url)

    told = await leader.leads()
    await until(leader.leads)
    await leader.resign()

    assert not told


async def test_the_lock_of_a_dead_leader_is_free(cluster: Server, url: DatabaseUrl) -> None:
    dead, heir = Elected(url), Elected(url)
    await dead.leads()
    terminate_leader(cluster, url)

    await until(heir.leads)
    deposed = await dead.leads()
    await heir.resign()
    await dead.resign()

    assert not deposed


async def test_nobody_leads_while_the_server_is_away() -> None:
    nowhere = parse_url("postgresql://u:p@127.0.0.1:1/x", data_dir=Path())
    leader = Elected(nowhere)

    assert not await leader.leads()
    await leader.resign()


async def test_on_sqlite_the_folder_s_lock_decides(tmp_path: Path) -> None:
    leader = leader_of(SqliteUrl(tmp_path / "x.db"))

    assert isinstance(leader, Alone)
    assert await leader.leads()
