"""Bring a database to the newest revision: probe, lock, probe again, back up, migrate, check. All of it lives here.

`db upgrade`, `serve` on SQLite and `alembic upgrade head` typed by hand all come through `locked()`. On PostgreSQL
`serve` only looks, with `check_at_start()`.
"""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from pcap_analyzer.errors import Conflict, DatabaseUnavailable, StorageUnavailable, UnknownSchema, UsageError
from pcap_analyzer.store import locks
from pcap_analyzer.store.adoption import adopting, file, schemas
from pcap_analyzer.store.backups import back_up
from pcap_analyzer.store.chain import alembic_config, columns_at, downgrade_target, head, previous, revisions
from pcap_analyzer.store.connections import on_connection, tool_connection
from pcap_analyzer.store.losses import losses
from pcap_analyzer.store.urls import DatabaseUrl, PostgresUrl, SqliteUrl

__all__ = ["Probe", "Upgraded", "check_at_start", "downgrade", "head", "previous", "probe", "upgrade", "upgrade_sql"]

log = logging.getLogger(__name__)

OnStep = Callable[[str], None]
VERSIONS = "alembic_version"
OF_AN_EARLIER_RELEASE = "The database is of an earlier release: run `pcap-analyzer db upgrade` first."
COLUMNS = (
    "SELECT relname, attname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid "
    "WHERE relkind IN ('r', 'p') AND pg_table_is_visible(pg_class.oid) AND attnum > 0 AND NOT attisdropped"
)


@dataclass(frozen=True)
class Probe:
    """What a database is before anything touches it."""

    tables: frozenset[str]
    revision: str | None  # None: not stamped, or with what does not say what the tables are
    legacy: schemas.Schema | None = None  # of a SQLite database to adopt: no revision describes it
    missing: tuple[str, ...] = ()  # tables and columns of the revision that a PostgreSQL database has not


@dataclass(frozen=True)
class Upgraded:
    """What was done: the same revision twice when there was nothing to do."""

    before: str | None  # None: new, or made without Alembic
    after: str | None  # None: before the first revision
    backup: Path | None  # of SQLite, when there was something to lose
    adopted: adopting.Adopted | None = None


@dataclass(frozen=True)
class Locked:
    """A connection that migrates, alone, and what it found."""

    connection: AsyncConnection
    found: Probe
    adopted: adopting.Adopted | None = None


async def upgrade(url: DatabaseUrl, *, on_step: OnStep | None = None) -> Upgraded:
    """Bring the database to head, where no revision describes it by adoption; `on_step` hears of each revision.

    Raises UnknownSchema for a schema that no revision describes, with the database untouched, and DatabaseUnavailable
    when the database cannot be brought there: what was finished stays, the rest is rolled back.
    """
    found = await probe(url)
    if found.revision == head():
        return Upgraded(head(), head(), None)
    backup = None
    async with locked(url, adopts=True, on_step=on_step) as ready:
        if ready.found.revision != head():
            backup = await _back_up_first(url, ready.found)
            await ready.connection.run_sync(_migrate, command.upgrade, "head", on_step)
    reached = (await probe(url)).revision
    if reached != head():
        raise DatabaseUnavailable(f"The database stands at revision {reached} after the upgrade to {head()}.")
    before = head() if found.legacy is not None and ready.adopted is None else found.revision  # another one adopted it
    return Upgraded(before, head(), backup, ready.adopted)


async def downgrade(
    url: DatabaseUrl, revision: str, *, allow_data_loss: bool, on_step: OnStep | None = None
) -> Upgraded:
    """Bring the database back to an older revision, step by step; `revision` as `chain.downgrade_target` reads it.

    Raises Conflict, with nothing changed, where rows or values would be lost and that was not allowed.
    """
    if (await probe(url)).revision is None:
        raise UsageError("The database has no revision to go back from.")
    async with locked(url, on_step=on_step) as ready:
        before = ready.found.revision
        if before is None:
            raise Conflict("Another process has emptied the database in the meantime.")
        target = downgrade_target(revision, before)
        if not allow_data_loss:
            await ready.connection.run_sync(_refuse_losses, before, target)
        backup = await _back_up_first(url, ready.found) if target != before else None
        await ready.connection.run_sync(_migrate, command.downgrade, target or "base", on_step)
    return Upgraded(before, (await probe(url)).revision, backup)


def _refuse_losses(connection: Connection, current: str, target: str | None) -> None:
    """Raise Conflict where going back to `target` loses something, and say what."""
    lost = losses(connection, columns_at(current), columns_at(target))
    connection.rollback()
    if lost:
        raise Conflict(
            f"Going back to {target or 'an empty database'} would lose {', '.join(lost)}. Nothing was changed. "
            "If that is meant, repeat it with --allow-data-loss (Alembic by hand: -x allow_data_loss=yes)."
        )


async def apply(url: DatabaseUrl, revision: str, *, on_step: OnStep | None = None) -> None:
    """Run the chain up to `revision`, with neither lock nor backup: for a database that nobody else knows of."""
    await on_connection(url, "upgrade", lambda connection: _migrate(connection, command.upgrade, revision, on_step))


def _migrate(connection: Connection, run: Callable[..., None], revision: str, on_step: OnStep | None) -> None:
    config = alembic_config()
    config.attributes.update(connection=connection, on_step=on_step)
    run(config, revision)


async def upgrade_sql(url: DatabaseUrl, since: str | None = None) -> str:
    """The SQL that brings PostgreSQL to head, from revision `since` or from where the database stands."""
    if isinstance(url, SqliteUrl):
        raise UsageError("SQL can be printed for PostgreSQL; tables of SQLite are rebuilt from what they hold.")
    start = since if since is not None else (await probe(url)).revision
    if start not in (None, "base", *revisions()):
        raise UsageError(f"This release knows no revision {start}; it knows {', '.join(revisions())}.")
    written = io.StringIO()
    config = alembic_config()
    config.output_buffer = written
    config.attributes["offline"] = True
    command.upgrade(config, f"{start or 'base'}:head", sql=True)
    return written.getvalue()


async def check_at_start(url: PostgresUrl) -> None:
    """Whether this release can work on the database as it is; raises DatabaseUnavailable when it cannot.

    A revision that nobody here knows is taken for that of a newer release, on whose schema this one still works: so a
    deployment is replaced one process after the other. That everything is there which this one needs is looked at.
    """
    revision, missing = await on_connection(url, "start", lambda connection: _standing(connection, head()))
    if missing and revision is not None and revision not in revisions()[:-1]:
        raise _incomplete(url, revision, missing)
    if revision == head():
        return
    if revision is not None and revision not in revisions():
        log.warning("the database is at revision %s of a newer release; this one knows %s", revision, head())
        return
    raise DatabaseUnavailable(
        f"The database is at {'no revision' if revision is None else f'revision {revision}'} and this release needs "
        f"{head()}: run `pcap-analyzer db upgrade`, then start again."
    )


async def probe(url: DatabaseUrl) -> Probe:
    """Look at the database; raises UnknownSchema or DatabaseUnavailable when this release must not touch it."""
    found = _look_into(url) if isinstance(url, SqliteUrl) else await on_connection(url, "upgrade", _look)
    _refuse_unknown(url, found)
    return found


def _look_into(url: SqliteUrl) -> Probe:
    """Nothing is written; what a killed writer left half done is read as SQLite will roll it back."""
    schema = file.look(url.path)
    adoptable = schemas.recognise(schema, url.path.name) is schemas.Kind.ADOPTABLE
    return Probe(frozenset(schema.columns), None if adoptable else schema.revision, schema if adoptable else None)


def _look(connection: Connection) -> Probe:
    """Tables of others, which extensions bring, are none of our business."""
    names = connection.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")).all()
    ours = columns_at(head()).keys()
    revision, missing = _standing(connection) if VERSIONS in names else (None, ())
    return Probe(frozenset(names) & ours, revision, missing=missing)


def _standing(connection: Connection, needed: str | None = None) -> tuple[str | None, tuple[str, ...]]:
    """The revision of a PostgreSQL database, and what it lacks of it, or of the one that is `needed`."""
    revision = _revision(connection)
    expected = needed or revision
    if expected not in revisions():
        return revision, ()
    rows = connection.execute(text(COLUMNS)).all()
    there = {(table, column) for table, column in rows}
    missing = []
    for table, columns in sorted(columns_at(expected).items()):
        lacking = sorted(column for column in columns if (table, column) not in there)
        missing += [table] if len(lacking) == len(columns) else [f"{table}.{column}" for column in lacking]
    return revision, tuple(missing)


def _revision(connection: Connection) -> str | None:
    there = connection.scalar(text("SELECT to_regclass(:name)::text"), {"name": VERSIONS})
    return connection.scalar(text("SELECT version_num FROM alembic_version")) if there else None


def _refuse_unknown(url: DatabaseUrl, found: Probe) -> None:
    name = url.path.name if isinstance(url, SqliteUrl) else url.database
    if found.revision is None and found.tables and found.legacy is None:
        raise UnknownSchema(
            f"{name} holds tables ({', '.join(sorted(found.tables)[:5])}) but names no revision of this program: "
            "it is left as it is. Move it away, or set DATABASE_URL to another database."
        )
    if found.revision is not None and found.revision not in revisions():
        raise DatabaseUnavailable(
            f"{name} is at revision {found.revision}, which this release does not know: a newer one wrote it. "
            f"Run that release, or put back {_backup_of(url)} from before its upgrade."
        )
    if found.revision is not None and found.missing:
        raise _incomplete(url, found.revision, found.missing)


def _incomplete(url: DatabaseUrl, revision: str, missing: tuple[str, ...]) -> DatabaseUnavailable:
    """No upgrade makes what a revision made that counts as applied."""
    name = url.path.name if isinstance(url, SqliteUrl) else url.database
    unknown = "" if revision in revisions() else ", which this release does not know"
    return DatabaseUnavailable(
        f"{name} is stamped with revision {revision}{unknown}, and lacks {', '.join(missing[:5])}"
        f"{' and more' if missing[5:] else ''}: somebody removed that or changed the stamp, and no upgrade brings it "
        "back. Restore a backup (`pcap-analyzer db restore`); `pcap-analyzer db verify` shows what else is wrong."
    )


def _backup_of(url: DatabaseUrl) -> str:
    if not isinstance(url, SqliteUrl):
        return "a backup"
    backups = sorted(url.path.parent.glob(f"{url.path.name}.backup-*"))
    return f"the backup {backups[-1].name}" if backups else "a backup"


@asynccontextmanager
async def locked(url: DatabaseUrl, *, adopts: bool = False, on_step: OnStep | None = None) -> AsyncIterator[Locked]:
    """A connection for migrations: alone, and probed again once it is; `adopts`: to a database at head in any case.

    While another process has the lock, `on_step` hears of it, or the log where there is none.
    """
    if isinstance(url, SqliteUrl):
        _make_folder(url.path.parent)
        async with locks.lock_file(url.path.with_name(f"{url.path.name}.upgrade-lock"), on_step):
            found, adopted = await probe(url), None
            if found.legacy is not None:
                if not adopts:
                    raise UsageError(OF_AN_EARLIER_RELEASE)
                adopted = await adopting.adopt(url, found.legacy, lambda new: apply(new, "head"), on_step)
                found = await probe(url)
            _make_private(url.path)
            async with tool_connection(url, "upgrade") as connection:
                yield Locked(connection, found, adopted)
        return
    async with tool_connection(url, "upgrade") as connection:
        await locks.take_advisory_lock(connection, on_step)
        found = await connection.run_sync(_look)
        await connection.rollback()
        _refuse_unknown(url, found)
        yield Locked(connection, found)


async def _back_up_first(url: DatabaseUrl, found: Probe) -> Path | None:
    """On SQLite a checked copy of what is about to change; PostgreSQL has backups of its own."""
    if isinstance(url, SqliteUrl) and found.tables:
        return await asyncio.to_thread(back_up, url.path)
    return None


@dataclass(frozen=True)
class Typed:
    """A command of Alembic's that somebody typed by hand."""

    command: str
    revision: str
    allow_data_loss: bool

    @property
    def writes(self) -> bool:
        return self.command in {"upgrade", "downgrade", "stamp"}


async def run_typed(url: DatabaseUrl, typed: Typed, run: Callable[[Connection], None]) -> None:
    """What Alembic then does, with the lock, the backup and the questions that `upgrade` and `downgrade` have."""
    if not typed.writes:
        if isinstance(url, SqliteUrl):
            await _refuse_what_connecting_changes(url)
        await on_connection(url, "alembic", run)
        return
    async with locked(url, adopts=typed.command == "upgrade") as ready:
        if ready.adopted is not None:
            log.warning("%s", ready.adopted.sentence())
        before = ready.found.revision
        if typed.command == "downgrade" and before is not None and not typed.allow_data_loss:
            await ready.connection.run_sync(_refuse_losses, before, downgrade_target(typed.revision, before))
        if typed.command != "upgrade" or before != head():
            await _back_up_first(url, ready.found)
        await ready.connection.run_sync(run)


async def _refuse_what_connecting_changes(url: SqliteUrl) -> None:
    """A connection makes a file that is missing, and gives one that is not ours another journal."""
    if not url.path.exists():
        raise UsageError(f"There is no file {url.path}: `pcap-analyzer db upgrade` makes it.")
    if (await probe(url)).legacy is not None:
        raise UsageError(OF_AN_EARLIER_RELEASE)


def _make_private(path: Path) -> None:
    """A new database is for its owner alone: it holds password hashes."""
    try:
        path.touch(mode=0o600)
    except OSError as error:
        raise StorageUnavailable(f"{path} cannot be written: {error.strerror}.") from error


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageUnavailable(f"The folder {folder} cannot be made: {error.strerror}.") from error
