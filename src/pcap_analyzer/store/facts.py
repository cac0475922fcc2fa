"""What a database is and how the service reaches it: facts for people and programs, without a password."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from pcap_analyzer.store.adoption.history import Adoption, last_adoption
from pcap_analyzer.store.chain import head
from pcap_analyzer.store.connections import service_connection
from pcap_analyzer.store.engines import EngineOptions, journal_of, service_engine
from pcap_analyzer.store.faults import DRIVER_ERRORS, sentence
from pcap_analyzer.store.replica import Replica
from pcap_analyzer.store.standing import revision_advice, standing, write_protection
from pcap_analyzer.store.urls import DatabaseUrls, PostgresUrl, SqliteUrl

SYNCHRONOUS = {0: "OFF", 1: "NORMAL", 2: "FULL", 3: "EXTRA"}
LAG_TRIES = 10
LAG_PAUSE_S = 0.2


@dataclass(frozen=True)
class TableSize:
    name: str
    rows: int | None  # as the planner estimates them; None: never counted
    bytes: int  # with indexes


@dataclass(frozen=True)
class ReplicaFacts:
    url: str
    reachable: bool
    lag_s: float | None  # None: not known, or more than was waited for
    lag_bytes: int | None  # of the log that is not replayed yet
    problem: str | None  # in a sentence


@dataclass(frozen=True)
class SqliteFacts:
    """As a connection of the service has them."""

    version: str
    exists: bool
    size_bytes: int | None  # None: there is no file yet
    journal_mode: str
    journal_reason: str
    foreign_keys: bool
    busy_timeout_ms: int
    synchronous: str
    adopted: Adoption | None  # None: it was never the database of an earlier release, or is not at head


@dataclass(frozen=True)
class PostgresFacts:
    """As a connection of the service has them."""

    version: str
    role: str
    database: str
    encrypted: bool | None  # None: the server does not tell
    encryption: str | None  # protocol and cipher
    ssl_mode: str
    direct_url: str
    pool_size: int
    max_overflow: int
    pgbouncer: bool
    max_connections: int
    statement_timeout: str
    lock_timeout: str
    idle_in_transaction_session_timeout: str
    replica: ReplicaFacts | None
    tables: tuple[TableSize, ...]


@dataclass(frozen=True)
class DatabaseFacts:
    kind: Literal["sqlite", "postgresql"]
    url: str
    revision: str | None  # None: not stamped
    head: str  # the newest revision that this release knows
    at_head: bool
    warnings: tuple[str, ...]
    sqlite: SqliteFacts | None
    postgresql: PostgresFacts | None


async def facts(urls: DatabaseUrls, options: EngineOptions) -> DatabaseFacts:
    """Ask the database; raises DatabaseUnavailable when it does not answer. Nothing is changed or made."""
    if isinstance(urls.main, SqliteUrl):
        return await _sqlite(urls.main, options)
    return await _postgres(urls.main, urls, options)


async def _sqlite(url: SqliteUrl, options: EngineOptions) -> DatabaseFacts:
    stands = standing(url.path)
    revision, protected = stands.revision, write_protection(url.path) if stands.exists else None
    with tempfile.TemporaryDirectory() as folder:
        # A connection of the service sets the journal: where the file is not at head yet, or cannot be written, another
        # one shows what it would be like.
        asked = url if stands.advice is None and protected is None else SqliteUrl(Path(folder) / "asked.db")
        async with service_connection(asked, options) as connection:
            pragmas = {name: await _pragma(connection, name) for name in ("journal_mode", "foreign_keys")}
            busy_timeout_ms = int(await _pragma(connection, "busy_timeout"))
            synchronous = SYNCHRONOUS[int(await _pragma(connection, "synchronous"))]
            adopted = await connection.run_sync(last_adoption, url.path) if asked is url else None
    journal = journal_of(options.wal)
    return DatabaseFacts(
        kind="sqlite",
        url=url.shown,
        revision=revision,
        head=head(),
        at_head=revision == head(),
        warnings=tuple(filter(None, (stands.advice, protected))),
        sqlite=SqliteFacts(
            version=sqlite3.sqlite_version,
            exists=stands.exists,
            size_bytes=url.path.stat().st_size if stands.exists else None,
            journal_mode=str(pragmas["journal_mode"]).upper(),
            journal_reason=journal.reason,
            foreign_keys=bool(pragmas["foreign_keys"]),
            busy_timeout_ms=busy_timeout_ms,
            synchronous=synchronous,
            adopted=adopted,
        ),
        postgresql=None,
    )


async def _pragma(connection: AsyncConnection, name: str) -> Any:  # Any: a number or a word
    return (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one()


POSTGRES_FACTS = text(
    """
    SELECT current_setting('server_version') AS version, current_user::text AS role,
           current_database()::text AS database,
           (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()) AS encrypted,
           (SELECT version || ' ' || cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid()) AS encryption,
           current_setting('max_connections')::int AS max_connections,
           current_setting('statement_timeout') AS statement_timeout,
           current_setting('lock_timeout') AS lock_timeout,
           current_setting('idle_in_transaction_session_timeout') AS idle_in_transaction_session_timeout,
           to_regclass('alembic_version') IS NOT NULL AS stamped
    """
)
TABLE_SIZES = text(
    """
    SELECT relname::text AS name, CASE WHEN reltuples < 0 THEN NULL ELSE reltuples::bigint END AS rows,
           pg_total_relation_size(oid) AS bytes
    FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = current_schema()::regnamespace
    ORDER BY bytes DESC, name
    """
)


async def _postgres(url: PostgresUrl, urls: DatabaseUrls, options: EngineOptions) -> DatabaseFacts:
    async with service_connection(url, options) as connection:
        asked = (await connection.execute(POSTGRES_FACTS)).mappings().one()
        sizes = (await connection.execute(TABLE_SIZES)).mappings().all()
        versions = text("SELECT version_num FROM alembic_version")
        revision = await connection.scalar(versions) if asked["stamped"] else None
    replica = None if urls.replica is None else await replica_facts(urls.replica, url, options)
    encryption = (url.warning,) if url.warning else ()
    behind = (replica.problem,) if replica is not None and replica.problem else ()
    return DatabaseFacts(
        kind="postgresql",
        url=url.shown,
        revision=revision,
        head=head(),
        at_head=revision == head(),
        warnings=tuple(filter(None, (revision_advice(revision), *encryption, *behind))),
        sqlite=None,
        postgresql=_postgres_facts(asked, sizes, urls, options, replica),
    )


def _postgres_facts(
    asked: RowMapping,
    sizes: Sequence[RowMapping],
    urls: DatabaseUrls,
    options: EngineOptions,
    replica: ReplicaFacts | None,
) -> PostgresFacts:
    assert isinstance(urls.main, PostgresUrl)
    return PostgresFacts(
        version=asked["version"],
        role=asked["role"],
        database=asked["database"],
        encrypted=asked["encrypted"],
        encryption=asked["encryption"],
        ssl_mode=urls.main.ssl_mode.value,
        direct_url=urls.direct.shown,
        pool_size=0 if options.pgbouncer else options.pool_size,
        max_overflow=0 if options.pgbouncer else options.max_overflow,
        pgbouncer=options.pgbouncer,
        max_connections=asked["max_connections"],
        statement_timeout=asked["statement_timeout"],
        lock_timeout=asked["lock_timeout"],
        idle_in_transaction_session_timeout=asked["idle_in_transaction_session_timeout"],
        replica=replica,
        tables=tuple(TableSize(row["name"], row["rows"], row["bytes"]) for row in sizes),
    )


async def replica_facts(url: PostgresUrl, primary_url: PostgresUrl, options: EngineOptions) -> ReplicaFacts:
    """How far the replica is behind, measured for two seconds at most."""
    primary = service_engine(primary_url, options)
    replica = Replica(service_engine(url, options), primary)
    try:
        lag_s = await _lag_s(replica)
        lag_bytes = await _lag_bytes(replica, primary)
    except DRIVER_ERRORS as error:
        why = str(sentence(error, url.shown) or type(error).__name__)
        return ReplicaFacts(url.shown, reachable=False, lag_s=None, lag_bytes=None, problem=f"The replica: {why}")
    finally:
        await replica.close()
        await primary.dispose()
    problem = None
    if lag_bytes is None:
        problem = "DATABASE_REPLICA_URL leads to a server that is no replica."
    elif lag_s is None:
        problem = f"The replica is more than {LAG_TRIES * LAG_PAUSE_S:g} s behind ({lag_bytes} bytes of the log)."
    return ReplicaFacts(url.shown, reachable=True, lag_s=lag_s, lag_bytes=lag_bytes, problem=problem)


async def _lag_s(replica: Replica) -> float | None:
    for _ in range(LAG_TRIES):
        lag_s = await replica.measure()
        if lag_s is not None:
            return round(lag_s, 3)
        await asyncio.sleep(LAG_PAUSE_S)
    return None


async def _lag_bytes(replica: Replica, primary: AsyncEngine) -> int | None:
    async with primary.connect() as connection:
        written = await connection.scalar(text("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn"))
    async with replica.engine.connect() as connection:
        replayed = await connection.scalar(text("SELECT pg_last_wal_replay_lsn() - '0/0'::pg_lsn"))
    return None if replayed is None or written is None else max(0, int(written) - int(replayed))
