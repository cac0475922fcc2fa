"""What PostgreSQL's catalogues say of our tables."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, text

from pcap_analyzer.store.engines import EngineOptions
from pcap_analyzer.store.grants import LESS, quoted
from pcap_analyzer.store.migrations.drift import has_trigrams
from pcap_analyzer.store.models import TRIGRAM_INDEX, Base
from pcap_analyzer.store.verify.check import Check, failure, some, warning, well

INVALID_INDEXES = text(
    """
    SELECT i.indexrelid::regclass::text,
           EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid)
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE c.relnamespace = current_schema()::regnamespace AND NOT (i.indisvalid AND i.indisready)
    ORDER BY 1
    """
)
NOT_VALID = text(
    """
    SELECT conrelid::regclass::text, conname::text FROM pg_constraint
    WHERE connamespace = current_schema()::regnamespace AND NOT convalidated ORDER BY 1, 2
    """
)
SEQUENCES = text(
    """
    SELECT s.oid::regclass::text, t.oid::regclass::text, a.attname::text
    FROM pg_depend d
    JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
    JOIN pg_class t ON t.oid = d.refobjid
    JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
      AND t.relnamespace = current_schema()::regnamespace
    ORDER BY 1
    """
)
BUDGET = text(
    """
    SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
           - coalesce(current_setting('reserved_connections', true)::int, 0) AS server,
           (SELECT rolconnlimit FROM pg_roles WHERE rolname = coalesce(:app, current_user)) AS role,
           (SELECT datconnlimit FROM pg_database WHERE datname = current_database()) AS database,
           (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'
            AND application_name NOT LIKE 'pcap-analyzer%' AND pid <> pg_backend_pid()) AS others
    """
)
ALTERS = text(
    """
    SELECT has_schema_privilege(current_schema(), 'CREATE') OR bool_or(pg_has_role(relowner, 'USAGE'))
    FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND relname = ANY(:ours)
    """
)


def checks(connection: Connection, *, upgraded: bool) -> Iterator[Check]:
    """Indexes, constraints and sequences of our schema; an upgrade installs the extension, if it may."""
    yield _invalid_indexes(connection)
    yield _constraints(connection)
    yield _sequences(connection)
    if not upgraded:
        return
    if has_trigrams(connection):
        yield well("pg_trgm", "The extension is installed.")
    else:
        yield warning(
            "pg_trgm",
            "The extension pg_trgm is missing, so search by file name is slow: install PostgreSQL's contrib package "
            f"and run, as the owner, CREATE EXTENSION pg_trgm; this command then prints the index {TRIGRAM_INDEX}.",
        )


def _invalid_indexes(connection: Connection) -> Check:
    found = connection.execute(INVALID_INDEXES).all()
    broken = [name for name, being_built in found if not being_built]
    if broken:
        statements = "; ".join(f"REINDEX INDEX CONCURRENTLY {name}" for name in broken)
        return failure(
            "invalid indexes",
            f"The build of {some(broken)} was interrupted and no query uses it: {statements}; "
            "(drop those whose name ends in _ccnew or _ccold).",
        )
    if found:
        return warning("invalid indexes", f"{some([name for name, _ in found])} is being built: look again afterwards.")
    return well("invalid indexes", "Every index is complete.")


def _constraints(connection: Connection) -> Check:
    found = connection.execute(NOT_VALID).all()
    if not found:
        return well("constraints", "Every constraint holds for every row.")
    statements = "; ".join(f"ALTER TABLE {table} VALIDATE CONSTRAINT {quoted(name)}" for table, name in found)
    names = some([f"{name} of {table}" for table, name in found])
    return failure("constraints", f"Older rows were never checked against {names}: {statements};")


def _sequences(connection: Connection) -> Check:
    repairs = []
    for sequence, table, column in connection.execute(SEQUENCES).all():
        key = quoted(column)
        largest, following = connection.exec_driver_sql(
            f"SELECT (SELECT max({key}) FROM {table}), (SELECT last_value + is_called::int FROM {sequence})"  # noqa: S608
        ).one()
        if largest is not None and largest >= following:
            repairs.append(f"SELECT setval('{sequence}', (SELECT max({key}) FROM {table}))")  # noqa: S608 - printed
    if not repairs:
        return well("sequences", "Every sequence is ahead of its table.")
    return failure("sequences", f"New rows would get keys that exist already; run: {'; '.join(repairs)};")


def budget(connection: Connection, app: str | None, options: EngineOptions, processes: int) -> Check:
    """Whether what all processes hold fits into what the server, the role and the database allow.

    Each has one connection more than its pool, by which it knows whether it leads; behind PgBouncer that one only.
    """
    found = connection.execute(BUDGET, {"app": app}).mappings().one()
    allowed = min(
        limit for limit in (found["server"], found["role"], found["database"]) if limit is not None and limit >= 0
    )
    each = [1] if options.pgbouncer else [options.pool_size, options.max_overflow, 1]
    wanted = processes * sum(each)
    said = (
        f"{processes} × ({' + '.join(map(str, each))}) = {wanted} connections, {allowed} are allowed, "
        f"{found['others']} are in use by others"
    )
    advice = "lower DATABASE_POOL_SIZE, raise max_connections, or put PgBouncer in between."
    if options.pgbouncer:
        said += "; PgBouncer keeps those of requests, default_pool_size of them beside"
        advice = "raise max_connections, or lower PgBouncer's default_pool_size."
    if wanted > allowed:
        return failure("connections", f"{said}: {advice}")
    if wanted + found["others"] > found["server"]:
        return warning("connections", f"{said}: {advice}")
    return well("connections", f"{said}. For more processes, name their number with --processes.")


def rights(connection: Connection) -> tuple[Check, ...]:
    """What the service's role may do, asked as that role: all that it needs, and not more."""
    ours = sorted(Base.metadata.tables)
    if connection.scalar(ALTERS, {"ours": ours}):
        more = "may alter tables: a mistake in the service could do it too. Give it a role of its own"
    elif any(_may(connection, table, right) for table in LESS for right in ("UPDATE", "DELETE", "TRUNCATE")):
        more = f"may change {' or '.join(LESS)}"
    else:
        more = None
    lacking = [
        f"{right} on {table}"
        for table in ours
        for right in LESS.get(table, "SELECT, INSERT, UPDATE, DELETE").split(", ")
        if not _may(connection, table, right)
    ]
    if lacking:
        return (failure("rights", f"The service lacks {some(lacking)}: run what `pcap-analyzer db grants` prints."),)
    if more:
        return (warning("rights", f"The service's role {more}: run what `pcap-analyzer db grants` prints."),)
    return (well("rights", "The service's role may read and write rows, and nothing else."),)


def _may(connection: Connection, table: str, right: str) -> bool:
    asked = text("SELECT has_table_privilege(CAST(:table AS text), :right)")
    return bool(connection.scalar(asked, {"table": quoted(table), "right": right}))
