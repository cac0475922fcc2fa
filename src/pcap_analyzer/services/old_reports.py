"""Reports that an earlier release made: files of its own making, found and removed strictly inside the data folder.

A task's row says where they lie, as that release saw it: absolute, or relative to the data folder or to its parent.
No step of the way may be a symbolic link, and the file is one that the row may name at all: a report by its ending.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from pcap_analyzer.errors import NotFound
from pcap_analyzer.storage import Storage, storage_errors
from pcap_analyzer.store.listing import ListedTask
from pcap_analyzer.store.models import Task, TaskStatus

STEP = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
CHUNK_BYTES = 2**18


class Kind(StrEnum):
    """The two forms of a report; each is the ending of its file."""

    HTML = "html"
    JSON = "json"


@dataclass(frozen=True)
class OldReport:
    """An open file; reading all of it, or giving it up, closes it."""

    file: BinaryIO
    size: int

    def chunks(self) -> Iterator[bytes]:
        """The content, as long as the file was when it was opened. Blocks on the disk."""
        left = self.size
        with self.file:
            while chunk := self.file.read(min(left, CHUNK_BYTES)):
                left -= len(chunk)
                yield chunk


def is_of_an_earlier_release(task: Task | ListedTask) -> bool:
    """Whether the analysis was made before this release's reports: the row has its numbers, and no verdict."""
    return task.status is TaskStatus.COMPLETED and task.report_key is None


def available(storage: Storage, task: Task) -> tuple[Kind, ...]:
    """The forms that can be downloaded. Blocks on the disk."""
    if not is_of_an_earlier_release(task):
        return ()
    return tuple(kind for kind in Kind if _exists(storage.folder, _path_of(task, kind), kind))


def open_report(storage: Storage, task: Task, kind: Kind) -> OldReport:
    """The report as the earlier release wrote it. Raises NotFound when there is none, or no longer. Blocks."""
    path = _path_of(task, kind)
    if not is_of_an_earlier_release(task) or path is None:
        raise NotFound("No earlier release made such a report of this analysis.")
    for way in _ways(storage.folder, path, kind):
        with _folder_of(storage.folder, way) as folder:
            descriptor = None if folder is None else _open_file(folder, way[-1])
        if descriptor is not None:
            return OldReport(os.fdopen(descriptor, "rb"), os.fstat(descriptor).st_size)
    raise NotFound("The report that an earlier release made of this analysis is no longer on this server.")


def remove(storage: Storage, paths: tuple[tuple[Kind, str], ...]) -> None:
    """Delete reports inside the data folder; what is elsewhere, or gone, is left. Blocks on the disk."""
    for kind, path in paths:
        for way in _ways(storage.folder, path, kind):
            with storage_errors(), _folder_of(storage.folder, way) as folder:
                if folder is not None and _is_file(folder, way[-1]):
                    os.unlink(way[-1], dir_fd=folder)


def paths_of(task: Task) -> tuple[tuple[Kind, str], ...]:
    """Where the row says that reports of an earlier release lie."""
    named = ((kind, _path_of(task, kind)) for kind in Kind)
    return tuple((kind, path) for kind, path in named if path)


def _path_of(task: Task, kind: Kind) -> str | None:
    return task.report_html_path if kind is Kind.HTML else task.report_json_path


def _ways(data_folder: Path, stored: str, kind: Kind) -> Iterator[tuple[str, ...]]:
    """Names to follow from the data folder on, for each meaning that the stored path can have.

    An absolute path may name the folder as it was called where it lay before: `/app/data/…` of a container.
    """
    path = PurePosixPath(stored)
    if ".." in path.parts or "\0" in stored or path.suffix.lower() != f".{kind}":
        return
    roots = dict.fromkeys((data_folder.absolute(), data_folder.resolve()))
    names = {root.name for root in roots}
    if not path.is_absolute():
        yield path.parts
    yield from (path.relative_to(root).parts for root in roots if path.is_relative_to(root))
    yield from (path.parts[place + 1 :] for place, name in enumerate(path.parts[:-1]) if name in names)


@contextmanager
def _folder_of(data_folder: Path, way: tuple[str, ...]) -> Iterator[int | None]:
    """A descriptor of the folder that holds the last name; None when a step is missing or leads elsewhere."""
    try:
        folder: int | None = os.open(data_folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        folder = None
    for name in way[:-1]:
        folder = None if folder is None else _step(folder, name)
    try:
        yield folder
    finally:
        if folder is not None:
            os.close(folder)


def _step(folder: int, name: str) -> int | None:
    """The folder `name` in place of the one that it lies in, which is closed."""
    try:
        return os.open(name, STEP | os.O_DIRECTORY, dir_fd=folder)
    except OSError:
        return None
    finally:
        os.close(folder)


def _open_file(folder: int, name: str) -> int | None:
    try:
        descriptor = os.open(name, STEP, dir_fd=folder)
    except OSError:
        return None
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    return None


def _is_file(folder: int, name: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False


def _exists(data_folder: Path, stored: str | None, kind: Kind) -> bool:
    for way in () if stored is None else _ways(data_folder, stored, kind):
        with _folder_of(data_folder, way) as folder:
            if folder is not None and _is_file(folder, way[-1]):
                return True
    return False
