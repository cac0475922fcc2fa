"""Runs what Alembic was asked for: one transaction a revision, each checked before it is committed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, PendingRollbackError
from sqlalchemy.util import await_only

from pcap_analyzer.errors import DatabaseUnavailable, DatabaseUnreachable
from pcap_analyzer.store import faults
from pcap_analyzer.store.migrations.checks import RevisionCheck
from pcap_analyzer.store.migrations.drift import models_for
from pcap_analyzer.store.models import Base

#: Between tries for a lock that somebody else holds; queries that queued up behind ours get through meanwhile.
PAUSES_S = (1.0, 2.0, 4.0, 8.0, 15.0)
LOST = (
    "The connection to the database was lost in the middle of a revision. What was finished stays, the rest was rolled "
    "back: run `pcap-analyzer db upgrade` again."
)
LOCKED = frozenset({"55P03", "40P01"})


def run_online(connection: Connection, on_step: Callable[[str], None] | None = None) -> None:
    """Migrate, or compare, what the connection leads to.

    A revision that does not get its locks is rolled back and tried again; Alembic goes on from the revision at which
    the database then stands. Raises DatabaseUnavailable when somebody never lets go.
    """
    context.configure(
        connection=connection,
        target_metadata=models_for(connection),
        render_as_batch=connection.dialect.name == "sqlite",
        transaction_per_migration=True,
        on_version_apply=RevisionCheck(connection, on_step),
    )
    for pause_s in (*PAUSES_S, None):
        try:
            with context.begin_transaction():
                context.run_migrations()
        except PendingRollbackError as error:  # what Alembic meets when it tidies up after a lost connection
            raise DatabaseUnreachable(LOST) from error
        except DBAPIError as error:
            if faults.sqlstate(error.orig) not in LOCKED:
                raise
            if pause_s is None:
                raise _never_free(len(PAUSES_S) + 1) from error
            _tell(on_step, f"somebody holds a table that this revision needs; again in {pause_s:g} s")
            connection.rollback()
            _forget_limits(connection)
            await_only(asyncio.sleep(pause_s))
        else:
            return


def _forget_limits(connection: Connection) -> None:
    """What a step that failed outside of a transaction has set stays set otherwise."""
    connection.exec_driver_sql("RESET lock_timeout")
    connection.commit()


def _never_free(tries: int) -> DatabaseUnavailable:
    return DatabaseUnavailable(
        f"A table that the upgrade needs for a moment was held by an open transaction at each of {tries} tries. "
        "What was finished stays, the rest was rolled back. End that transaction (pg_stat_activity shows it by its "
        "xact_start), then run `pcap-analyzer db upgrade` again."
    )


def _tell(on_step: Callable[[str], None] | None, what: str) -> None:
    if on_step is not None:
        on_step(what)


def run_offline() -> None:
    """Print the SQL for PostgreSQL; nothing is connected to."""
    context.configure(
        dialect_name="postgresql",
        target_metadata=Base.metadata,
        literal_binds=True,
        dialect_opts={"paramstyle": "named"},  # of the others one doubles every % in SQL
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
