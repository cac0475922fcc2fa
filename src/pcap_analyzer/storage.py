"""Captures and results as objects in a local folder: written whole or not at all, named by us, never by a user."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from pcap_analyzer.errors import AppError, NotFound, StorageFull, StorageUnavailable

PARTS = "parts"
UNCONFIRMED = ".unconfirmed"
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass
class Part:
    """Bytes on their way in, ended by `Storage.keep` or `discard`; what reached neither is swept at the next start."""

    path: Path
    _file: BinaryIO
    size: int = field(default=0)

    def write(self, chunk: bytes | bytearray) -> None:
        """Append; blocks on the disk. Raises StorageFull or StorageUnavailable."""
        with storage_errors():
            self._file.write(chunk)
        self.size += len(chunk)

    def head(self, size: int) -> bytes:
        """The first bytes that were written."""
        with storage_errors(), self.path.open("rb") as file:
            self._file.flush()
            return file.read(size)

    def discard(self) -> None:
        """Remove what was written; safe to call twice."""
        with suppress(OSError):  # closing flushes, and a full disk has no room for that either
            self._file.close()
        self.path.unlink(missing_ok=True)

    def sync(self) -> None:
        with storage_errors():
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()


class Storage:
    """One folder. Keys are relative paths such as `captures/ID` and are made here or by services, from ids alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def prepare(self) -> None:
        """Make the folders and prove that they can be written.

        Raises StorageUnavailable with a sentence that names the folder and the reason.
        """
        probe = self.folder / PARTS / f"probe-{secrets.token_hex(8)}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for name in (PARTS, "captures", "results"):
                (self.folder / name).mkdir(mode=0o700, exist_ok=True)
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            raise StorageUnavailable(
                f"The data folder {self.folder} cannot be written: {error.strerror}. "
                "Make it writable, or name another with --data-dir or DATA_DIR."
            ) from error

    def sweep_parts(self, *, untouched_s: float = 0) -> None:
        """Remove what an earlier service was receiving when it ended, and has not been written to for so long.

        0 is for who holds the folder alone.
        """
        with storage_errors():
            for part in self._parts(untouched_s):
                if part.suffix != UNCONFIRMED:
                    part.unlink(missing_ok=True)

    def free_bytes(self) -> int:
        with storage_errors():
            return shutil.disk_usage(self.folder).free

    def new_part(self) -> Part:
        path = self.folder / PARTS / f"{secrets.token_hex(16)}.part"
        with storage_errors():
            return Part(path, path.open("xb", buffering=0))

    def keep(self, part: Part, key: str) -> None:
        """Make the part the object `key`; after this it survives a power cut."""
        part.sync()
        target = self._path(key)
        with storage_errors():
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            part.path.rename(target)
            _sync_folder(target.parent)

    def keep_unconfirmed(self, part: Part, key: str) -> None:
        """`keep`, with a note that nothing refers to the object yet, for whoever finds it after a crash."""
        with storage_errors():
            self._note(key).touch(exist_ok=False)
        self.keep(part, key)

    def confirm(self, key: str) -> None:
        """Something refers to the object now, or it is gone: forget the note."""
        with storage_errors():
            self._note(key).unlink(missing_ok=True)

    def unconfirmed(self, *, untouched_s: float = 0) -> tuple[str, ...]:
        """Keys that were kept, or were about to be, when an earlier service ended so long ago."""
        if not (self.folder / PARTS).exists():  # no service has run on this folder
            return ()
        with storage_errors():
            notes = [part for part in self._parts(untouched_s) if part.suffix == UNCONFIRMED]
        return tuple(sorted(note.stem.replace("~", "/") for note in notes))

    def _parts(self, untouched_s: float) -> Iterator[Path]:
        since = time.time() - untouched_s
        for part in (self.folder / PARTS).iterdir():
            with suppress(FileNotFoundError):  # another service may end an upload at this moment
                if not untouched_s or part.stat().st_mtime < since:
                    yield part

    def _note(self, key: str) -> Path:
        self._path(key)
        return self.folder / PARTS / f"{key.replace('/', '~')}{UNCONFIRMED}"

    def put(self, key: str, content: bytes) -> None:
        """Write an object whole, over an older one of that key."""
        part = self.new_part()
        try:
            part.write(content)
            self.keep(part, key)
        except AppError:
            part.discard()
            raise

    def get(self, key: str) -> bytes:
        """Raises NotFound when there is no such object."""
        with _existing():
            return self._path(key).read_bytes()

    def open(self, key: str) -> int:
        """A read-only descriptor, which the caller closes. Raises NotFound."""
        with _existing():
            return os.open(self._path(key), os.O_RDONLY | os.O_CLOEXEC)

    def path(self, key: str) -> Path:
        """Where an existing object lies, for sending it. Raises NotFound."""
        path = self._path(key)
        if not path.is_file():
            raise NotFound("This file is no longer kept.")
        return path

    def delete(self, key: str) -> None:
        """Remove an object, or all objects below a key that is a folder; absent is fine."""
        path = self._path(key)
        with storage_errors():
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        parts = key.split("/")
        if not all(part and set(part) <= _KEY_LETTERS and part.strip(".") for part in parts):
            raise ValueError(f"{key!r} is no key of an object")
        return self.folder.joinpath(*parts)


_KEY_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


@contextmanager
def storage_errors() -> Iterator[None]:
    """Turn the system's refusal into a sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise StorageFull("The disk of the server is full.") from error
        raise StorageUnavailable(f"The data folder cannot be used: {error.strerror}.") from error


@contextmanager
def _existing() -> Iterator[None]:
    """`storage_errors` for who reads an object: an absent one is not found."""
    with storage_errors():
        try:
            yield
        except FileNotFoundError as error:
            raise NotFound("This file is no longer kept.") from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
