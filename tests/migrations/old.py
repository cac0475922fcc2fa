"""Databases as deployments left them: the chain up to a revision, and rows in every table that it has."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from pcap_analyzer.store import upgrade
from pcap_analyzer.store.urls import SqliteUrl

CHAIN = ("eba0e1bcc7ec", "2163cd9a7764", "c0989c735473", "2bc03b947812", "dcd3f75e61c2")
ADMIN, USER, GONE = (f"00000000-0000-4000-8000-{number:012d}" for number in (1, 2, 9))
TASK, TASK_OF_NOBODY = (f"10000000-0000-4000-8000-{number:012d}" for number in (1, 2))

ROWS: tuple[tuple[str, str], ...] = (
    (
        "users",
        "(id, username, email, hashed_password, role, is_active, is_approved, approved_by, approved_at, created_at)"
        " VALUES"
        f" ('{ADMIN}', 'root', 'root@example.org', '$2b$12$x', 'admin', 1, 1, NULL, NULL, '2024-01-02 03:04:05'),"
        f" ('{USER}', 'ann', 'ann@example.org', '$2b$12$y', 'user', 1, 1, '{ADMIN}', '2024-01-03T03:04:05+00:00',"
        " '2024-01-02T03:04:05.5')",
    ),
    (
        "tasks",
        "(task_id, filename, status, uploaded_at, total_packets, owner_id) VALUES"
        f" ('{TASK}', 'a.pcap', 'completed', '2024-02-01 00:00:00.000000', 2147483647, '{USER}'),"
        f" ('{TASK_OF_NOBODY}', 'b.pcap', 'failed', '2024-02-01T01:00:00+01:00', NULL, '{GONE}')",
    ),
    (
        "progress_snapshots",
        "(task_id, phase, progress_percent, packets_processed, timestamp) VALUES"
        f" ('{TASK}', 'reading', 50, 7, '2024-02-01T00:00:01'), ('{GONE}', 'reading', 10, 1, '2024-02-01T00:00:02')",
    ),
    (
        "password_history",
        "(id, user_id, hashed_password, created_at) VALUES"
        f" ('20000000-0000-4000-8000-000000000001', '{USER}', '$2b$12$z', '2024-01-05T00:00:00')",
    ),
    (
        "password_reset_tokens",
        "(id, user_id, token_hash, expires_at) VALUES"
        f" ('30000000-0000-4000-8000-000000000001', '{USER}', '{'ab' * 32}', '2099-01-01 00:00:00')",
    ),
)


async def build(path: Path, revision: str) -> SqliteUrl:
    """A database at `revision` of the chain, with rows, some of them without their parent."""
    url = SqliteUrl(path)
    await upgrade.apply(url, revision)
    with closing(sqlite3.connect(path)) as database, database:
        present = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for table, rows in ROWS:
            if table in present:
                database.execute(f"INSERT INTO {table} {rows}")
    return url


def counts(path: Path) -> dict[str, int]:
    """Rows of each table that holds data of people."""
    with closing(sqlite3.connect(path)) as database:
        present = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        return {
            table: database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table, _ in ROWS
            if table in present
        }


def dump(path: Path) -> str:
    with closing(sqlite3.connect(path)) as database:
        return "\n".join(database.iterdump())
