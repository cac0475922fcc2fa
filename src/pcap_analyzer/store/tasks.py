"""Queries on tasks. Each takes who is looking: what somebody may not see does not exist for them.

Every change of a status is one compare-and-swap UPDATE. `attempt` grows with each run and fences its writes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, ScalarSelect, Select, delete, func, null, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload

from pcap_analyzer.store.models import ProgressSnapshot, Task, TaskStatus, User
from pcap_analyzer.store.observing import named
from pcap_analyzer.store.types import safe_text

ACTIVE = (TaskStatus.PENDING, TaskStatus.PROCESSING)
COUNTED = 10_000
"""Nobody pages further, and counting on takes longer than showing a page."""

QUEUE_LOOKED_AT = 1_000
AGAIN = (TaskStatus.FAILED, TaskStatus.CANCELLED, TaskStatus.COMPLETED)


@dataclass(frozen=True)
class Viewer:
    """Who asks. Administrators see everybody's tasks."""

    user_id: str
    is_admin: bool


@dataclass(frozen=True)
class Search:
    """Which finished tasks to list; `text` is looked for in file name and verdict."""

    text: str = ""
    only_mine: bool = False
    page: int = 1
    page_size: int = 25


@dataclass(frozen=True)
class TaskPage:
    tasks: Sequence[Task]
    total: int  # over all pages
    exact: bool  # otherwise there are at least so many, which is beyond what is counted


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


def _visible_to(viewer: Viewer) -> ColumnElement[bool]:
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
    found = await session.scalars(select(Task).where(Task.task_id == task_id, _visible_to(viewer)).options(_WITH_OWNER))
    return found.first()


@named
async def exists(session: AsyncSession, task_id: str) -> bool:
    """Whether there is such a task, whoever owns it."""
    return await session.scalar(select(Task.task_id).where(Task.task_id == task_id)) is not None


@named
async def active(session: AsyncSession, viewer: Viewer) -> Sequence[Task]:
    """Tasks that run or wait, in the order in which they run."""
    found = await session.scalars(
        _active(viewer, only_mine=False)
        .order_by(Task.status.desc(), Task.uploaded_at, Task.task_id)
        .options(_WITH_OWNER)
    )
    return found.all()


@named
async def finished(session: AsyncSession, viewer: Viewer, search: Search) -> TaskPage:
    """One page of tasks that neither run nor wait, newest first."""
    total, exact = await (_count_found if search.text else _count_all)(session, viewer, search)
    found = await session.scalars(
        _matching(viewer, search)
        .where(Task.status.not_in(ACTIVE))
        .order_by(Task.uploaded_at.desc(), Task.task_id.desc())
        .offset((search.page - 1) * search.page_size)
        .limit(search.page_size)
        .options(_WITH_OWNER)
    )
    return TaskPage(found.all(), total, exact)


async def _count_found(session: AsyncSession, viewer: Viewer, search: Search) -> tuple[int, bool]:
    found = _matching(viewer, search).where(Task.status.not_in(ACTIVE))
    number = await session.scalar(select(_number_of(found.limit(COUNTED + 1)))) or 0
    return min(number, COUNTED), number <= COUNTED


async def _count_all(session: AsyncSession, viewer: Viewer, search: Search) -> tuple[int, bool]:
    """All tasks less the few that run or wait: indexes have the answer, and no row is read for its status."""
    every, active = _matching(viewer, search).limit(COUNTED + 1), _active(viewer, only_mine=search.only_mine)
    every_number, active_number = (await session.execute(select(_number_of(every), _number_of(active)))).one()
    return max(0, every_number - active_number), every_number <= COUNTED


def _number_of(query: Select[Task]) -> ScalarSelect[int]:
    ids = query.with_only_columns(Task.task_id).subquery()
    return select(func.count()).select_from(ids).scalar_subquery()


def _active(viewer: Viewer, *, only_mine: bool) -> Select[Task]:
    """What runs or waits is found by its status, because few do, while somebody may own very many tasks.

    SQLite, which does not know how many, would go through all that somebody owns if the owner were compared as it is.
    """
    query = select(Task).where(Task.status.in_(ACTIVE))
    if viewer.is_admin and not only_mine:
        return query
    return query.where(func.coalesce(Task.owner_id, null()) == viewer.user_id)


def _matching(viewer: Viewer, search: Search) -> Select[Task]:
    query = select(Task).where(_visible_to(viewer))
    if search.only_mine:
        query = query.where(Task.owner_id == viewer.user_id)
    if search.text:
        wanted = safe_text(search.text.lower())  # as it is stored
        columns = (Task.filename, Task.verdict_headline, Task.verdict_sentence)
        query = query.where(or_(*(func.lower(column).contains(wanted, autoescape=True) for column in columns)))
    return query


def _waiting() -> Select[str]:
    """Ids of the tasks that wait, the next one first."""
    return select(Task.task_id).where(Task.status == TaskStatus.PENDING).order_by(Task.uploaded_at, Task.task_id)


@named
async def queue(session: AsyncSession) -> Sequence[str]:
    """Ids of the first QUEUE_LOOKED_AT tasks that wait, the next one first."""
    return (await session.scalars(_waiting().limit(QUEUE_LOOKED_AT))).all()


@named
async def count_active(session: AsyncSession) -> dict[TaskStatus, int]:
    """How many wait and how many run."""
    rows = await session.execute(select(Task.status, func.count()).where(Task.status.in_(ACTIVE)).group_by(Task.status))
    return dict.fromkeys(ACTIVE, 0) | {status: count for status, count in rows}  # noqa: C416 - rows, not tuples


@named
async def claim_next(session: AsyncSession, now: datetime) -> tuple[Claim, Task] | None:
    """Begin a run of the task that waits longest; None when none waits."""
    # Another one who claims at the same moment is given the next one, where rows can be locked.
    waiting = await session.scalar(_waiting().limit(1).with_for_update(skip_locked=True))
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
async def is_held(session: AsyncSession, claim: Claim) -> bool:
    """Whether a run may still write."""
    return await session.scalar(select(Task.task_id).where(*_held(claim))) is not None


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
