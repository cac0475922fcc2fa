"""The chain of revisions that this release knows, oldest first, and how Alembic is told of it."""

from __future__ import annotations

from collections.abc import Mapping

from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import create_engine, inspect

from pcap_analyzer.errors import UsageError
from pcap_analyzer.store.models import Base

LOCATION = "pcap_analyzer.store:migrations"


def alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", LOCATION)
    config.set_main_option("path_separator", "os")
    return config


def scripts() -> tuple[Script, ...]:
    """The revisions, oldest first."""
    return tuple(ScriptDirectory.from_config(alembic_config()).walk_revisions())[::-1]


def revisions() -> tuple[str, ...]:
    """Their ids, oldest first."""
    return tuple(script.revision for script in scripts())


def head() -> str:
    """The newest revision that this release knows."""
    return revisions()[-1]


def previous(revision: str) -> str | None:
    """The revision before; None before the first. Raises UsageError for one that this release does not know."""
    known = revisions()
    place = _place(revision, known)
    return known[place - 1] if place else None


def downgrade_target(written: str, current: str) -> str | None:
    """The revision that somebody wrote: an id or its beginning, `-2` for two back, None for `base`.

    Raises UsageError for what this release does not know, and for what does not lead back from `current`.
    """
    known = revisions()
    if written == "base":
        return None
    if written.startswith("-") and written[1:].isdigit():
        place = _place(current, known) + int(written)
        if place < -1:
            raise UsageError(
                f"There are {place - int(written) + 1} revisions to go back from {current}, not {written[1:]}."
            )
    else:
        try:
            place = _place(str(ScriptDirectory.from_config(alembic_config()).as_revision_number(written)), known)
        except CommandError:
            place = _place(written, known)
    if place > _place(current, known):
        raise UsageError(f"The database is at revision {current}, which is older than {written}.")
    return known[place] if place >= 0 else None


def _place(revision: str, known: tuple[str, ...]) -> int:
    if revision not in known:
        raise UsageError(f"This release knows no revision {revision}; it knows {', '.join(known)}.")
    return known.index(revision)


def columns_at(revision: str | None) -> Mapping[str, frozenset[str]]:
    """Table -> its columns at a revision of the chain, which are the same on both databases; {} before the first."""
    if revision is None:
        return {}
    applied = scripts()[: _place(revision, revisions()) + 1]
    engine = create_engine("sqlite://")
    try:
        with engine.begin() as connection:
            context = MigrationContext.configure(connection, opts={"target_metadata": Base.metadata})
            with Operations.context(context):
                for script in applied:
                    script.module.upgrade()
            tables = inspect(connection)
            return {
                table: frozenset(column["name"] for column in tables.get_columns(table))
                for table in tables.get_table_names()
            }
    finally:
        engine.dispose()
