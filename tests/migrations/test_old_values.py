"""Values of databases at a deployed revision that nobody could read: the upgrade reads, mends and keeps them."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import text

from pcap_analyzer.store import upgrade, users
from pcap_analyzer.store.connections import on_connection, tool_connection
from pcap_analyzer.store.session import open_database
from pcap_analyzer.store.urls import DatabaseUrls, PostgresUrl
from pcap_analyzer.store.verify import rows
from tests.migrations import legacy, old, seeds

OVERFLOWS = "0001-01-01T00:00:00+05:00"
SECONDS = 1_700_000_000
WORD = 'An earlier release called its state "queued".'


def asked(path: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(statement).fetchall()


def kept(path: Path) -> dict[str, dict[str, object]]:
    """What was kept of rows that are still there, by key."""
    found = (json.loads(str(row)) for (row,) in asked(path, "SELECT row_json FROM adopted_orphans"))
    return {
        str(next(iter(row.values()))): row
        for row in found
        if not row.keys() & {"phase", "hashed_password", "token_hash"}
    }


async def test_moments_of_any_form_are_read_or_kept_and_the_pages_that_show_them_work(tmp_path: Path) -> None:
    url = legacy.build_chain(
        tmp_path / "old.db",
        5,
        f"UPDATE users SET created_at = '{OVERFLOWS}', approved_at = 'yesterday' WHERE id = '{legacy.ANN}'",
        f"UPDATE users SET created_at = '2024-01-02 03:04:05 UTC', last_login = X'FF' WHERE id = '{legacy.UMLAUT}'",
        f"UPDATE tasks SET uploaded_at = {SECONDS}, created_at = 'soon' WHERE task_id = '{legacy.DONE}'",
        f"UPDATE tasks SET uploaded_at = CAST(X'FF21' AS TEXT) WHERE task_id = '{legacy.WAITING}'",
        "UPDATE progress_snapshots SET timestamp = 'just now' WHERE id = 1",
    )
    begun = datetime.now(UTC)

    await upgrade.upgrade(url)

    database = open_database(DatabaseUrls(url, url))
    people = {user.id: user for user in await database.read(users.everybody)}
    found = {task.task_id: task for task in await database.read(lambda session: rows.tasks_after(session, None, 100))}
    await database.close()
    assert people[legacy.ANN].approved_at is None
    assert people[legacy.ANN].created_at == datetime(2024, 3, 1, tzinfo=UTC)  # her last login
    assert people[legacy.UMLAUT].created_at == datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert found[legacy.DONE].uploaded_at == datetime.fromtimestamp(SECONDS, UTC)
    assert found[legacy.WAITING].uploaded_at == datetime(2024, 2, 1, tzinfo=UTC)
    ((moment,),) = asked(url.path, "SELECT timestamp FROM progress_snapshots WHERE id = 1")
    assert datetime.fromisoformat(str(moment)) >= begun
    assert kept(url.path) == {
        legacy.ANN: {"id": legacy.ANN, "created_at": OVERFLOWS, "approved_at": "yesterday"},
        legacy.UMLAUT: {"id": legacy.UMLAUT, "last_login": "\\xff"},
        legacy.DONE: {"task_id": legacy.DONE, "created_at": "soon"},
        legacy.WAITING: {"task_id": legacy.WAITING, "uploaded_at": "\\xff!"},
        "1": {"id": 1, "timestamp": "just now"},
    }
    assert await on_connection(url, "test", seeds.faults) == []


async def test_words_where_numbers_belong_are_kept_and_give_no_rights(tmp_path: Path) -> None:
    url = legacy.build_chain(
        tmp_path / "old.db",
        5,
        f"UPDATE users SET is_active = 'yes', is_approved = 'perhaps' WHERE id = '{legacy.ANN}'",
        f"UPDATE tasks SET total_packets = 'many', health_score = 'good' WHERE task_id = '{legacy.DONE}'",
        "UPDATE progress_snapshots SET packets_processed = 1.5 WHERE id = 1",
    )

    await upgrade.upgrade(url)

    ann = f"SELECT is_active, is_approved FROM users WHERE id = '{legacy.ANN}'"
    done = f"SELECT total_packets, health_score, file_size_bytes FROM tasks WHERE task_id = '{legacy.DONE}'"
    assert asked(url.path, ann) == [(1, 0)]
    assert asked(url.path, done) == [(None, None, 2**33)]
    assert kept(url.path) == {
        legacy.ANN: {"id": legacy.ANN, "is_approved": "perhaps"},
        legacy.DONE: {"task_id": legacy.DONE, "total_packets": "many", "health_score": "good"},
        "1": {"id": 1, "packets_processed": 1.5},
    }


async def test_a_token_whose_end_is_unknown_ended_at_once(tmp_path: Path) -> None:
    url = legacy.build_chain(
        tmp_path / "old.db", 5, "UPDATE password_reset_tokens SET created_at = '2024-01-05', expires_at = 'tomorrow'"
    )

    await upgrade.upgrade(url)

    assert asked(url.path, "SELECT created_at, expires_at FROM password_reset_tokens") == [
        ("2024-01-05T00:00:00.000000+00:00", "2024-01-05T00:00:00.000001+00:00")
    ]


async def test_more_rows_than_are_kept_at_once_are_all_kept(tmp_path: Path) -> None:
    url = await old.build(tmp_path / "old.db", old.CHAIN[-1])
    await seeds.sow(url, old.CHAIN[-1])
    await seeds.snapshots(url, 2_500)
    with closing(sqlite3.connect(url.path)) as database, database:
        database.execute("UPDATE progress_snapshots SET timestamp = 'once'")
        ((_, before),) = database.execute("SELECT 1, count(*) FROM progress_snapshots").fetchall()

    await upgrade.upgrade(url)

    assert asked(url.path, "SELECT count(*) FROM adopted_orphans WHERE row_json LIKE '%once%'") == [(before,)]


STATES = (
    f"UPDATE tasks SET status = 'queued', error_message = 'no room' WHERE task_id = '{legacy.DONE}'",
    f"UPDATE tasks SET status = 'queued' WHERE task_id = '{legacy.RUNNING}'",
    f"UPDATE tasks SET status = ' Completed' WHERE task_id = '{legacy.WAITING}'",
)
TASKS = f"'{legacy.DONE}', '{legacy.RUNNING}', '{legacy.WAITING}'"
ASKED = f"SELECT status, error_message FROM tasks WHERE task_id IN ({TASKS}) ORDER BY task_id"
ENDED = [("failed", f"{WORD} no room"), ("failed", WORD), ("completed", "once before: no room")]


async def test_sqlite_tasks_in_an_unknown_state_have_failed_with_the_word(tmp_path: Path) -> None:
    url = legacy.build_chain(tmp_path / "old.db", 5, *STATES)

    await upgrade.upgrade(url)

    assert asked(url.path, ASKED) == ENDED


async def test_postgresql_tasks_in_an_unknown_state_have_failed_with_the_word(postgres_url: PostgresUrl) -> None:
    await legacy.fill_postgres(postgres_url, 5)
    async with tool_connection(postgres_url, "test") as connection:
        for statement in STATES:
            await connection.execute(text(statement))
        await connection.commit()

    await upgrade.upgrade(postgres_url)

    async with tool_connection(postgres_url, "test") as connection:
        assert [tuple(row) for row in (await connection.execute(text(ASKED))).all()] == ENDED
