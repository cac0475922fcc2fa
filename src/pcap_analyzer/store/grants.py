"""The rights of two roles on PostgreSQL: one owns the tables and alters them, the other serves with them."""

from __future__ import annotations

SCHEMA = "public"
#: Table -> what the service's role may do with it where that is less than reading and writing rows.
LESS = {"audit_log": "SELECT, INSERT", "alembic_version": "SELECT"}
ROWS = "SELECT, INSERT, UPDATE, DELETE"


def statements(app: str, owner: str) -> tuple[str, ...]:
    """SQL that gives `app` its rights on what `owner` owns now and later, in the database where it is run.

    The owner runs it, in one transaction. Doing it again does no harm, and takes back what `app` was given beyond it.
    """
    who, whose = quoted(app), quoted(owner)
    later = f"ALTER DEFAULT PRIVILEGES FOR ROLE {whose} IN SCHEMA {SCHEMA}"
    return (
        _on_this_database("GRANT CONNECT ON DATABASE %I TO %I", app),
        _on_this_database("REVOKE CREATE ON DATABASE %I FROM %I", app),
        f"REVOKE CREATE ON SCHEMA {SCHEMA} FROM PUBLIC, {who}",
        f"GRANT USAGE ON SCHEMA {SCHEMA} TO {who}",
        f"REVOKE ALL ON ALL TABLES IN SCHEMA {SCHEMA} FROM {who}",
        f"GRANT {ROWS} ON ALL TABLES IN SCHEMA {SCHEMA} TO {who}",
        *(_less(table, rights, who) for table, rights in LESS.items()),
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {SCHEMA} TO {who}",
        f"{later} GRANT {ROWS} ON TABLES TO {who}",
        f"{later} GRANT USAGE ON SEQUENCES TO {who}",
    )


def quoted(name: str) -> str:
    """A name as SQL takes it, whatever it holds."""
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _on_this_database(statement: str, app: str) -> str:
    """GRANT knows no word for the database where it is run."""
    return _do(f"EXECUTE format({_literal(statement)}, current_database(), {_literal(app)})")


def _less(table: str, rights: str, who: str) -> str:
    """A table may not be there yet: before the first upgrade, or in an older release."""
    return _do(
        f"IF to_regclass('{SCHEMA}.{table}') IS NOT NULL THEN "
        f"REVOKE ALL ON {SCHEMA}.{table} FROM {who}; GRANT {rights} ON {SCHEMA}.{table} TO {who}; END IF"
    )


def _do(body: str) -> str:
    tag = "$do$"
    while tag in body:  # a role may have any name
        tag = f"$o{tag[1:]}"
    return f"DO {tag} BEGIN {body}; END {tag}"


def _literal(text: str) -> str:
    doubled = text.replace("'", "''")
    return f"'{doubled}'"
