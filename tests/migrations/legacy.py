"""Databases as earlier releases made them: tables written down by hand, and rows as they are found in the field."""

from __future__ import annotations

import functools
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from enum import StrEnum
from pathlib import Path

import bcrypt

from pcap_analyzer.store.connections import tool_connection
from pcap_analyzer.store.urls import PostgresUrl, SqliteUrl

Value = str | int | float | bytes | bool | None
Row = dict[str, Value]


class Age(StrEnum):
    """SQLite schemas that the application itself made."""

    OLDEST = "oldest"  # before approval, and before tasks had an owner, whose column was added
    MIDDLE = "middle"
    LATER = "later"


#: Column, its type on SQLite, its type on PostgreSQL, and the revision (1 to 5) that brought it.
USERS = (
    ("id", "TEXT PRIMARY KEY", "uuid PRIMARY KEY", 1),
    ("username", "TEXT UNIQUE NOT NULL", "varchar(50) NOT NULL", 1),
    ("email", "TEXT UNIQUE NOT NULL", "varchar(255) NOT NULL", 1),
    ("hashed_password", "TEXT NOT NULL", "varchar(255) NOT NULL", 1),
    ("role", "TEXT NOT NULL DEFAULT 'user'", "varchar(20) NOT NULL DEFAULT 'user'", 1),
    ("is_active", "INTEGER DEFAULT 1", "boolean NOT NULL DEFAULT true", 1),
    ("is_approved", "INTEGER DEFAULT 0", "boolean NOT NULL DEFAULT false", 1),
    ("approved_by", "TEXT", "uuid CONSTRAINT fk_users_approved_by REFERENCES users (id) ON DELETE SET NULL", 1),
    ("approved_at", "TIMESTAMP", "timestamptz", 1),
    ("created_at", "TIMESTAMP NOT NULL", "timestamptz NOT NULL", 1),
    ("last_login", "TIMESTAMP", "timestamptz", 1),
    ("password_must_change", "INTEGER DEFAULT 0", "boolean NOT NULL DEFAULT false", 2),
    ("is_2fa_enabled", "INTEGER DEFAULT 0", "boolean NOT NULL DEFAULT false", 4),
    ("totp_secret", "TEXT", "text", 4),
    ("backup_codes", "TEXT", "text", 4),
)
TASKS = (
    ("task_id", "TEXT PRIMARY KEY", "uuid PRIMARY KEY"),
    ("filename", "TEXT NOT NULL", "varchar(255) NOT NULL"),
    ("status", "TEXT NOT NULL", "varchar(20) NOT NULL"),
    ("uploaded_at", "TIMESTAMP NOT NULL", "timestamptz NOT NULL"),
    ("analyzed_at", "TIMESTAMP", "timestamptz"),
    ("file_size_bytes", "INTEGER", "bigint"),
    ("total_packets", "INTEGER", "integer"),
    ("health_score", "REAL", "double precision"),
    ("report_html_path", "TEXT", "varchar(500)"),
    ("report_json_path", "TEXT", "varchar(500)"),
    ("error_message", "TEXT", "text"),
    ("created_at", "TIMESTAMP DEFAULT CURRENT_TIMESTAMP", "timestamptz DEFAULT now()"),
    ("last_heartbeat", "TIMESTAMP", "timestamptz"),
    ("progress_percent", "INTEGER DEFAULT 0", "integer DEFAULT 0"),
    ("current_phase", "TEXT", "varchar(50)"),
    ("owner_id", "TEXT", "uuid CONSTRAINT fk_tasks_owner_id REFERENCES users (id) ON DELETE CASCADE"),
)
SNAPSHOTS = (
    ("id", "INTEGER PRIMARY KEY AUTOINCREMENT", "serial PRIMARY KEY"),
    ("task_id", "TEXT NOT NULL", "uuid NOT NULL CONSTRAINT fk_progress_snapshots_task_id"
     " REFERENCES tasks (task_id) ON DELETE CASCADE"),
    ("phase", "TEXT", "varchar(50)"),
    ("progress_percent", "INTEGER", "integer"),
    ("packets_processed", "INTEGER", "integer"),
    ("total_packets", "INTEGER", "integer"),
    ("current_analyzer", "TEXT", "varchar(100)"),
    ("message", "TEXT", "text"),
    ("timestamp", "TIMESTAMP NOT NULL", "timestamptz NOT NULL"),
)  # fmt: skip
HISTORY = (
    ("id", "TEXT PRIMARY KEY", "uuid PRIMARY KEY"),
    ("user_id", "TEXT NOT NULL", "uuid NOT NULL CONSTRAINT fk_password_history_user_id"
     " REFERENCES users (id) ON DELETE CASCADE"),
    ("hashed_password", "TEXT NOT NULL", "varchar(255) NOT NULL"),
    ("created_at", "TIMESTAMP NOT NULL", "timestamptz NOT NULL"),
)  # fmt: skip
TOKENS = (
    ("id", "TEXT PRIMARY KEY", "uuid PRIMARY KEY"),
    ("user_id", "TEXT NOT NULL CONSTRAINT fk_password_reset_tokens_user_id REFERENCES users (id) ON DELETE CASCADE",
     "uuid NOT NULL CONSTRAINT fk_password_reset_tokens_user_id REFERENCES users (id) ON DELETE CASCADE"),
    ("token_hash", "TEXT NOT NULL", "varchar(64) NOT NULL"),
    ("created_at", "TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP", "timestamptz NOT NULL DEFAULT now()"),
    ("expires_at", "TIMESTAMP NOT NULL", "timestamptz NOT NULL"),
    ("used_at", "TIMESTAMP", "timestamptz"),
    ("ip_address", "TEXT", "varchar(45)"),
    ("user_agent", "TEXT", "text"),
)  # fmt: skip
INDEXES = (
    (1, "CREATE UNIQUE INDEX idx_users_username ON users (username)"),
    (1, "CREATE UNIQUE INDEX idx_users_email ON users (email)"),
    (1, "CREATE INDEX idx_users_role ON users (role)"),
    (1, "CREATE INDEX idx_status ON tasks (status)"),
    (1, "CREATE INDEX idx_uploaded_at ON tasks (uploaded_at)"),
    (1, "CREATE INDEX idx_tasks_heartbeat ON tasks (last_heartbeat)"),
    (1, "CREATE INDEX idx_tasks_owner_id ON tasks (owner_id)"),
    (1, "CREATE INDEX idx_progress_task_id ON progress_snapshots (task_id)"),
    (1, "CREATE INDEX idx_progress_timestamp ON progress_snapshots (timestamp)"),
    (2, "CREATE INDEX idx_password_history_user_id ON password_history (user_id)"),
    (2, "CREATE INDEX idx_password_history_user_created ON password_history (user_id, created_at)"),
    (3, "CREATE INDEX idx_users_created_at ON users (created_at)"),
    (5, "CREATE INDEX idx_password_reset_tokens_user_id ON password_reset_tokens (user_id)"),
    (5, "CREATE INDEX idx_password_reset_tokens_token_hash ON password_reset_tokens (token_hash)"),
    (5, "CREATE INDEX idx_password_reset_tokens_expires_at ON password_reset_tokens (expires_at)"),
)
CHAIN = ("eba0e1bcc7ec", "2163cd9a7764", "c0989c735473", "2bc03b947812", "dcd3f75e61c2")


def _id(kind: int, number: int) -> str:
    return f"{kind:08x}-0000-4abc-8000-{number:012x}"


ADMIN, ANN, OTHER_ANN, UMLAUT, GONE = (_id(10, number) for number in range(1, 6))
DONE, RUNNING, OWNERLESS, WAITING, TASK_GONE = (_id(11, number) for number in range(1, 6))

PASSWORDS: Mapping[str, str] = {
    "root": "a password of the admin",
    "ann": "eighty bytes " * 6 + "--",
    "Ann": "of another Ann, by case",
    "jörg": "Grüße aus Köln, 密码 und mehr",
}
assert len(PASSWORDS["ann"].encode()) == 80


@functools.cache
def _hash(name: str) -> str:
    """As older versions of bcrypt made it, which read the first 72 bytes."""
    return bcrypt.hashpw(PASSWORDS[name].encode()[:72], bcrypt.gensalt(4)).decode()


def rows() -> Iterator[tuple[str, Row]]:
    """Rows that any database could hold, parents first."""
    user: Row = {"role": "user", "is_active": True, "is_approved": True, "created_at": "2024-01-02T03:04:05"}
    yield (
        "users",
        {
            **user,
            "id": ADMIN,
            "username": "root",
            "email": "root@example.org",
            "role": "admin",
            "hashed_password": _hash("root"),
            "totp_secret": "JBSWY3DPEHPK3PXP",
            "is_2fa_enabled": False,
            "backup_codes": json.dumps(["aaaa-bbbb", "cccc-dddd"]),
        },
    )
    yield (
        "users",
        {
            **user,
            "id": ANN,
            "username": "ann",
            "email": "ann@example.org",
            "hashed_password": _hash("ann"),
            "approved_by": ADMIN,
            "approved_at": "2024-01-03T03:04:05+00:00",
            "password_must_change": True,
            "created_at": "2024-01-02 03:04:05.5",
            "last_login": "2024-03-01T00:00:00Z",
        },
    )
    yield (
        "users",
        {**user, "id": OTHER_ANN, "username": "Ann", "email": "ANN@example.org", "hashed_password": _hash("Ann")},
    )
    yield (
        "users",
        {
            **user,
            "id": UMLAUT,
            "username": "jörg",
            "email": "joerg@example.org",
            "hashed_password": _hash("jörg"),
            "created_at": "2024-01-02",
        },
    )
    task: Row = {"owner_id": ANN, "uploaded_at": "2024-02-01 00:00:00", "created_at": "2024-02-01 00:00:00"}
    yield (
        "tasks",
        {
            **task,
            "task_id": DONE,
            "filename": "done.pcap",
            "status": "completed",
            "health_score": 71.5,
            "total_packets": 2**31 - 1,
            "file_size_bytes": 2**33,
            "analyzed_at": "2024-02-01T00:01:00+01:00",
            "report_html_path": "data/results/x.html",
            "report_json_path": "data/results/x.json",
            "progress_percent": 100,
        },
    )
    yield (
        "tasks",
        {
            **task,
            "task_id": RUNNING,
            "filename": "running.pcap",
            "status": "processing",
            "last_heartbeat": "2024-02-01T00:00:30.25",
            "progress_percent": 40,
            "current_phase": "tcp",
        },
    )
    yield (
        "tasks",
        {
            **task,
            "task_id": WAITING,
            "filename": "waiting.pcap",
            "status": "pending",
            "error_message": "once before: no room",
        },
    )
    for number, owner in enumerate((DONE, DONE, RUNNING), start=1):
        yield (
            "progress_snapshots",
            {
                "id": number,
                "task_id": owner,
                "phase": "tcp",
                "progress_percent": 10 * number,
                "packets_processed": number,
                "total_packets": 100,
                "current_analyzer": "rtt",
                "message": "so far",
                "timestamp": f"2024-02-01T00:00:0{number}",
            },
        )
    yield (
        "password_history",
        {"id": _id(12, 1), "user_id": ANN, "hashed_password": _hash("ann"), "created_at": "2024-01-05T00:00:00"},
    )
    yield "password_reset_tokens", {"id": _id(13, 1), "user_id": ANN, "token_hash": "ab" * 32,
                                    "created_at": "2024-01-05 00:00:00", "expires_at": "2024-01-05 01:00"}  # fmt: skip


def orphans() -> Iterator[tuple[str, Row]]:
    """Rows that only a database without foreign keys could hold."""
    yield (
        "tasks",
        {
            "task_id": OWNERLESS,
            "filename": "ownerless.pcap",
            "status": "failed",
            "owner_id": GONE,
            "uploaded_at": "2024-02-01T01:00:00",
        },
    )
    for number, owner in ((4, TASK_GONE), (5, DONE)):
        yield "progress_snapshots", {"id": number, "task_id": owner, "timestamp": "2024-02-01 00:00:09"}
    yield (
        "password_history",
        {"id": _id(12, 2), "user_id": GONE, "hashed_password": "$2b$04$x", "created_at": "2024-01-05T00:00:00"},
    )
    yield "password_reset_tokens", {"id": _id(13, 2), "user_id": GONE, "token_hash": "cd" * 32,
                                    "created_at": "2024-01-05 00:00:00", "expires_at": "2024-01-05 01:00"}  # fmt: skip


ORPHANS = {"progress_snapshots": 1, "password_history": 1, "password_reset_tokens": 1}


def literal(value: Value) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "'1'" if value else "'0'"  # which both databases take for a boolean
    if isinstance(value, bytes):
        return f"CAST(X'{value.hex()}' AS TEXT)"
    return repr(value) if isinstance(value, int | float) else f"'{value}'"


def insert(table: str, row: Row) -> str:
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(map(literal, row.values()))})"


def inserts(columns: Mapping[str, frozenset[str]], *, with_orphans: bool) -> Iterator[str]:
    """The rows as far as a schema has their tables and columns."""
    for table, row in (*rows(), *(orphans() if with_orphans else ())):
        if table in columns:
            yield insert(table, {name: value for name, value in row.items() if name in columns[table]})


def chain_schema(step: int, kind: int) -> Iterator[str]:
    """The tables of a revision; `kind` 1 is SQLite, 2 is PostgreSQL."""
    users = ", ".join(f"{column[0]} {column[kind]}" for column in USERS if column[3] <= step)
    yield f"CREATE TABLE users ({users}, CONSTRAINT role_check CHECK (role IN ('admin', 'user')))".replace(
        " UNIQUE", ""
    )
    later = (("tasks", TASKS, 1), ("progress_snapshots", SNAPSHOTS, 1), ("password_history", HISTORY, 2),
             ("password_reset_tokens", TOKENS, 5))  # fmt: skip
    for name, columns, since in later:
        if since <= step:
            check = ", CONSTRAINT token_expiry_check CHECK (expires_at > created_at)" if since == 5 else ""
            yield f"CREATE TABLE {name} ({', '.join(f'{column[0]} {column[kind]}' for column in columns)}{check})"
    yield from (index for since, index in INDEXES if since <= step)
    yield "CREATE TABLE alembic_version (version_num varchar(32) NOT NULL PRIMARY KEY)"
    yield f"INSERT INTO alembic_version VALUES ('{CHAIN[step - 1]}')"


def columns_of(step: int) -> dict[str, frozenset[str]]:
    found = {"users": frozenset(column[0] for column in USERS if column[3] <= step)}
    found["tasks"], found["progress_snapshots"] = frozenset(c[0] for c in TASKS), frozenset(c[0] for c in SNAPSHOTS)
    if step >= 2:
        found["password_history"] = frozenset(column[0] for column in HISTORY)
    if step >= 5:
        found["password_reset_tokens"] = frozenset(column[0] for column in TOKENS)
    return found


def own_schema(age: Age) -> Iterator[str]:
    """The tables as the application made them."""
    since = {Age.OLDEST: 1, Age.MIDDLE: 1, Age.LATER: 4}[age]
    users = [column for column in USERS if column[3] <= since]
    if age is Age.OLDEST:
        users = [column for column in users if "approved" not in column[0]]
    yield f"CREATE TABLE users ({', '.join(f'{column[0]} {column[1]}' for column in users)})"
    first = TASKS if age is not Age.OLDEST else TASKS[:-1]
    yield f"CREATE TABLE tasks ({', '.join(f'{column[0]} {column[1]}' for column in first)})"
    snapshots = ", ".join(f"{column[0]} {column[1]}" for column in SNAPSHOTS)
    yield (
        f"CREATE TABLE progress_snapshots ({snapshots}, "
        "FOREIGN KEY (task_id) REFERENCES tasks (task_id) ON DELETE CASCADE)"
    )
    if age is Age.OLDEST:
        yield "ALTER TABLE tasks ADD COLUMN owner_id TEXT REFERENCES users (id)"
    if age is Age.LATER:
        yield f"CREATE TABLE password_history ({', '.join(f'{column[0]} {column[1]}' for column in HISTORY)})"
    there = ("users", "tasks", "progress_snapshots", *(["password_history"] if age is Age.LATER else []))
    for revision, index in INDEXES:
        if revision <= 2 and index.split(" ON ")[1].split(" ")[0] in there:
            yield index
    yield "CREATE INDEX idx_owner_id ON tasks (owner_id)"


def build_own(path: Path, age: Age, *more: str) -> SqliteUrl:
    """A file that the application made, with rows in every table and orphans; `more` statements come at the end."""
    with closing(sqlite3.connect(path)) as database, database:
        for statement in own_schema(age):
            database.execute(statement)
        for statement in (*inserts(columns_in(database), with_orphans=True), *more):
            database.execute(statement)
    return SqliteUrl(path)


def build_chain(path: Path, step: int, *more: str) -> SqliteUrl:
    """A file that revisions 1 to `step` made."""
    with closing(sqlite3.connect(path)) as database, database:
        for statement in (*chain_schema(step, 1), *inserts(columns_of(step), with_orphans=True), *more):
            database.execute(statement)
    return SqliteUrl(path)


async def fill_postgres(url: PostgresUrl, step: int) -> None:
    """The same in an empty database on PostgreSQL, which had no orphans."""
    async with tool_connection(url, "test") as connection:
        for statement in (*chain_schema(step, 2), *inserts(columns_of(step), with_orphans=False)):
            await connection.exec_driver_sql(statement)
        await connection.exec_driver_sql("SELECT setval('progress_snapshots_id_seq', 3)")
        await connection.commit()


def columns_in(database: sqlite3.Connection) -> dict[str, frozenset[str]]:
    names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
    return {
        name: frozenset(column[1] for column in database.execute(f"PRAGMA table_info({name})"))
        for (name,) in names.fetchall()
    }


def counts(path: Path) -> dict[str, int]:
    """Rows by table."""
    with closing(sqlite3.connect(path)) as database:
        return {
            name: database.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
            for name in columns_in(database)
            if name != "alembic_version"
        }
