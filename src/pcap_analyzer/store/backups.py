"""A copy of a SQLite database, made beside it before anything changes it: checked, and the last three kept."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

from pcap_analyzer.errors import AppError, DatabaseUnavailable, StorageFull, StorageUnavailable

KEPT_BACKUPS = 3


def back_up(path: Path) -> Path:
    """Copy the database beside it and return where the copy lies; older copies than the last three are removed.

    Raises StorageFull, StorageUnavailable, or DatabaseUnavailable for a database that is damaged.
    """
    size, free = path.stat().st_size, shutil.disk_usage(path.parent).free
    if free < 2 * size:
        raise StorageFull(f"The upgrade first makes a backup and needs {2 * size:,} bytes; {free:,} are free.")
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    target = path.with_name(f"{path.name}.backup-{stamp}")
    unfinished = path.with_name(f"{path.name}.unfinished-backup")  # of no name that counts as one
    try:
        copy_database(path, unfinished)
        unfinished.rename(target)
    except sqlite3.Error as error:
        raise _why_no_backup(path, error) from error
    except OSError as error:
        raise StorageUnavailable(f"The backup of {path.name} cannot be written: {error.strerror}.") from error
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
    for old in sorted(path.parent.glob(f"{path.name}.backup-*"))[:-KEPT_BACKUPS]:
        old.unlink(missing_ok=True)
    return target


def copy_database(path: Path, target: Path) -> None:
    """Copy with SQLite's backup API and check the copy; raises sqlite3.Error, or DatabaseUnavailable if it is bad."""
    with closing(sqlite3.connect(path)) as source:
        copy_from(source, path, target)


def copy_from(source: sqlite3.Connection, path: Path, target: Path) -> None:
    """The same by a connection to the database at `path`."""
    target.unlink(missing_ok=True)  # of an upgrade that was killed
    with closing(sqlite3.connect(target)) as copy:
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
