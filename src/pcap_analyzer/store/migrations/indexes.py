"""Indexes on tables in use: built beside the traffic on PostgreSQL, and mended where an earlier build was cut off.

A revision that uses them consists of nothing else: each step is committed by itself, and each can be done again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from alembic import op
from sqlalchemy import TextClause, text
from sqlalchemy.exc import DBAPIError

from pcap_analyzer.store import faults

log = logging.getLogger(__name__)

#: A build waits for the transactions that are older than itself, and keeps nobody waiting meanwhile.
WAIT = "180s"
#: The role may not make it; the server has not got its files.
NO_EXTENSION = frozenset({"42501", "0A000", "58P01", "58P02"})


def build_index(name: str, table: str, columns: Sequence[str | TextClause], **options: Any) -> None:  # Any: op's own
    """Build an index, which is there and valid afterwards, whatever an earlier try left behind."""
    if op.get_context().dialect.name != "postgresql":
        op.create_index(name, table, columns)
        return
    with _beside_the_traffic():
        valid = _is_valid(name)
        if valid is False:
            op.drop_index(name, table_name=table, postgresql_concurrently=True)
        if not valid:
            # Who prints SQL cannot look whether the index is there.
            op.create_index(name, table, columns, postgresql_concurrently=True, if_not_exists=_prints(), **options)


def remove_index(name: str, table: str) -> None:
    """Drop an index if it is there."""
    if op.get_context().dialect.name != "postgresql":
        op.drop_index(name, table_name=table, if_exists=True)
        return
    with _beside_the_traffic():
        op.drop_index(name, table_name=table, postgresql_concurrently=True, if_exists=True)


def make_trigrams() -> bool:
    """Whether PostgreSQL's extension pg_trgm is there now; a warning says what is slower without it."""
    if _prints():
        op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        return True
    with _beside_the_traffic():
        try:
            op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        except DBAPIError as error:
            if faults.sqlstate(error.orig) not in NO_EXTENSION:
                raise
            log.warning(
                "PostgreSQL's extension pg_trgm cannot be made here (%s): searching tasks for a text reads all of "
                "them. Once an administrator has run CREATE EXTENSION pg_trgm, `pcap-analyzer db verify` names the "
                "index to make.",
                error.orig,
            )
            return False
    return True


@contextmanager
def _beside_the_traffic() -> Iterator[None]:
    """Outside of a transaction. The limit is set back by the next try where this one fails."""
    with op.get_context().autocommit_block():
        op.execute(f"SET lock_timeout = '{WAIT}'")
        yield
        op.execute("RESET lock_timeout")


def _is_valid(name: str) -> bool | None:
    """None: there is no such index."""
    if _prints():
        return None
    state = text("SELECT indisvalid AND indisready FROM pg_index WHERE indexrelid = to_regclass(:name)")
    found = op.get_bind().scalar(state, {"name": name})
    return None if found is None else bool(found)


def _prints() -> bool:
    return op.get_context().as_sql
