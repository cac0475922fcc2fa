"""Every revision: up, down, up, with rows in every table."""

import sqlite3
from contextlib import closing
from io import StringIO
from itertools import pairwise
from pathlib import Path

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations

from pcap_analyzer.errors import DatabaseUnavailable
from pcap_analyzer.store import chain, upgrade
from pcap_analyzer.store.connections import on_connection
from pcap_analyzer.store.migrations.drift import differences
from pcap_analyzer.store.models import Base
from pcap_analyzer.store.urls import SqliteUrl
from tests.migrations import old


def foreign_key_faults(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute("PRAGMA foreign_key_check").fetchall()


def test_the_chain_keeps_the_ids_and_the_order_of_deployed_databases() -> None:
    assert chain.revisions()[:5] == old.CHAIN


async def test_a_fresh_database_has_exactly_what_the_models_say(tmp_path: Path) -> None:
    url = SqliteUrl(tmp_path / "new.db")

    await upgrade.upgrade(url)

    assert await on_connection(url, "test", differences) == []


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
    assert foreign_key_faults(url.path) == []


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


async def test_every_revision_goes_down_and_up_again_with_its_rows(tmp_path: Path) -> None:
    url = await old.build(tmp_path / "stairs.db", old.CHAIN[-1])
    await upgrade.upgrade(url)

    for newer, older in pairwise(chain.revisions()[::-1]):
        await upgrade.downgrade(url, older, allow_data_loss=True)
        standing = old.counts(url.path)
        await upgrade.apply(url, newer)
        again = old.counts(url.path)
        await upgrade.downgrade(url, older, allow_data_loss=True)

        assert {table: again[table] for table in standing} == standing
        assert foreign_key_faults(url.path) == []


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


def test_the_chain_can_be_written_as_sql_for_postgresql() -> None:
    written = StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql",
        opts={"as_sql": True, "output_buffer": written, "target_metadata": Base.metadata},
    )
    scripts = chain.scripts()

    with Operations.context(context):
        for script in scripts:
            script.module.upgrade()
        for script in reversed(scripts):
            script.module.downgrade()

    sql = written.getvalue()
    assert "CONSTRAINT fk_tasks_owner_id FOREIGN KEY(owner_id) REFERENCES users (id) ON DELETE CASCADE" in sql
    assert "ALTER TABLE tasks ALTER COLUMN total_packets TYPE BIGINT" in sql
    assert "id UUID NOT NULL" in sql
    assert "TIMESTAMP WITH TIME ZONE" in sql
