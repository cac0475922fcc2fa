"""What is looked at after each revision, while it can still be rolled back."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from alembic.runtime.migration import MigrationContext, MigrationInfo
from alembic.script import Script
from sqlalchemy import Connection

from pcap_analyzer.errors import DatabaseUnavailable

SQLITE_TABLES = r"SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'"


@dataclass
class RevisionCheck:
    """Called by Alembic inside each revision's transaction: what it finds wrong rolls that revision back.

    PostgreSQL keeps foreign keys by itself and rewrites no table behind our back; on SQLite batch mode does.
    """

    connection: Connection
    on_step: Callable[[str], None] | None = None
    _rows: dict[str, int] = field(default_factory=dict)
    _begun_s: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._rows = self._count()

    def __call__(  # Any: the two that are not used
        self,
        ctx: MigrationContext,  # noqa: ARG002 - Alembic gives all four by name
        step: MigrationInfo,
        heads: Collection[Any],  # noqa: ARG002
        run_args: Mapping[str, Any],  # noqa: ARG002
    ) -> None:
        if self.connection.dialect.name == "sqlite":
            self._check(step)
        if self.on_step is not None:
            self.on_step(f"{time.monotonic() - self._begun_s:6.1f} s  {_named(step)}")
        self._begun_s = time.monotonic()

    def _check(self, step: MigrationInfo) -> None:
        broken = self.connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        if broken:
            raise DatabaseUnavailable(f"Revision {step.up_revision_id} leaves rows without their parent: {broken[:3]}.")
        before, self._rows = self._rows, self._count()
        moved = self._rows.get("adopted_orphans", 0) - before.get("adopted_orphans", 0)
        lost = sum(max(0, count - self._rows.get(table, 0)) for table, count in before.items() if table in self._rows)
        if step.is_upgrade and (lost > moved or before.keys() - self._rows.keys()):
            raise DatabaseUnavailable(f"Revision {step.up_revision_id} loses {lost - moved} rows: it was not applied.")

    def _count(self) -> dict[str, int]:
        if self.connection.dialect.name != "sqlite":
            return {}
        # The driver is asked directly: a statement through SQLAlchemy would begin a transaction before Alembic does.
        cursor = self.connection.connection.cursor()
        cursor.execute(SQLITE_TABLES)
        names = [name for (name,) in cursor.fetchall() if name != "alembic_version"]
        counts = {}
        for name in names:
            cursor.execute(f'SELECT count(*) FROM "{name}"')  # noqa: S608 - a table of this very database
            counts[name] = cursor.fetchall()[0][0]
        cursor.close()
        return counts


def _named(step: MigrationInfo) -> str:
    if step.is_stamp:
        return f"only stamped {', '.join(step.destination_revision_ids) or 'base'}: nothing was applied"
    direction = "up to" if step.is_upgrade else "down from"
    script = step.up_revision
    return f"{direction} {step.up_revision_id}  {script.doc if isinstance(script, Script) else ''}".rstrip()
