"""Databases that carry one of the five deployed revisions, on both databases: upgraded in place, and people log in."""

from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select, table

from pcap_analyzer.store import upgrade
from pcap_analyzer.store.connections import on_connection
from pcap_analyzer.store.urls import DatabaseUrl, DatabaseUrls, PostgresUrl
from tests.migrations import legacy, seeds
from tests.migrations.test_adoption import let_in

STEPS = range(1, 6)


def counted(connection: Connection) -> dict[str, int]:
    names = [*legacy.columns_of(5), "adopted_orphans"]
    return {name: connection.scalar(select(func.count()).select_from(table(name))) or 0 for name in names}


async def upgraded(url: DatabaseUrl, step: int, before: dict[str, int]) -> None:
    done = await upgrade.upgrade(url)

    assert (done.before, done.adopted) == (legacy.CHAIN[step - 1], None)
    after = await on_connection(url, "test", counted)
    assert sum(after.values()) == sum(before.values())
    assert await on_connection(url, "test", seeds.faults) == []
    assert await let_in(DatabaseUrls(url, url)) == list(legacy.PASSWORDS)


@pytest.mark.parametrize("step", STEPS)
async def test_sqlite_at_a_deployed_revision_keeps_every_row_and_lets_its_users_in(tmp_path: Path, step: int) -> None:
    url = legacy.build_chain(tmp_path / "old.db", step)

    await upgraded(url, step, legacy.counts(url.path))


@pytest.mark.parametrize("step", STEPS)
async def test_postgresql_at_a_deployed_revision_keeps_every_row_and_lets_its_users_in(
    postgres_url: PostgresUrl, step: int
) -> None:
    await legacy.fill_postgres(postgres_url, step)
    names = legacy.columns_of(step)
    before = {name: sum(1 for table_name, _row in legacy.rows() if table_name == name) for name in names}

    await upgraded(postgres_url, step, before)
