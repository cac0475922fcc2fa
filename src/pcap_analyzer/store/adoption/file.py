"""Looks into a SQLite file without writing a byte, and makes an old one ready to be read to its end."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from pcap_analyzer.errors import DatabaseUnavailable, StorageUnavailable
from pcap_analyzer.store.adoption.schemas import Schema
from pcap_analyzer.store.migrations.checks import SQLITE_TABLES

VERSIONS = "alembic_version"
BUSY_TIMEOUT_S = 5.0
BESIDE = ("-journal", "-wal", "-shm")
WRITE_VERSION, OF_A_LOG = 18, 2  # SQLite's file format, section 1.3.3
#: What SQLite says of a file that it would first have to repair with the journal or log of a writer that was killed.
NEEDS_REPAIR = frozenset(
    (sqlite3.SQLITE_READONLY_ROLLBACK, sqlite3.SQLITE_READONLY_RECOVERY, sqlite3.SQLITE_READONLY_CANTINIT,
     sqlite3.SQLITE_READONLY_CANTLOCK, sqlite3.SQLITE_CANTOPEN)
)  # fmt: skip


def beside(path: Path) -> list[Path]:
    """The journal and the log of a file, as far as they are there."""
    return [extra for extra in (path.with_name(path.name + ending) for ending in BESIDE) if extra.exists()]


def look(path: Path) -> Schema:
    """The tables of a file, which stays byte for byte the same, and beside which nothing is left.

    Raises DatabaseUnavailable when it is no database, StorageUnavailable when it cannot be read.
    """
    try:
        if not path.exists() or path.stat().st_size == 0:
            return Schema({}, None, frozenset())
        with reading(path) as connection:
            return _described(connection)
    except sqlite3.Error as error:
        raise DatabaseUnavailable(f"{path.name} cannot be read as a SQLite database ({error}).") from error
    except OSError as error:
        raise StorageUnavailable(f"{path} cannot be read: {error.strerror}.") from error


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """What is in a file, or will be once SQLite has repaired it, read without a change; raises sqlite3.Error."""
    if _needs_repair(path):
        with _repaired_copy(path) as copy, closing(sqlite3.connect(copy)) as connection:
            yield connection
    else:
        with closing(_reading(path)) as connection:
            yield connection


def _needs_repair(path: Path) -> bool:
    try:
        with closing(_reading(path)) as connection:
            connection.execute("PRAGMA schema_version").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode not in NEEDS_REPAIR or not beside(path):
            raise
        return True
    return False


def _reading(path: Path) -> sqlite3.Connection:
    """A connection that cannot write.

    With a write-ahead log even a reader makes two files, and leaves them. Where neither is there nobody has the file
    open, and SQLite may be told that it will not change.
    """
    with path.open("rb") as file:
        header = file.read(WRITE_VERSION + 1)
    alone = header[WRITE_VERSION:] == bytes([OF_A_LOG]) and not beside(path)
    return sqlite3.connect(f"{path.absolute().as_uri()}?{'immutable=1' if alone else 'mode=ro'}", uri=True)


@contextmanager
def _repaired_copy(path: Path) -> Iterator[Path]:
    """What the file would be after SQLite has rolled back what a killed writer left half done."""
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.look-", dir=path.parent) as folder:
        for file in (path, *beside(path)):
            if not file.name.endswith("-shm"):  # SQLite makes it again from the log
                shutil.copyfile(file, Path(folder) / file.name)
        yield Path(folder) / path.name


def _described(connection: sqlite3.Connection) -> Schema:
    connection.text_factory = lambda text: text.decode("utf-8", "backslashreplace")
    columns, numbered = {}, set()
    for (name,) in connection.execute(SQLITE_TABLES).fetchall():
        found = connection.execute("SELECT name, type, pk FROM pragma_table_xinfo(?)", (name,)).fetchall()
        columns[name] = frozenset(column for column, _type, _pk in found)
        keys = [kind.upper() for _column, kind, place in found if place]
        if keys == ["INTEGER"]:
            numbered.add(name)
    versions = None
    if "version_num" in columns.get(VERSIONS, ()):
        del columns[VERSIONS]
        versions = tuple(str(row[0]) for row in connection.execute("SELECT version_num FROM alembic_version"))
    return Schema(columns, versions, frozenset(numbered))


def connected(path: Path) -> sqlite3.Connection:
    """A connection that may write, any thread of which begins transactions itself."""
    uri = f"{path.absolute().as_uri()}?mode=rw"
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT_S)


def settle(path: Path) -> None:
    """Let SQLite finish what a killed writer left, and put everything into the one file, with nothing beside it.

    Raises DatabaseUnavailable when somebody else uses the file, or when it is damaged.
    """
    try:
        with closing(connected(path)) as file:
            # A log is written into the file. A journal that was kept for later is removed when one stops keeping it.
            modes = [file.execute(f"PRAGMA journal_mode={mode}").fetchone()[0] for mode in ("DELETE", "PERSIST")]
            modes.append(file.execute("PRAGMA journal_mode=DELETE").fetchone()[0])
            (sound,) = file.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        raise DatabaseUnavailable(_in_use(path, str(error))) from error
    if modes != ["delete", "persist", "delete"] or any(extra.stat().st_size for extra in beside(path)):
        raise DatabaseUnavailable(_in_use(path, "its journal is in use"))
    if sound != "ok":
        raise DatabaseUnavailable(
            f"{path.name} is damaged (SQLite's quick check says: {sound}). It is left as it is: put back a backup."
        )


def _in_use(path: Path, why: str) -> str:
    return (
        f"{path.name} of an earlier release cannot be taken over ({why}). Stop the service that uses it, "
        "then start again."
    )
