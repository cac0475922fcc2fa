"""What others notice while PostgreSQL is upgraded, and the statements of the release before."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from pcap_analyzer.errors import DatabaseUnavailable
from pcap_analyzer.store import chain, upgrade
from pcap_analyzer.store.connections import on_connection, tool_connection
from pcap_analyzer.store.engines import EngineOptions
from pcap_analyzer.store.migrations import running, table_locks
from pcap_analyzer.store.migrations.drift import differences
from pcap_analyzer.store.session import open_database
from pcap_analyzer.store.urls import DatabaseUrl, DatabaseUrls, PostgresUrl, parse_url
from tests.migrations import more_revisions, old, programs, seeds
from tests.postgres import OWNER, Role, Server

#: Nobody waits for over 6 s: 4 s for the first lock, 0.3 s for each of the next, and what a busy machine takes. A tenth
#: of the first two, with as much for the machine: without limits of its own an upgrade would wait for 5 s.
PROMISED_S, PROMISED_IN_A_HURRY_S = 6.0, 2.0
NEW = "90000000-0000-4000-8000-000000000001"
READ = "SELECT count(*) FROM tasks"
WRITE = "UPDATE tasks SET status = status"
VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'idx_more'::regclass"


@asynccontextmanager
async def open_transaction(url: PostgresUrl, statement: str) -> AsyncIterator[AsyncConnection]:
    """Somebody who has forgotten to end a transaction."""
    async with tool_connection(url, "test") as connection:
        await connection.execute(text(statement))
        yield connection


def building(url: PostgresUrl, wanted: str) -> str:
    """What is `wanted` of the session that builds an index and waits for somebody's transaction."""
    waits = "query LIKE 'CREATE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock'"
    return f"{wanted} FROM pg_stat_activity WHERE datname = '{url.database}' AND {waits}"


async def longest_wait(url: PostgresUrl, statement: str, until: asyncio.Event) -> float:
    """Somebody who asks all the time: the longest that an answer took, in seconds."""
    longest = 0.0
    async with tool_connection(url, "test") as connection:
        while not until.is_set():
            begun = time.monotonic()
            await connection.execute(text("SET LOCAL lock_timeout = 0"))
            await connection.execute(text(statement))
            await connection.rollback()
            longest = max(longest, time.monotonic() - begun)
            await asyncio.sleep(0.01)
    return longest


async def watched(url: PostgresUrl, *statements: str) -> "tuple[float, BaseException | None]":
    """Upgrade while others ask; the longest that one of them waited, and how the upgrade failed."""
    done = asyncio.Event()
    waiting = [asyncio.create_task(longest_wait(url, statement, done)) for statement in statements]
    (failure,) = await asyncio.gather(upgrade.upgrade(url), return_exceptions=True)
    done.set()
    return max(await asyncio.gather(*waiting)), failure if isinstance(failure, BaseException) else None


@pytest.fixture
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same waits and pauses, a tenth as long."""
    monkeypatch.setattr(table_locks, "FIRST_WAIT", "400ms")
    monkeypatch.setattr(table_locks, "NEXT_WAIT", "30ms")
    monkeypatch.setattr(running, "PAUSES_S", (0.1, 0.2, 0.4, 0.8))


@pytest.mark.usefixtures("in_a_hurry")
async def test_a_table_that_is_held_makes_the_upgrade_give_up_clearly_and_keeps_nobody_waiting(
    postgres_url: PostgresUrl,
) -> None:
    await upgrade.apply(postgres_url, old.CHAIN[-1])
    await seeds.sow(postgres_url, old.CHAIN[-1])

    async with open_transaction(postgres_url, READ):
        longest_s, failure = await watched(postgres_url, READ, "SELECT count(*) FROM users", WRITE)

    assert isinstance(failure, DatabaseUnavailable)
    assert "db upgrade" in str(failure)
    assert longest_s < PROMISED_IN_A_HURRY_S
    assert (await upgrade.upgrade(postgres_url)).after == chain.head()
    assert await on_connection(postgres_url, "test", seeds.faults) == []


@pytest.mark.usefixtures("in_a_hurry")
async def test_an_upgrade_goes_on_as_soon_as_the_table_is_let_go(postgres_url: PostgresUrl) -> None:
    await upgrade.apply(postgres_url, old.CHAIN[-1])

    async with open_transaction(postgres_url, READ) as holder:
        upgrading = asyncio.create_task(upgrade.upgrade(postgres_url))
        await asyncio.sleep(0.6)
        await holder.rollback()
        done = await upgrading

    assert done.after == chain.head()


async def test_rows_are_written_while_an_index_is_built_behind_an_open_transaction(
    cluster: Server, postgres_url: PostgresUrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await upgrade.upgrade(postgres_url)
    await seeds.sow(postgres_url, chain.head())
    more_revisions.write(tmp_path / "more", 0, 'indexes.build_index("idx_more", "tasks", ["filename"])')
    more_revisions.add_to(monkeypatch, tmp_path / "more")

    async with open_transaction(postgres_url, WRITE) as holder:
        upgrading = asyncio.create_task(upgrade.upgrade(postgres_url))
        while not cluster.psql(building(postgres_url, "SELECT pid")):
            await asyncio.sleep(0.05)
        async with tool_connection(postgres_url, "test") as connection:
            written = await connection.execute(
                text(
                    f"INSERT INTO tasks (task_id, filename, status, uploaded_at) VALUES ('{NEW}', 'x', 'failed', now())"
                )
            )
            await connection.commit()
        waiting = not upgrading.done()
        await holder.rollback()
        await upgrading

    assert (written.rowcount, waiting) == (1, True)
    assert cluster.psql(VALID, postgres_url.database) == "t"


async def test_an_index_build_whose_backend_is_terminated_leaves_no_invalid_index_after_the_next_upgrade(
    cluster: Server, postgres_url: PostgresUrl, tmp_path: Path
) -> None:
    more = tmp_path / "more"
    await upgrade.upgrade(postgres_url)
    await seeds.sow(postgres_url, chain.head())
    more_revisions.write(more, 0, 'indexes.build_index("idx_more", "tasks", ["filename"])')
    command = ("-m", "tests.migrations.more_revisions", str(more), "db", "upgrade")

    async with open_transaction(postgres_url, WRITE):
        process = programs.start(postgres_url, command)
        while not cluster.psql(building(postgres_url, "SELECT pg_terminate_backend(pid)")):
            await asyncio.sleep(0.05)
        said, _ = process.communicate(timeout=programs.WITHIN_S)
    left = cluster.psql(VALID, postgres_url.database)
    code_again, said_again = programs.run(postgres_url, command)

    assert process.returncode == 5, said
    assert left == "f"
    assert code_again == 0, said_again
    assert cluster.psql(VALID, postgres_url.database) == "t"
    assert await on_connection(postgres_url, "test", seeds.faults) == []


async def test_snapshots_are_moved_in_small_portions_while_they_are_used(postgres_url: PostgresUrl) -> None:
    await upgrade.apply(postgres_url, old.CHAIN[-1])
    await seeds.sow(postgres_url, old.CHAIN[-1])
    await seeds.snapshots(postgres_url, 50_000)
    reporting = f"INSERT INTO progress_snapshots (task_id, timestamp) VALUES ('{seeds.RUNNING}', now())"

    longest_s, failure = await watched(
        postgres_url, reporting, f"SELECT count(*) FROM progress_snapshots WHERE task_id = '{seeds.RUNNING}'", READ
    )

    assert failure is None
    assert longest_s < PROMISED_S
    assert await on_connection(postgres_url, "test", differences) == []
    async with tool_connection(postgres_url, "test") as connection:
        portions = text(
            "SELECT count(*) FROM (SELECT xmin FROM progress_snapshots GROUP BY xmin HAVING count(*) > 1) AS p"
        )
        assert await connection.scalar(text("SELECT count(*) FROM progress_snapshots")) == 50_003
        assert await connection.scalar(portions) >= 10  # transactions, each of 5,000 rows


async def test_a_move_that_is_cut_off_goes_on_where_it_was(cluster: Server, postgres_url: PostgresUrl) -> None:
    await upgrade.apply(postgres_url, old.CHAIN[-1])
    await seeds.sow(postgres_url, old.CHAIN[-1])
    await seeds.snapshots(postgres_url, 40_000)
    before = await on_connection(postgres_url, "test", lambda connection: seeds.held(connection, old.CHAIN[-1]))
    left = "SELECT count(*) > 0 FROM progress_snapshots_narrow"

    process = programs.start(postgres_url, programs.UPGRADE)
    moving = f"datname = '{postgres_url.database}' AND query LIKE '%last bigint%' AND state = 'active'"
    while not cluster.psql(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {moving} AND pid <> pg_backend_pid()"
    ):
        await asyncio.sleep(0.02)
    said, _ = process.communicate(timeout=programs.WITHIN_S)
    in_the_middle = cluster.psql(left, postgres_url.database)
    code_again, said_again = programs.run(postgres_url, programs.UPGRADE)

    assert process.returncode == 5, said
    assert in_the_middle == "t"
    assert code_again == 0, said_again
    held = await on_connection(postgres_url, "test", lambda connection: seeds.held(connection, old.CHAIN[-1]))
    assert held == before
    assert await on_connection(postgres_url, "test", seeds.faults) == []


async def test_rights_on_the_table_that_moves_stay_as_they_were(cluster: Server, postgres_url: PostgresUrl) -> None:
    await upgrade.apply(postgres_url, old.CHAIN[-1])
    cluster.psql("GRANT SELECT, INSERT ON progress_snapshots TO pcap_app", postgres_url.database)
    rights = "SELECT relacl FROM pg_class WHERE relname = 'progress_snapshots'"
    before = cluster.psql(rights, postgres_url.database)

    await upgrade.upgrade(postgres_url)

    assert cluster.psql(rights, postgres_url.database) == before


async def test_roles_whose_names_need_quotes_own_the_table_that_moves_and_keep_their_rights(cluster: Server) -> None:
    name = f"test_{secrets.token_hex(6)}"
    owner, app = Role(f"{name}-owner", OWNER.password), f"{name}-App"
    cluster.psql(
        f'CREATE ROLE "{owner.name}" LOGIN PASSWORD \'{owner.password}\'; CREATE ROLE "{app}"; '
        f'CREATE DATABASE {name} OWNER "{owner.name}"'
    )
    url = parse_url(cluster.url(owner, name), data_dir=Path())
    owned = "SELECT pg_get_userbyid(relowner), relacl FROM pg_class WHERE relname = 'progress_snapshots'"
    await upgrade.apply(url, old.CHAIN[-1])
    cluster.psql(f'GRANT SELECT ON progress_snapshots TO "{app}"', name)
    before = cluster.psql(owned, name)

    await upgrade.upgrade(url)

    after = cluster.psql(owned, name)
    cluster.drop_database(name)
    cluster.psql(f'DROP ROLE "{owner.name}"; DROP ROLE "{app}"')
    assert after == before


async def test_a_statement_prepared_before_a_column_became_wider_is_asked_again(
    cluster: Server, postgres_url: PostgresUrl
) -> None:
    await upgrade.upgrade(postgres_url)
    database = open_database(DatabaseUrls(postgres_url, postgres_url), EngineOptions(pool_size=1, max_overflow=0))

    async def ask(session: AsyncSession) -> int:
        return len((await session.execute(text("SELECT id, progress_percent FROM progress_snapshots"))).all())

    before = await database.read(ask)
    cluster.psql("ALTER TABLE progress_snapshots ALTER progress_percent TYPE bigint", postgres_url.database)
    after = await database.read(ask)
    await database.close()

    assert (before, after) == (0, 0)


OLD_CLIENT = (
    "INSERT INTO users (id, username, email, hashed_password, role, is_active, is_approved, created_at,"
    " password_must_change, is_2fa_enabled) VALUES ('{new}', 'bob', 'b@example.org', '$2b$12$q', 'user', true, false,"
    " '{now}', false, false)",
    "UPDATE users SET is_approved = true, approved_by = '{admin}', approved_at = '{now}' WHERE id = '{new}'",
    "UPDATE users SET last_login = '{now}', hashed_password = '$2b$12$r', totp_secret = 's', backup_codes = '[]'"
    " WHERE id = '{new}'",
    "SELECT id, username, email, hashed_password, role, is_active, is_approved, approved_by, approved_at, created_at,"
    " last_login, password_must_change, is_2fa_enabled, totp_secret, backup_codes FROM users WHERE username = 'bob'",
    "INSERT INTO password_history (id, user_id, hashed_password, created_at) VALUES ('{new}', '{new}', 'x', '{now}')",
    "SELECT id, user_id, hashed_password, created_at FROM password_history WHERE user_id = '{new}'",
    "INSERT INTO password_reset_tokens (id, user_id, token_hash, created_at, expires_at, ip_address, user_agent)"
    " VALUES ('{new}', '{new}', 'h', '{now}', '{later}', '::1', 'curl')",
    "UPDATE password_reset_tokens SET used_at = '{now}' WHERE token_hash = 'h' AND used_at IS NULL",
    "SELECT id, user_id, token_hash, created_at, expires_at, used_at, ip_address, user_agent"
    " FROM password_reset_tokens WHERE token_hash = 'h'",
    "INSERT INTO tasks (task_id, filename, status, uploaded_at, file_size_bytes, owner_id)"
    " VALUES ('{new}', 'c.pcap', 'pending', '{now}', 24, '{new}')",
    "UPDATE tasks SET status = 'processing', last_heartbeat = '{now}', progress_percent = 10, current_phase = 'a'"
    " WHERE task_id = '{new}'",
    "INSERT INTO progress_snapshots (task_id, phase, progress_percent, packets_processed, total_packets,"
    " current_analyzer, message, timestamp) VALUES ('{new}', 'a', 10, 1, 2, 'tcp', 'm', '{now}')",
    "SELECT id, task_id, phase, progress_percent, packets_processed, total_packets, current_analyzer, message,"
    " timestamp FROM progress_snapshots WHERE task_id = '{new}' ORDER BY timestamp DESC LIMIT 1",
    "UPDATE tasks SET status = 'completed', analyzed_at = '{now}', total_packets = 7, health_score = 80.5,"
    " report_html_path = 'a.html', report_json_path = 'a.json' WHERE task_id = '{new}'",
    "UPDATE tasks SET status = 'expired' WHERE task_id = '{new}'",
    "SELECT task_id, filename, status, uploaded_at, analyzed_at, file_size_bytes, total_packets, health_score,"
    " report_html_path, report_json_path, error_message, created_at, last_heartbeat, progress_percent, current_phase,"
    " owner_id FROM tasks WHERE owner_id = '{new}' ORDER BY uploaded_at DESC LIMIT 20 OFFSET 0",
    "DELETE FROM tasks WHERE task_id = '{new}'",
    "DELETE FROM users WHERE id = '{new}'",
)


async def test_the_statements_of_the_release_before_work_on_this_schema(url: DatabaseUrl) -> None:
    await upgrade.upgrade(url)
    await seeds.sow(url, chain.head())
    now, later = "2024-03-01T00:00:00.000000+00:00", "2024-03-02T00:00:00.000000+00:00"

    counts = []
    async with tool_connection(url, "test") as connection:
        for statement in OLD_CLIENT:
            result = await connection.exec_driver_sql(
                statement.format(new=NEW, admin=seeds.ADMIN, now=now, later=later)
            )
            counts.append(len(result.all()) if result.returns_rows else result.rowcount)
        await connection.commit()

    assert counts == [1] * len(OLD_CLIENT)
