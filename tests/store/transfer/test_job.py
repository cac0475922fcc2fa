"""A copy from SQLite to PostgreSQL by the role that owns the schema and is no superuser."""

from __future__ import annotations

import asyncio
import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pcap_analyzer.errors import Conflict, NotFound, UsageError
from pcap_analyzer.store.transfer.cells import Fix
from pcap_analyzer.store.transfer.comparing import Difference, differences
from pcap_analyzer.store.transfer.job import Mode, Order, Outcome, carry_out
from pcap_analyzer.store.urls import SqliteUrl, parse_url
from tests.databases import postgres_at_head
from tests.head_database import at_head
from tests.migrations import old
from tests.postgres import OWNER, PgDatabase, Server
from tests.store.transfer.process import killed_in_batch
from tests.store.transfer.seed import ANN, GONE, TABLES, TASKS, seeded

PROGRESS_ROWS = 12_000  # three batches
BATCHES_BEFORE_PROGRESS = 9  # one of each other table
KILLED = -9


@pytest.fixture
def target(cluster: Server) -> Iterator[PgDatabase]:
    database = postgres_at_head(cluster)
    yield database
    cluster.drop_database(database.name)


@pytest.fixture
def source(tmp_path: Path) -> SqliteUrl:
    return seeded(tmp_path / "source.db", progress_rows=50)


async def carried_out(source: SqliteUrl, target: PgDatabase, mode: Mode = Mode.COPY, *fixes: Fix) -> Outcome:
    there = parse_url(target.owner_url, data_dir=source.path.parent)
    return await carry_out(Order(source, there, mode, frozenset(fixes)))


def counts(cluster: Server, target: PgDatabase, *names: str) -> dict[str, int]:
    return {name: int(cluster.psql(f"SELECT count(*) FROM {name}", target.name)) for name in names}


def spoil(source: SqliteUrl, *statements: str) -> None:
    with closing(sqlite3.connect(source.path)) as database, database:
        database.execute("PRAGMA ignore_check_constraints=ON")
        for statement in statements:
            database.execute(statement)


async def test_every_row_of_every_table_is_copied_and_equal(
    cluster: Server, source: SqliteUrl, target: PgDatabase
) -> None:
    outcome = await carried_out(source, target)

    assert outcome.is_good
    assert outcome.compared is not None
    assert {table.table for table in outcome.compared} == set(TABLES)
    assert all(table.sha256_source == table.sha256_target for table in outcome.compared)
    assert all(table.rows_source == table.rows_target > 0 for table in outcome.compared)
    assert counts(cluster, target, "copy_checkpoints", "users") == {"copy_checkpoints": 0, "users": 3}
    assert cluster.psql(f"SELECT rolsuper FROM pg_roles WHERE rolname = '{OWNER.name}'") == "f"


async def test_rows_can_be_added_afterwards(cluster: Server, source: SqliteUrl, target: PgDatabase) -> None:
    await carried_out(source, target)

    added = cluster.psql(
        f"INSERT INTO progress_snapshots (task_id, timestamp) VALUES ('{TASKS[0]}', now()) RETURNING id;"
        "INSERT INTO audit_log (at, action, actor_name) VALUES (now(), 'x', 'y') RETURNING id;"
        f"INSERT INTO outbox (kind, recipient_id, content, created_at) VALUES ('x', '{ANN}', '1', now()) RETURNING id;"
        "INSERT INTO adopted_orphans (table_name, row_json, adopted_at) VALUES ('x', '1', now()) RETURNING id;",
        target.name,
        role=OWNER,
    )

    assert added.split() == [str(50 * 2 + 500 + 1), "4", "6", "8"]


async def test_a_killed_copy_goes_on_without_a_row_twice(cluster: Server, tmp_path: Path, target: PgDatabase) -> None:
    source = seeded(tmp_path / "source.db", PROGRESS_ROWS)
    second, third = BATCHES_BEFORE_PROGRESS + 2, 2

    killed = [
        await asyncio.to_thread(killed_in_batch, source.shown, target.owner_url, mode, batch)
        for mode, batch in ((Mode.COPY, second), (Mode.RESUME, third))
    ]
    between = counts(cluster, target, "progress_snapshots", "tasks")
    outcome = await carried_out(source, target, Mode.RESUME)

    assert killed == [KILLED, KILLED]
    assert between == {"progress_snapshots": 10_000, "tasks": len(TASKS)}
    assert outcome.is_good
    assert counts(cluster, target, "progress_snapshots", "copy_checkpoints") == {
        "progress_snapshots": PROGRESS_ROWS,
        "copy_checkpoints": 0,
    }


async def test_a_copy_is_not_resumed_from_another_source(
    cluster: Server, source: SqliteUrl, target: PgDatabase
) -> None:
    await asyncio.to_thread(killed_in_batch, source.shown, target.owner_url, Mode.COPY, 5)
    spoil(source, "UPDATE users SET email = 'new@example.org' WHERE username = 'ann'")

    with pytest.raises(Conflict, match="another database, or from this one before it changed"):
        await carried_out(source, target, Mode.RESUME)
    with pytest.raises(Conflict, match="--resume"):
        await carried_out(source, target)


async def test_a_poisoned_source_leaves_the_target_empty(
    cluster: Server, source: SqliteUrl, target: PgDatabase
) -> None:
    spoil(
        source,
        f"UPDATE tasks SET owner_id = '{GONE}', filename = 'a' || char(0), progress_percent = {2**40},"
        f" analyzed_at = 'never' WHERE task_id = '{TASKS[1]}'",
        f"UPDATE users SET is_active = 'false', email = 'BOB@example.org' WHERE id = '{ANN}'",
    )

    outcome = await carried_out(source, target)

    assert not outcome.is_good
    assert outcome.compared is None
    assert outcome.preflight is not None
    assert {problem.fix for problem in outcome.preflight.unsolved} == {
        Fix.ORPHANS, Fix.NUL, Fix.NUMBERS, Fix.DATES, Fix.BOOLEANS, Fix.CASE,
    }  # fmt: skip
    assert set(counts(cluster, target, "copy_checkpoints", *TABLES).values()) == {0}


async def test_repairs_that_are_named_let_it_through(cluster: Server, source: SqliteUrl, target: PgDatabase) -> None:
    spoil(
        source,
        f"UPDATE tasks SET owner_id = '{GONE}', filename = 'a' || char(0) WHERE task_id = '{TASKS[1]}'",
        f"UPDATE progress_snapshots SET task_id = '{GONE}' WHERE id IN (4, 6)",
        f"UPDATE users SET id = upper(id), role = 'boss' WHERE id = '{ANN}'",
    )
    fixes = (Fix.ORPHANS, Fix.NUL, Fix.UUIDS, Fix.WORDS)

    outcome = await carried_out(source, target, Mode.COPY, *fixes)
    verified = await carried_out(source, target, Mode.VERIFY_ONLY, *fixes)

    assert outcome.is_good
    assert verified.is_good
    assert counts(cluster, target, "progress_snapshots") == {"progress_snapshots": 48}
    assert cluster.psql(
        "SELECT table_name, count(*) FROM adopted_orphans WHERE id > 7 GROUP BY 1 ORDER BY 1", target.name
    ).split() == ["progress_snapshots|2", "tasks|1", "users|1"]


CHANGES = {
    "users": ("registration_reason = 'größe 🦊' || chr(9)", f"id = '{ANN}'"),
    "tasks": ("health_score = health_score + 1e-9", f"task_id = '{TASKS[5]}'"),
    "progress_snapshots": ("message = '4 packetz'", "id = 8"),
    "password_history": ("hashed_password = '$2b$12$y'", "true"),
    "password_reset_tokens": ("user_agent = 'Curl'", "true"),
    "sessions": ("wrote_at = wrote_at + interval '1 microsecond'", "true"),
    "setup_links": ("used_at = NULL", "true"),
    "adopted_orphans": ('row_json = \'{"z": 2, "a": [1.5, 1e2, 1e308, null, "ü"]}\'', "id = 3"),
    "outbox": ('content = \'{"b": 0.10000000000000002, "a": true}\'', "true"),
    "audit_log": ("details = NULL", "id = 3"),
}


async def test_one_byte_changed_in_each_table_is_found_with_its_key(
    cluster: Server, source: SqliteUrl, target: PgDatabase
) -> None:
    await carried_out(source, target)
    changes = [f"UPDATE {table} SET {change} WHERE {where};" for table, (change, where) in CHANGES.items()]
    cluster.psql("SET session_replication_role = replica;" + "".join(changes), target.name)

    outcome = await carried_out(source, target, Mode.VERIFY_ONLY)

    found = differences(outcome.compared or ())
    assert set(CHANGES) == set(TABLES)
    assert sorted(each.table for each in found) == sorted(TABLES)
    assert Difference("users", ANN, "differs in registration_reason") in found
    assert Difference("progress_snapshots", 8, "differs in message") in found
    assert Difference("audit_log", 3, "differs in details") in found


async def test_a_row_that_only_one_side_has_is_found(cluster: Server, source: SqliteUrl, target: PgDatabase) -> None:
    await carried_out(source, target)
    cluster.psql(
        "DELETE FROM progress_snapshots WHERE id IN (2, 100);"
        f"INSERT INTO progress_snapshots (id, task_id, timestamp) VALUES (5, '{TASKS[0]}', now());"
        f"INSERT INTO progress_snapshots (task_id, timestamp) VALUES ('{TASKS[0]}', now());"
        "INSERT INTO adopted_orphans (table_name, row_json, adopted_at) VALUES ('x', '1', now())",
        target.name,
    )

    outcome = await carried_out(source, target, Mode.VERIFY_ONLY)

    assert differences(outcome.compared or ()) == (
        Difference("adopted_orphans", 8, "is not in the source"),
        Difference("progress_snapshots", 2, "is not in the target"),
        Difference("progress_snapshots", 100, "is not in the target"),
        Difference("progress_snapshots", 5, "is not in the source"),
        Difference("progress_snapshots", 601, "is not in the source"),
    )


async def test_what_stands_in_the_target_is_not_touched(cluster: Server, source: SqliteUrl, target: PgDatabase) -> None:
    cluster.psql("INSERT INTO audit_log (at, action, actor_name) VALUES (now(), 'x', 'y')", target.name)

    with pytest.raises(Conflict, match="not empty, there are rows in audit_log"):
        await carried_out(source, target)


async def test_a_target_without_schema_is_sent_to_the_upgrade(cluster: Server, source: SqliteUrl) -> None:
    empty = cluster.create_database()

    with pytest.raises(Conflict, match="db upgrade on the target first") as refused:
        await carried_out(source, empty)

    assert OWNER.password not in str(refused.value)
    cluster.drop_database(empty.name)


async def test_a_running_service_keeps_its_database(source: SqliteUrl, tmp_path: Path) -> None:
    with (tmp_path / "serve.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        with pytest.raises(Conflict, match="A service runs on the folder of the source"):
            await carry_out(Order(source, at_head(tmp_path / "target.db")))


async def test_a_service_that_has_its_data_elsewhere_keeps_its_database_too(source: SqliteUrl, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with (data / "serve.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        with pytest.raises(Conflict, match="A service runs on the folder of the source"):
            await carry_out(Order(source, at_head(tmp_path / "target.db"), data_dir=data))


async def test_a_source_of_an_earlier_release_is_not_called_empty(tmp_path: Path) -> None:
    source = await old.build(tmp_path / "source.db", old.CHAIN[-1])
    spoil(source, "DROP TABLE alembic_version")

    with pytest.raises(Conflict, match="has rows but no revision"):
        await carry_out(Order(source, at_head(tmp_path / "target.db")))


async def test_a_source_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        await carry_out(Order(SqliteUrl(tmp_path / "none.db"), at_head(tmp_path / "target.db")))

    assert not (tmp_path / "none.db").exists()


async def test_a_database_is_not_copied_into_itself(source: SqliteUrl) -> None:
    with pytest.raises(UsageError):
        await carry_out(Order(source, source))


async def test_the_way_back_leads_to_the_same_rows(source: SqliteUrl, target: PgDatabase, tmp_path: Path) -> None:
    await carried_out(source, target)
    back = at_head(tmp_path / "back.db")

    outcome = await carry_out(Order(parse_url(target.owner_url, data_dir=tmp_path), back))
    compared = await carry_out(Order(source, back, Mode.VERIFY_ONLY))

    assert outcome.is_good
    assert compared.is_good
    with closing(sqlite3.connect(back.path)) as database:
        database.execute("INSERT INTO progress_snapshots (task_id, timestamp) VALUES ('x', 'y')")
        assert database.execute("SELECT max(id) FROM progress_snapshots").fetchone() == (601,)
