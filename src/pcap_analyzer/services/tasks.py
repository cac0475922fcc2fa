"""Rules of tasks: one task is one analysis of one capture."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from pcap_analyzer.errors import Conflict, NotFound
from pcap_analyzer.services import old_reports
from pcap_analyzer.services.old_reports import Kind
from pcap_analyzer.storage import Storage
from pcap_analyzer.store import listing, tasks
from pcap_analyzer.store.listing import ListedTask, Search, TaskPage
from pcap_analyzer.store.models import ProgressSnapshot, Task, TaskStatus
from pcap_analyzer.store.session import AsyncSession
from pcap_analyzer.store.tasks import NewTask, Snapshot, Viewer

MAX_FILENAME_CHARACTERS = 255
T = TypeVar("T", Task, ListedTask)


class Queue(Protocol):
    """Who runs tasks. Told after the commit, so that it finds the row."""

    def wake(self) -> None:
        """Something waits."""

    async def cancel(self, task_id: str) -> None:
        """End the run of a task, if there is one; returns when its process is gone."""


@dataclass(frozen=True)
class Received:
    """A capture that lies whole and synced in the storage, below `capture_key(task_id)`."""

    task_id: str
    filename: str  # as the sender calls it
    size_bytes: int


@dataclass(frozen=True)
class Seen(Generic[T]):
    """A task with how far it is."""

    task: T
    progress: ProgressSnapshot | None
    queue_position: int | None  # 1: next; None: it does not wait, or behind more than anybody counts


@dataclass(frozen=True)
class Leftovers:
    """What lies on the disk for a task, to be removed when its row says that it is over."""

    keys: tuple[str, ...]
    old_reports: tuple[tuple[Kind, str], ...] = ()  # of an earlier release, with the paths that it noted


@dataclass(frozen=True)
class Overview:
    """What the home page lists."""

    active: tuple[Seen[ListedTask], ...]
    page: TaskPage


@dataclass(frozen=True)
class Update:
    """What an event stream says next."""

    status: TaskStatus
    snapshot_id: int | None
    progress: Snapshot
    queue_position: int | None


def new_id() -> str:
    return str(uuid.uuid4())


def capture_key(task_id: str) -> str:
    """Where the capture of a task lies in the storage."""
    return f"captures/{task_id}"


def result_key(task_id: str) -> str:
    """The folder of everything that an analysis made."""
    return f"results/{task_id}"


def clean_filename(name: str) -> str:
    """A name as it is shown: the last component, without control characters; it is never used as a path."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    shown = "".join(letter if letter.isprintable() else "\ufffd" for letter in last).strip()
    return shown[-MAX_FILENAME_CHARACTERS:] or "capture"


async def create(session: AsyncSession, viewer: Viewer, received: Received, now: datetime) -> None:
    """Record a capture that lies in the storage already, to be analysed after those that wait."""
    new = NewTask(
        task_id=received.task_id,
        filename=clean_filename(received.filename),
        size_bytes=received.size_bytes,
        capture_key=capture_key(received.task_id),
        owner_id=viewer.user_id,
        uploaded_at=now,
    )
    await tasks.add(session, new)


async def exists(session: AsyncSession, task_id: str) -> bool:
    """Whether a task was recorded, whoever owns it."""
    return await tasks.exists(session, task_id)


async def count_active(session: AsyncSession) -> dict[TaskStatus, int]:
    """How many wait and how many run, whoever owns them."""
    return await listing.count_active(session)


async def never_recorded(session: AsyncSession, keys: Sequence[str]) -> tuple[str, ...]:
    """Those captures whose task was never committed: nobody was told that they are kept."""
    return tuple([key for key in keys if not await tasks.exists(session, key.removeprefix("captures/"))])


def settle_uploads(storage: Storage, noted: Sequence[str], lost: Sequence[str]) -> None:
    """Remove what is lost of captures that a note is kept of, and the notes. Blocks on the disk."""
    for key in lost:
        storage.delete(key)
    for key in noted:
        storage.confirm(key)


async def overview(session: AsyncSession, viewer: Viewer, search: Search) -> Overview:
    """What runs and waits, and one page of the rest."""
    active = await listing.active(session, viewer)
    # Who sees everything sees the whole queue, in its order.
    waiting = [task.task_id for task in active if task.status is TaskStatus.PENDING] if viewer.is_admin else None
    return Overview(await _seen(session, active, waiting), await listing.finished(session, viewer, search))


async def _seen(
    session: AsyncSession, listed: Sequence[T], waiting: Sequence[str] | None = None
) -> tuple[Seen[T], ...]:
    if waiting is None:
        waits = any(task.status is TaskStatus.PENDING for task in listed)
        waiting = await listing.queue(session) if waits else ()
    position = {task_id: place for place, task_id in enumerate(waiting, start=1)}
    running = [task.task_id for task in listed if task.status is TaskStatus.PROCESSING]
    newest = await tasks.latest_snapshots(session, running) if running else {}
    return tuple(
        Seen(
            task,
            newest.get(task.task_id),
            position.get(task.task_id),
        )
        for task in listed
    )


async def get(session: AsyncSession, viewer: Viewer, task_id: str) -> Task:
    """One task; raises NotFound when there is none, or it is another's."""
    task = await tasks.get(session, viewer, task_id)
    if task is None:
        raise NotFound("There is no such analysis.")
    return task


async def look_at(session: AsyncSession, viewer: Viewer, task_id: str) -> Seen[Task]:
    """One task with how far it is; raises NotFound."""
    return (await _seen(session, [await get(session, viewer, task_id)]))[0]


async def update(session: AsyncSession, viewer: Viewer, task_id: str) -> Update:
    """How far a task is, for an event stream; raises NotFound."""
    seen = await look_at(session, viewer, task_id)
    return Update(
        status=seen.task.status,
        snapshot_id=None if seen.progress is None else seen.progress.id,
        progress=progress_of(seen),
        queue_position=seen.queue_position,
    )


def progress_of(seen: Seen[T]) -> Snapshot:
    """The newest snapshot, or what can be said without one."""
    task, newest = seen.task, seen.progress
    if newest is not None:
        percent = None
        if newest.bytes_total and newest.bytes_done is not None:
            percent = round(min(100.0, 100.0 * newest.bytes_done / newest.bytes_total), 1)
        return Snapshot(
            stage=newest.phase or "queued",
            percent=percent,
            frames=newest.packets_processed,
            bytes_done=newest.bytes_done,
            bytes_total=newest.bytes_total,
            bytes_per_s=newest.bytes_per_s,
        )
    done = task.status is TaskStatus.COMPLETED
    return Snapshot(
        stage="done" if done else "queued",
        percent=100.0 if done else None,
        frames=task.total_packets,
        bytes_done=task.file_size_bytes if done else None,
        bytes_total=task.file_size_bytes,
        bytes_per_s=None,
    )


async def retry(session: AsyncSession, viewer: Viewer, task_id: str) -> None:
    """Analyse the kept capture again, in place of whatever the last run left; its report may be unreadable.

    Raises NotFound, or Conflict when the analysis has not ended or its capture is gone.
    """
    task = await get(session, viewer, task_id)
    if not await tasks.retry(session, task.task_id):
        raise Conflict("Only an analysis that has ended, and whose capture is kept, can be made again.")


async def delete(session: AsyncSession, viewer: Viewer, task_id: str) -> Leftovers:
    """Remove a task; returns what to remove from the disk after the commit. Raises NotFound."""
    task = await get(session, viewer, task_id)
    await tasks.remove(session, task.task_id)
    return leftovers_of(task)


def leftovers_of(task: Task) -> Leftovers:
    keys = tuple(key for key in (task.capture_key, result_key(task.task_id)) if key)
    return Leftovers(keys, old_reports.paths_of(task))


def remove_leftovers(storage: Storage, leftovers: Leftovers) -> None:
    """Blocks on the disk; what is gone already is fine."""
    for key in leftovers.keys:
        storage.delete(key)
    old_reports.remove(storage, leftovers.old_reports)
