"""Locks that a revision takes before it changes tables which a running service uses."""

from __future__ import annotations

from alembic import op

FIRST_WAIT = "4s"
#: Below PostgreSQL's deadlock_timeout of 1 s: who holds one lock and waits for the next gives up, and harms nobody.
NEXT_WAIT = "300ms"


def take_locks(*tables: str) -> None:
    """Take all locks at once or none: nobody waits behind this revision for longer than for the first of them.

    On PostgreSQL a lock that is waited for keeps everybody out who comes later, and lock_timeout counts for each lock
    anew. Existing tables that get a new foreign key, or that one leads to, belong to `tables`. What the revision waits
    for afterwards, a sequence for example, it gets within `NEXT_WAIT` too. SQLite locks the whole file anyway.
    """
    if op.get_context().dialect.name != "postgresql":
        return
    wait = FIRST_WAIT
    for table in tables:
        op.execute(f"SET LOCAL lock_timeout = '{wait}'")
        op.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        wait = NEXT_WAIT
    op.execute(f"SET LOCAL lock_timeout = '{NEXT_WAIT}'")
