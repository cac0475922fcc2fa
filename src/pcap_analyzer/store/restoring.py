"""Puts a backup of a SQLite database in place: checked before anything changes, and what was there is kept."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pcap_analyzer.errors import Conflict, DatabaseUnavailable, StorageFull, StorageUnavailable, UnknownSchema
from pcap_analyzer.store.adoption.file import look, reading
from pcap_analyzer.store.backups import copy_database, copy_from
from pcap_analyzer.store.chain import head, revisions

SIDE_FILES = ("-journal", "-wal", "-shm")


@dataclass(frozen=True)
class Restored:
    revision: str
    replaced: Path | None  # where the database lies that was there; None: there was none


def save(path: Path, target: Path) -> None:
    """A checked copy of a SQLite database at `target`, which must not be there; whoever writes to it goes on.

    Raises DatabaseUnavailable, Conflict, StorageUnavailable.
    """
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    with _told(target):
        try:
            if look(path).revision == head():
                copy_database(path, part)
            else:  # nobody knows what it is: not a byte of it changes
                with reading(path) as source:
                    copy_from(source, path, part)
            _sync(part)
            appear(part, target)
        except sqlite3.Error as error:
            raise DatabaseUnavailable(f"{path.name} cannot be backed up: {error}.") from error
        finally:
            part.unlink(missing_ok=True)


def appear(part: Path, target: Path) -> None:
    """Give a file its name, whole, and never in place of another file. Raises Conflict where there is one."""
    there = Conflict(f"{target} is there already, and no backup is overwritten: name another file.")
    try:
        os.link(part, target)
    except FileExistsError:
        raise there from None
    except OSError:  # some file systems know no second names
        try:
            target.touch(mode=0o600, exist_ok=False)  # the name is ours from now on
        except FileExistsError:
            raise there from None
        part.replace(target)
    else:
        part.unlink()
    _sync(target.parent)


def restore(backup: Path, path: Path, lock: Path) -> Restored:
    """Put `backup` in the place of the database at `path`; a file that is no good backup changes nothing.

    Raises Conflict while a service holds `lock`, UnknownSchema or DatabaseUnavailable for what is no good backup.
    """
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.parent.mkdir(parents=True, exist_ok=True)
        upgrades = path.with_name(f"{path.name}.upgrade-lock")
        with _kept_out(lock, "The service runs"), _kept_out(upgrades, "The database is being upgraded"):
            new = path.with_name(f".{path.name}.restoring")
            try:
                revision = _checked_copy(backup, new)
                replaced = _set_aside(path) if path.exists() else None
                new.replace(path)
                _sync(path.parent)
            finally:
                for file in (new, *(new.with_name(new.name + end) for end in SIDE_FILES)):
                    file.unlink(missing_ok=True)
    return Restored(revision, replaced)


def _checked_copy(backup: Path, new: Path) -> str:
    """The revision of the backup, of which a whole copy lies at `new`."""
    size, free = backup.stat().st_size, shutil.disk_usage(new.parent).free
    if free < 2 * size:
        raise StorageFull(f"Restoring needs {2 * size:,} bytes beside the database; {free:,} are free.")
    try:
        copy_database(backup, new)
        with closing(sqlite3.connect(new)) as connection:
            orphans = connection.execute("PRAGMA foreign_key_check").fetchall()
            stamped = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
            found = connection.execute("SELECT version_num FROM alembic_version").fetchone() if stamped[0] else None
    except (sqlite3.Error, DatabaseUnavailable) as error:
        kind = UnknownSchema if _is_no_database(error) else DatabaseUnavailable
        raise kind(f"{backup} is no backup that can be used ({error}). Nothing was changed.") from error
    if found is None:
        raise UnknownSchema(f"{backup} names no revision of this program. Nothing was changed.")
    check_revision(backup, str(found[0]))
    if orphans:
        raise DatabaseUnavailable(f"{backup} holds {len(orphans)} rows without their parent. Nothing was changed.")
    _sync(new)
    return str(found[0])


def _is_no_database(error: Exception) -> bool:
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB


def check_revision(backup: Path, revision: str) -> None:
    """Raises DatabaseUnavailable for a revision that this release does not know."""
    if revision not in revisions():
        raise DatabaseUnavailable(
            f"{backup} is at revision {revision}, which this release does not know: restore it with the release that "
            "made it, or a newer one. Nothing was changed."
        )


def _set_aside(path: Path) -> Path:
    """The database under a second name; its own one is taken from it in the same moment as the new one gets it."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(path)) as connection:
        # What a killed writer left in a journal belongs to this file, and must not be applied to the next one.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        connection.execute("BEGIN IMMEDIATE")
    kept = path.with_name(f"{path.name}.before-restore")
    number = 1
    while kept.exists():
        number += 1
        kept = path.with_name(f"{path.name}.before-restore-{number}")
    try:
        os.link(path, kept)
    except OSError:  # some file systems know no second names
        unfinished = path.with_name(f".{kept.name}.unfinished")
        shutil.copyfile(path, unfinished)
        unfinished.chmod(0o600)
        _sync(unfinished)
        unfinished.rename(kept)
    for end in SIDE_FILES:
        side = path.with_name(path.name + end)
        if side.exists() and side.stat().st_size == 0:
            side.unlink()
        elif side.exists():
            side.rename(kept.with_name(kept.name + end))
    return kept


@contextmanager
def _kept_out(lock: Path, otherwise: str) -> Iterator[None]:
    """Hold the lock of another one, so that it does not start meanwhile."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise Conflict(f"{otherwise}: stop it, restore, and start it again. Nothing was changed.") from None
    finally:
        os.close(descriptor)


@contextmanager
def _told(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageUnavailable(f"{target} cannot be written: {error.strerror}.") from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
