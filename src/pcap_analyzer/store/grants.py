"""The rights of two roles on PostgreSQL: one owns the tables and alters them, the other serves with them."""

from __future__ import annotations

SCHEMA = "public"
#: Table -> what the service's role may do with it where that is less than reading and writing rows.
LESS = {"audit_log": "SELECT, INSERT", "alembic_version": "SELECT"}
ROWS = "SELECT, INSERT, UPDATE, DELETE"


def statements(app: str, owner: str, database: str) -> tuple[str, ...]:
    """SQL that gives `app` its rights on what `owner` owns now and later; run by the owner, in one transaction.

    Doing it again does no harm, and takes back what `app` was given beyond that. Each text is one statement.
    """
    who, whose, where = quoted(app), quoted(owner), quoted(database)
    later = f"ALTER DEFAULT PRIVILEGES FOR ROLE {whose} IN SCHEMA {SCHEMA}"
    return (
        f"GRANT CONNECT ON DATABASE {where} TO {who}",
        f"REVOKE CREATE ON DATABASE {where} FROM {who}",
        f"REVOKE CREATE ON SCHEMA {SCHEMA} FROM PUBLIC, {who}",
        f"GRANT USAGE ON SCHEMA {SCHEMA} TO {who}",
        f"REVOKE ALL ON ALL TABLES IN SCHEMA {SCHEMA} FROM {who}",
        f"GRANT {ROWS} ON ALL TABLES IN SCHEMA {SCHEMA} TO {who}",
        *(_less(table, rights, who) for table, rights in LESS.items()),
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {SCHEMA} TO {who}",
        f"{later} GRANT {ROWS} ON TABLES TO {who}",
        f"{later} GRANT USAGE ON SEQUENCES TO {who}",
    )


def _less(table: str, rights: str, who: str) -> str:
    """A table may not be there yet: before the first upgrade, or in an older release."""
    return (
        f"DO $grants$ BEGIN IF to_regclass('{SCHEMA}.{table}') IS NOT NULL THEN "
        f"REVOKE ALL ON {SCHEMA}.{table} FROM {who}; GRANT {rights} ON {SCHEMA}.{table} TO {who}; "
        "END IF; END $grants$"
    )


def quoted(name: str) -> str:
    """A name as SQL takes it, whatever it holds."""
    doubled = name.replace('"', '""')
    return f'"{doubled}"'
