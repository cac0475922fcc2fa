"""Bring a database to the newest revision: probe, lock, probe again, back up, migrate, check. All of it lives here.

`serve` calls `upgrade()` at its start; `alembic upgrade head` typed by hand comes through `locked_connection()`.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext, MigrationInfo
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine

from pcap_analyzer.errors import AppError, DatabaseUnavailable, StorageFull, StorageUnavailable
from pcap_analyzer.store.engines import prepare_sqlite
from pcap_analyzer.store.faults import database_errors
from pcap_analyzer.store.urls import SqliteUrl

MIGRATIONS = Path(__file__).with_name("migrations")
KEPT_BACKUPS = 3
LOCK_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Probe:
    """What a database file is before anything touches it."""

    tables: frozenset[str]
    revision: str | None  # None: not stamped


@dataclass
class RevisionCheck:
    """Called by Alembic inside each revision's transaction: what it finds wrong rolls that revision back."""

    connection: Connection
    _rows: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._rows = self._count()

    def __call__(  # Any: the two that are not used
        self,
        ctx: MigrationContext,  # noqa: ARG002 - Alembic gives all four by name
        step: MigrationInfo,
        heads: Collection[Any],  # noqa: ARG002
        run_args: Mapping[str, Any],  # noqa: ARG002
    ) -> None:
        if self.connection.dialect.name != "sqlite":
            return
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
        cursor.execute(_TABLES)
        names = [name for (name,) in cursor.fetchall() if name != "alembic_version"]
        counts = {}
        for name in names:
            cursor.execute(f'SELECT count(*) FROM "{name}"')  # noqa: S608 - a table of this very database
            counts[name] = cursor.fetchall()[0][0]
        cursor.close()
        return counts


_TABLES = r"SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'"


def upgrade(url: SqliteUrl) -> str | None:
    """Bring the database to head; returns the revision that it had, or None when it was new.

    Raises DatabaseUnavailable for a schema that no revision describes, with the file untouched.
    """
    probed = probe(url)
    if probed.revision == head():
        return probed.revision
    with locked_connection(url) as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    reached = probe(url).revision
    if reached != head():
        raise DatabaseUnavailable(f"The database stands at revision {reached} after the upgrade to {head()}.")
    return probed.revision


def alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def head() -> str:
    """The newest revision that this release knows."""
    return str(ScriptDirectory(str(MIGRATIONS)).get_current_head())


def probe(url: SqliteUrl) -> Probe:
    """Look at the file; raises DatabaseUnavailable when this release must not touch it.

    It is opened for writing only so that SQLite can roll back what a killed writer left half done.
    """
    if not url.path.exists() or url.path.stat().st_size == 0:
        return Probe(frozenset(), None)
    try:
        with closing(sqlite3.connect(f"{url.path.as_uri()}?mode=rw", uri=True)) as connection:
            tables = frozenset(name for (name,) in connection.execute(_TABLES))
            versions = []
            if "alembic_version" in tables:
                versions = [row[0] for row in connection.execute("SELECT version_num FROM alembic_version")]
    except sqlite3.Error as error:
        raise DatabaseUnavailable(f"{url.path.name} cannot be read as a SQLite database ({error}).") from error
    revision = versions[0] if versions else None
    _refuse_unknown(url.path, tables - {"alembic_version"}, revision)
    return Probe(tables, revision)


def _refuse_unknown(path: Path, tables: frozenset[str], revision: str | None) -> None:
    if revision is None and tables:
        raise DatabaseUnavailable(
            f"{path.name} holds tables ({', '.join(sorted(tables)[:5])}) but names no revision of this program: "
            "it is left as it is. Move it away, or set DATABASE_URL to another file."
        )
    known = {script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()}
    if revision is not None and revision not in known:
        raise DatabaseUnavailable(
            f"{path.name} is at revision {revision}, which this release does not know: a newer one wrote it. "
            f"Run that release, or put back a backup ({path.name}.backup-…) from before its upgrade."
        )


@contextmanager
def locked_connection(url: SqliteUrl) -> Iterator[Connection]:
    """A connection for migrations: alone, probed, and with a backup of what is there."""
    _make_folder(url.path.parent)
    with _lock(url.path.with_name(f"{url.path.name}.upgrade-lock")):
        probed = probe(url)
        if probed.tables and probed.revision != head():
            _back_up(url.path)
        with plain_connection(url) as connection:
            yield connection


@contextmanager
def plain_connection(url: SqliteUrl) -> Iterator[Connection]:
    """A connection without enforced foreign keys: batch mode drops tables, and enforcement would empty their children.

    The pragma is set when the connection is made, because inside a transaction it silently does nothing.
    """
    engine = create_engine(url.engine_url("sqlite+pysqlite"))
    prepare_sqlite(engine, journal_mode="TRUNCATE", foreign_keys=False)
    try:
        with database_errors(), engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageUnavailable(f"The folder {folder} cannot be made: {error.strerror}.") from error


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock file; the kernel drops the lock with the process, whatever ends it."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StorageUnavailable(f"{path} cannot be written: {error.strerror}.") from error
    try:
        deadline = time.monotonic() + LOCK_TIMEOUT_S
        while not _try_lock(descriptor):
            if time.monotonic() > deadline:
                raise DatabaseUnavailable("Another process has been upgrading this database for a minute.")
            time.sleep(0.1)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _back_up(path: Path) -> Path:
    """Copy the database with SQLite's backup API, check the copy, keep the last three."""
    size, free = path.stat().st_size, shutil.disk_usage(path.parent).free
    if free < 2 * size:
        raise StorageFull(f"The upgrade first makes a backup and needs {2 * size:,} bytes; {free:,} are free.")
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    target = path.with_name(f"{path.name}.backup-{stamp}")
    unfinished = path.with_name(f"{path.name}.unfinished-backup")  # of no name that counts as one
    try:
        _copy(path, unfinished)
        unfinished.rename(target)
    except sqlite3.Error as error:
        raise _why_no_backup(path, error) from error
    except OSError as error:
        raise StorageUnavailable(f"The backup of {path.name} cannot be written: {error.strerror}.") from error
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
    for old in sorted(path.parent.glob(f"{path.name}.backup-*"))[:-KEPT_BACKUPS]:
        old.unlink()
    return target


def _copy(path: Path, target: Path) -> None:
    """Copy with SQLite's backup API and check the copy; raises sqlite3.Error, or DatabaseUnavailable if it is bad."""
    target.unlink(missing_ok=True)  # of an upgrade that was killed
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
        if copy.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            raise _damaged(path, "SQLite's integrity check fails")
    target.chmod(0o600)


def _why_no_backup(path: Path, error: sqlite3.Error) -> AppError:
    code = getattr(error, "sqlite_errorcode", None)
    primary = None if code is None else code & 0xFF
    if primary == sqlite3.SQLITE_FULL:
        return StorageFull("The disk is full: the upgrade first makes a backup of the database.")
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return _damaged(path, str(error))
    return DatabaseUnavailable(f"{path.name} cannot be backed up before its upgrade ({error}). It is left as it is.")


def _damaged(path: Path, how: str) -> DatabaseUnavailable:
    return DatabaseUnavailable(
        f"{path.name} is damaged ({how}). It is left as it is: put back a backup ({path.name}.backup-…), "
        "or move it away."
    )
