"""Every revision: up, down, up, with rows in every table, on both databases."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.config import Config
from pytest_alembic.tests import (  # noqa: F401 - pytest collects them here
    test_model_definitions_match_ddl,
    test_single_head_revision,
    test_up_down_consistency,
    test_upgrade,
)
from sqlalchemy.ext.asyncio import AsyncEngine

from pcap_analyzer.errors import DatabaseUnavailable
from pcap_analyzer.store import chain, upgrade
from pcap_analyzer.store.connections import on_connection
from pcap_analyzer.store.engines import tool_engine
from pcap_analyzer.store.migrations.drift import differences
from pcap_analyzer.store.urls import DatabaseUrl
from tests.migrations import more_revisions, old, seeds, stairs


@pytest.fixture
def alembic_config() -> Config:
    return chain.alembic_config()


@pytest.fixture
def alembic_engine(url: DatabaseUrl) -> AsyncEngine:
    """For the checks of pytest-alembic, which are imported above."""
    return tool_engine(url, "test")


def test_the_chain_keeps_the_ids_and_the_order_of_deployed_databases() -> None:
    assert chain.revisions()[:5] == old.CHAIN


async def test_a_fresh_database_has_exactly_what_the_models_say(url: DatabaseUrl) -> None:
    await upgrade.upgrade(url)

    assert await on_connection(url, "test", differences) == []


async def test_every_revision_goes_up_and_down_and_up_again_with_its_rows(url: DatabaseUrl) -> None:
    await stairs.climb(url, chain.revisions())

    assert set(await on_connection(url, "test", lambda connection: seeds.held(connection, chain.head()))) == set(
        seeds.ROWS
    )


@pytest.mark.parametrize(
    "down",
    [
        'op.execute("DELETE FROM progress_snapshots WHERE id = 1")',
        "op.execute(\"UPDATE users SET role = 'user'\")",
    ],
)
async def test_the_stairs_find_a_revision_that_loses_or_changes_rows_on_its_way_down(
    url: DatabaseUrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, down: str
) -> None:
    bad = more_revisions.write(tmp_path / "more", 0, "pass", down)
    more_revisions.add_to(monkeypatch, tmp_path / "more")

    with pytest.raises(AssertionError, match=f"going down from {bad}"):
        await stairs.climb(url, chain.revisions()[-2:])


@pytest.mark.parametrize("revision", old.CHAIN)
async def test_an_old_database_keeps_every_row(tmp_path: Path, revision: str) -> None:
    url = await old.build(tmp_path / "old.db", revision)
    before = old.counts(url.path)

    assert (await upgrade.upgrade(url)).before == revision

    with closing(sqlite3.connect(url.path)) as database:
        orphans = database.execute("SELECT table_name, row_json FROM adopted_orphans").fetchall()
    after = old.counts(url.path)
    assert [table for table, _ in orphans] == ["progress_snapshots"]
    assert old.GONE in orphans[0][1]
    assert before["progress_snapshots"] == after["progress_snapshots"] + 1
    assert {table: after[table] for table in before if table != "progress_snapshots"} == {
        table: count for table, count in before.items() if table != "progress_snapshots"
    }
    assert await on_connection(url, "test", seeds.faults) == []


async def test_a_task_whose_owner_is_gone_stays_without_an_owner(tmp_path: Path) -> None:
    url = await old.build(tmp_path / "old.db", old.CHAIN[-1])

    await upgrade.upgrade(url)

    with closing(sqlite3.connect(url.path)) as database:
        owners = dict(database.execute("SELECT task_id, owner_id FROM tasks").fetchall())
    assert owners == {old.TASK: old.USER, old.TASK_OF_NOBODY: None}


async def test_moments_of_every_old_form_get_the_one_that_sorts(tmp_path: Path) -> None:
    url = await old.build(tmp_path / "old.db", old.CHAIN[-1])

    await upgrade.upgrade(url)

    with closing(sqlite3.connect(url.path)) as database:
        uploaded = [row[0] for row in database.execute("SELECT uploaded_at FROM tasks ORDER BY task_id")]
        created = [row[0] for row in database.execute("SELECT created_at FROM users ORDER BY id")]
    assert uploaded == ["2024-02-01T00:00:00.000000+00:00"] * 2
    assert created == ["2024-01-02T03:04:05.000000+00:00", "2024-01-02T03:04:05.500000+00:00"]


@pytest.mark.parametrize(
    ("mistake", "sentence"),
    [("DELETE FROM progress_snapshots", "loses"), ("DELETE FROM users", "without their parent")],
)
async def test_a_revision_that_loses_rows_is_rolled_back(tmp_path: Path, mistake: str, sentence: str) -> None:
    url = await old.build(tmp_path / "old.db", old.CHAIN[-1])
    with closing(sqlite3.connect(url.path)) as database, database:
        database.execute(f"CREATE TRIGGER mistake AFTER UPDATE ON users BEGIN {mistake}; END")
    before = old.dump(url.path)

    with pytest.raises(DatabaseUnavailable, match=sentence):
        await upgrade.upgrade(url)

    assert old.dump(url.path) == before
