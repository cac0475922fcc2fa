"""Rows for every table, at any revision, and what a database holds."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, insert, inspect, literal_column, select, table, text

from pcap_analyzer.store import chain
from pcap_analyzer.store.connections import tool_connection
from pcap_analyzer.store.models import Base
from pcap_analyzer.store.types import utc_text
from pcap_analyzer.store.urls import DatabaseUrl, SqliteUrl

NOW = datetime(2024, 2, 1, 3, 4, 5, 678, tzinfo=UTC)
ADMIN, USER, TASK, RUNNING = (f"00000000-0000-4000-8000-{number:012d}" for number in range(1, 5))
Rows = list[dict[str, Any]]  # Any: a value of whatever column it is for

#: Parents first. Columns that a revision has not are left out.
ROWS: Mapping[str, Rows] = {
    "users": [
        {"id": ADMIN, "username": "root", "email": "r@example.org", "hashed_password": "$2b$12$x", "role": "admin",
         "is_approved": True, "created_at": NOW, "password_must_change": False, "totp_secret": "s"},
        {"id": USER, "username": "ann", "email": "a@example.org", "hashed_password": "$2b$12$y", "role": "user",
         "is_approved": True, "approved_by": ADMIN, "approved_at": NOW, "created_at": NOW, "last_login": NOW,
         "password_must_change": True, "registration_reason": "to see", "rejected_by": ADMIN, "rejected_at": NOW},
    ],
    "tasks": [
        {"task_id": TASK, "filename": "a.pcap", "status": "completed", "uploaded_at": NOW, "created_at": NOW,
         "total_packets": 2**31 - 1,
         "owner_id": USER, "file_size_bytes": 2**40, "health_score": 71.5, "attempt": 2, "verdict_cause": "loss",
         "waiting_shares": [["loss", 0.5]]},
        {"task_id": RUNNING, "filename": "b.pcap", "status": "processing", "uploaded_at": NOW, "created_at": NOW,
         "owner_id": None, "last_heartbeat": NOW},
    ],
    "progress_snapshots": [
        {"task_id": task, "phase": "reading", "progress_percent": 50, "packets_processed": 7, "timestamp": NOW,
         "bytes_done": 2**40} for task in (TASK, RUNNING, TASK)
    ],
    "password_history": [{"id": ADMIN, "user_id": USER, "hashed_password": "$2b$12$z", "created_at": NOW}],
    "password_reset_tokens": [
        {"id": ADMIN, "user_id": USER, "token_hash": "ab" * 32, "created_at": NOW, "expires_at": NOW + timedelta(1)}
    ],
    "sessions": [
        {"id": ADMIN, "token_hash": "cd" * 32, "user_id": USER, "created_at": NOW, "last_seen_at": NOW,
         "expires_at": NOW, "wrote_at": NOW}
    ],
    "setup_links": [{"id": ADMIN, "token_hash": "ef" * 32, "created_at": NOW, "expires_at": NOW}],
    "adopted_orphans": [{"table_name": "tasks", "row_json": {"task_id": "x"}, "adopted_at": NOW}],
    "audit_log": [{"at": NOW, "action": "user.approved", "actor_name": "root", "subject_id": USER}],
    "outbox": [{"kind": "access.approved", "recipient_id": USER, "content": {"a": 1}, "created_at": NOW}],
    "copy_checkpoints": [{"table_name": "tasks", "source": "x", "rows_copied": 3, "updated_at": NOW}],
}  # fmt: skip


async def sow(url: DatabaseUrl, revision: str) -> None:
    """Put the rows into each table that is empty at `revision`."""
    columns = chain.columns_at(revision)
    async with tool_connection(url, "test") as connection:
        for name, rows in ROWS.items():
            if name in columns and not await connection.scalar(select(func.count()).select_from(table(name))):
                for row in rows:
                    known = {column: value for column, value in row.items() if column in columns[name]}
                    await connection.execute(insert(Base.metadata.tables[name]).values(known))
        await connection.commit()


async def snapshots(url: DatabaseUrl, count: int) -> None:
    """Add so many progress rows of a finished task."""
    one_more = f"SELECT '{TASK}', 'reading', '{utc_text(NOW)}' FROM"
    counted = f"(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) SELECT i FROM n)"
    numbers = counted if isinstance(url, SqliteUrl) else f"generate_series(1, {count})"
    async with tool_connection(url, "test") as connection:
        await connection.exec_driver_sql(
            f"INSERT INTO progress_snapshots (task_id, phase, timestamp) {one_more} {numbers}"
        )
        await connection.commit()


def held(connection: Connection, revision: str) -> dict[str, list[tuple[str, ...]]]:
    """Every value of the tables and columns that a revision has, in the order of their text."""
    content = {}
    for name, columns in chain.columns_at(revision).items():
        wanted: list[ColumnElement[str]] = [literal_column(f'CAST("{column}" AS TEXT)') for column in sorted(columns)]
        rows = connection.execute(select(*wanted).select_from(table(name))).all()
        content[name] = sorted(tuple(str(value) for value in row) for row in rows)
    connection.rollback()
    return content


def faults(connection: Connection) -> list[object]:
    """Rows without their parent, invalid indexes, constraints that nobody validated, tables left over, deadlocks."""
    if connection.dialect.name == "sqlite":
        return list(connection.exec_driver_sql("PRAGMA foreign_key_check").all())
    found = connection.scalars(
        text(
            "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid "
            "UNION ALL SELECT conname::text FROM pg_constraint WHERE NOT convalidated"
        )
    ).all()
    deadlocks = connection.scalar(text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"))
    left_over = set(inspect(connection).get_table_names()) - {"alembic_version", *ROWS}
    return [*found, *left_over, *(["deadlocks"] if deadlocks else [])]
