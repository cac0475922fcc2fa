"""Queries on tasks. Each takes who is looking: what somebody may not see does not exist for them.

Every change of a status is one compare-and-swap UPDATE. `attempt` grows with each run and fences its writes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, delete, func, select, true, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload

from pcap_analyzer.store.models import ProgressSnapshot, Task, TaskStatus, User
from pcap_analyzer.store.observing import named

ACTIVE = (TaskStatus.PENDING, TaskStatus.PROCESSING)
AT_THE_HEAD = 100  # more than dispatchers can have begun to claim at the same moment
AGAIN = (TaskStatus.FAILED, TaskStatus.CANCELLED, TaskStatus.COMPLETED)


@dataclass(frozen=True)
class Viewer:
    """Who asks. Administrators see everybody's tasks."""

    user_id: str
    is_admin: bool


@dataclass(frozen=True)
class NewTask:
    task_id: str
    filename: str
    size_bytes: int
    capture_key: str
    owner_id: str
    uploaded_at: datetime


@dataclass(frozen=True)
class Completion:
    """What the row of a completed task says about its report."""

    analyzed_at: datetime
    report_key: str
    total_packets: int
    capture_duration_s: float | None
    verdict_cause: str
    verdict_severity: str
    verdict_headline: str
    verdict_sentence: str
    waiting_shares: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Snapshot:
    """How far a run is."""

    stage: str
    percent: float | None
    frames: int | None
    bytes_done: int | None
    bytes_total: int | None
    bytes_per_s: int | None


@dataclass(frozen=True)
class Claim:
    """A run's right to write: void as soon as `attempt` has moved on."""

    task_id: str
    attempt: int


_WITH_OWNER = joinedload(Task.owner).load_only(User.id, User.username, User.email, User.role)
"""What a list shows of owners; their other columns would be read again with each of their tasks."""


def visible_to(viewer: Viewer) -> ColumnElement[bool]:
    return true() if viewer.is_admin else Task.owner_id == viewer.user_id


@named
async def add(session: AsyncSession, new: NewTask) -> None:
    session.add(
        Task(
            task_id=new.task_id,
            filename=new.filename,
            status=TaskStatus.PENDING,
            uploaded_at=new.uploaded_at,
            created_at=new.uploaded_at,
            file_size_bytes=new.size_bytes,
            owner_id=new.owner_id,
            capture_key=new.capture_key,
            progress_percent=0,
            attempt=0,
            interruptions=0,
        )
    )
    await session.flush()


@named
async def get(session: AsyncSession, viewer: Viewer, task_id: str) -> Task | None:
    """One task with its owner, or None: absent, or another's."""
    found = await session.scalars(select(Task).where(Task.task_id == task_id, visible_to(viewer)).options(_WITH_OWNER))
    return found.first()


@named
async def exists(session: AsyncSession, task_id: str) -> bool:
    """Whether there is such a task, whoever owns it."""
    return await session.scalar(select(Task.task_id).where(Task.task_id == task_id)) is not None


def waiting_ids() -> Select[str]:
    """Ids of the tasks that wait, the next one first."""
    return select(Task.task_id).where(Task.status == TaskStatus.PENDING).order_by(Task.uploaded_at, Task.task_id)


@named
async def claim_next(session: AsyncSession, now: datetime) -> tuple[Claim, Task] | None:
    """Begin a run of the task that waits longest; None when none waits."""
    # Another one who claims at the same moment is given the next one, where rows can be locked.
    waiting = await session.scalar(waiting_ids().limit(1).with_for_update(skip_locked=True))
    if waiting is None:
        return None
    result = await session.execute(
        update(Task)
        .where(Task.task_id == waiting, Task.status == TaskStatus.PENDING)
        .values(
            status=TaskStatus.PROCESSING,
            attempt=Task.attempt + 1,
            last_heartbeat=now,
            current_phase=None,
            progress_percent=0,
            error_message=None,
        )
        .returning(Task)
    )
    task = result.scalars().first()
    if task is None:
        return None
    # What an earlier run reported would be taken for this one's.
    await session.execute(delete(ProgressSnapshot).where(ProgressSnapshot.task_id == task.task_id))
    return Claim(task.task_id, task.attempt), task


def _held(claim: Claim) -> tuple[ColumnElement[bool], ...]:
    return (Task.task_id == claim.task_id, Task.attempt == claim.attempt, Task.status == TaskStatus.PROCESSING)


@named
async def claimed_at(session: AsyncSession, claim: Claim, now: datetime) -> Task | None:
    """The task of a claim that was made at that moment; None also where another dispatcher made one of that attempt."""
    return (await session.scalars(select(Task).where(*_held(claim), Task.last_heartbeat == now))).first()


@named
async def record_progress(session: AsyncSession, claim: Claim, snapshot: Snapshot, now: datetime) -> bool:
    """Add a snapshot; False when the run has lost its claim."""
    percent = None if snapshot.percent is None else int(snapshot.percent)
    result = await session.execute(
        update(Task)
        .where(*_held(claim))
        .values(last_heartbeat=now, current_phase=snapshot.stage, progress_percent=percent)
        .returning(Task.task_id)
    )
    if result.first() is None:
        return False
    session.add(
        ProgressSnapshot(
            task_id=claim.task_id,
            phase=snapshot.stage,
            progress_percent=percent,
            packets_processed=snapshot.frames,
            timestamp=now,
            bytes_done=snapshot.bytes_done,
            bytes_total=snapshot.bytes_total,
            bytes_per_s=snapshot.bytes_per_s,
        )
    )
    await session.flush()
    return True


@named
async def latest_snapshots(session: AsyncSession, task_ids: Sequence[str]) -> dict[str, ProgressSnapshot]:
    """The newest snapshot of each of the tasks that have one."""
    newest = (
        select(func.max(ProgressSnapshot.id))
        .where(ProgressSnapshot.task_id.in_(task_ids))
        .group_by(ProgressSnapshot.task_id)
    )
    found = await session.scalars(select(ProgressSnapshot).where(ProgressSnapshot.id.in_(newest)))
    return {snapshot.task_id: snapshot for snapshot in found}


@named
async def complete(session: AsyncSession, claim: Claim, completion: Completion) -> bool:
    """processing -> completed; False when the run has lost its claim."""
    result = await session.execute(
        update(Task)
        .where(*_held(claim))
        .values(
            status=TaskStatus.COMPLETED,
            analyzed_at=completion.analyzed_at,
            report_key=completion.report_key,
            total_packets=completion.total_packets,
            capture_duration_s=completion.capture_duration_s,
            verdict_cause=completion.verdict_cause,
            verdict_severity=completion.verdict_severity,
            verdict_headline=completion.verdict_headline,
            verdict_sentence=completion.verdict_sentence,
            waiting_shares=[list(share) for share in completion.waiting_shares],
            progress_percent=100,
            current_phase="done",
            interruptions=0,
        )
        .returning(Task.task_id)
    )
    return result.first() is not None


@named
async def fail(session: AsyncSession, claim: Claim, sentence: str) -> bool:
    """processing -> failed, with a sentence for people; False when the run has lost its claim."""
    result = await session.execute(
        update(Task)
        .where(*_held(claim))
        .values(status=TaskStatus.FAILED, error_message=sentence)
        .returning(Task.task_id)
    )
    return result.first() is not None


@named
async def put_back(session: AsyncSession, claim: Claim) -> bool:
    """processing -> pending: the service stops in good order, which counts against nobody."""
    result = await session.execute(
        update(Task).where(*_held(claim)).values(status=TaskStatus.PENDING, current_phase=None).returning(Task.task_id)
    )
    return result.first() is not None


@named
async def take_up_again(
    session: AsyncSession, *, most: int, sentence: str, besides: Collection[str] = frozenset()
) -> int:
    """processing -> pending for what ran when the service died, or failed after `most` such runs; returns how many.

    `besides` are the tasks that the caller runs itself.
    """
    # A claim whose answer was lost may still be on its way: whoever locks the head of the queue sees it made, or not.
    await session.execute(waiting_ids().limit(AT_THE_HEAD).with_for_update())
    lost = (Task.status == TaskStatus.PROCESSING, Task.task_id.not_in(besides))
    dying = Task.interruptions + 1 >= most
    failed = await session.execute(
        update(Task)
        .where(*lost, dying)
        .values(status=TaskStatus.FAILED, error_message=sentence, interruptions=Task.interruptions + 1)
        .returning(Task.task_id)
    )
    again = await session.execute(
        update(Task)
        .where(*lost)
        .values(status=TaskStatus.PENDING, current_phase=None, interruptions=Task.interruptions + 1)
        .returning(Task.task_id)
    )
    return len(failed.all()) + len(again.all())


@named
async def retry(session: AsyncSession, task_id: str) -> bool:
    """failed, cancelled or completed -> pending; False when it is in another state or its capture is gone."""
    result = await session.execute(
        update(Task)
        .where(Task.task_id == task_id, Task.status.in_(AGAIN), Task.capture_key.is_not(None))
        .values(
            status=TaskStatus.PENDING,
            error_message=None,
            interruptions=0,
            current_phase=None,
            progress_percent=0,
            # What the row says of an earlier report, which the next run may fail to replace.
            analyzed_at=None,
            report_key=None,
            total_packets=None,
            capture_duration_s=None,
            verdict_cause=None,
            verdict_severity=None,
            verdict_headline=None,
            verdict_sentence=None,
            waiting_shares=None,
        )
        .returning(Task.task_id)
    )
    return result.first() is not None


@named
async def remove(session: AsyncSession, task_id: str) -> bool:
    """Delete a task with its snapshots; False when it is already gone."""
    result = await session.execute(delete(Task).where(Task.task_id == task_id).returning(Task.task_id))
    return result.first() is not None
