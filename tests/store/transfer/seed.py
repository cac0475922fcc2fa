"""A database with rows in every table, and with whatever a text may hold that both databases take."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from pcap_analyzer.store.urls import SqliteUrl
from tests.head_database import at_head

ADMIN, ANN, BOB = (f"00000000-0000-4000-8000-{number:012d}" for number in (9, 2, 3))
GONE = "00000000-0000-4000-8000-00000000dead"
TASKS = tuple(f"10000000-0000-4000-8000-{number:012d}" for number in range(40))
T = "2026-01-02T03:04:05.000006+00:00"
LATER = "2026-02-02T03:04:05+02:00"

#: The administrator approved the others and sorts after them: references lead both ways.
ROWS = (
    (
        "users (id, username, email, hashed_password, role, is_active, is_approved, approved_by, approved_at,"
        " created_at, totp_secret, backup_codes, registration_reason, rejected_by)",
        [
            (ANN, "ann", "ann@example.org", "$2b$12$a", "user", 1, 1, ADMIN, T, T, "v1:x", '["a"]', "Größe 🦊\t", None),
            (BOB, "bob", "bob@example.org", "$2b$12$b", "user", 0, 0, None, None, LATER, None, None, "", ADMIN),
            (
                ADMIN,
                "root",
                "root@example.org",
                "$2b$12$c",
                "admin",
                1,
                1,
                ADMIN,
                T,
                "2026-01-02",
                None,
                None,
                None,
                None,
            ),
        ],
    ),
    (
        "password_history (id, user_id, hashed_password, created_at)",
        [("20000000-0000-4000-8000-000000000001", ANN, "$2b$12$z", T)],
    ),
    (
        "password_reset_tokens (id, user_id, token_hash, created_at, expires_at, used_at, ip_address, user_agent)",
        [("30000000-0000-4000-8000-000000000001", ANN, "ab" * 32, T, LATER, None, "2001:db8::1", "curl")],
    ),
    (
        "sessions (id, token_hash, user_id, created_at, last_seen_at, expires_at, wrote_at)",
        [("40000000-0000-4000-8000-000000000001", "cd" * 32, ANN, T, T, LATER, T)],
    ),
    (
        "setup_links (id, token_hash, created_at, expires_at, used_at)",
        [("50000000-0000-4000-8000-000000000001", "ef" * 32, T, LATER, T)],
    ),
    (
        "adopted_orphans (id, table_name, row_json, adopted_at)",
        [(3, "progress_snapshots", '{"z": 1, "a": [1.5, 1e2, 1e308, null, "ü"]}', T), (7, "users", "null", T)],
    ),
    (
        "audit_log (id, at, action, actor_id, actor_name, subject_id, subject_name, details)",
        [
            (1, T, "user.approved", ADMIN, "root", ANN, "ann", '{"why": "é", "n": 12345678901234567890}'),
            (2, T, "user.created", None, "command line", None, None, None),
            (3, T, "user.created", None, "command line", None, None, "null"),
        ],
    ),
    (
        "outbox (id, kind, recipient_id, content, created_at, sent_at, attempts, last_error)",
        [(5, "access.approved", ANN, '{"b": 0.1, "a": true}', T, None, 2, "no route")],
    ),
)
TABLES = (*(rows.partition(" ")[0] for rows, _ in ROWS), "tasks", "progress_snapshots")


def seeded(path: Path, progress_rows: int = 1000) -> SqliteUrl:
    """A database at head; the last numbers of a table were given to rows that are gone."""
    url = at_head(path)
    with closing(sqlite3.connect(path)) as database, database:
        for target, rows in ROWS:
            database.executemany(f"INSERT INTO {target} VALUES ({', '.join('?' * len(rows[0]))})", rows)
        database.executemany(
            "INSERT INTO tasks (task_id, filename, status, uploaded_at, file_size_bytes, total_packets, health_score,"
            " owner_id, capture_key, report_key, capture_duration_s, waiting_shares, report_html_path)"
            " VALUES (?, ?, 'completed', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            _tasks(),
        )
        database.executemany(
            "INSERT INTO progress_snapshots (id, task_id, phase, progress_percent, packets_processed, total_packets,"
            " message, timestamp, bytes_done) VALUES (?, ?, 'reading', ?, ?, ?, ?, ?, ?)",
            _progress(progress_rows),
        )
        database.execute("UPDATE sqlite_sequence SET seq = seq + 500 WHERE name = 'progress_snapshots'")
    return url


def _tasks() -> Iterator[tuple[object, ...]]:
    for number, task in enumerate(TASKS):
        owner = (ANN, BOB, None)[number % 3]
        shares = '[["server", 0.75], ["network", 0.25]]' if number % 2 else None
        keys = (f"captures/{task}", f"results/{task}") if number % 4 else (None, None)
        yield (task, f"{number} ø.pcap", T, 2**40, 2**33, 0.1 * number, owner, *keys, 1e-7, shares, None)


def _progress(rows: int) -> Iterator[tuple[object, ...]]:
    for number in range(1, rows + 1):
        moment = (
            f"2026-03-01T{number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}.{number % 10**6:06d}+00:00"
        )
        message = f"{number} packets" if number % 3 else None
        yield (number * 2, TASKS[number % len(TASKS)], number % 101, number, 2**33, message, moment, number * 1500)
