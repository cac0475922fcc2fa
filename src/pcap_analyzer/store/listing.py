"""Lists of tasks, fast among very many: columns instead of whole rows, and counts that end where nobody pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, ScalarSelect, Select, func, literal, null, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from pcap_analyzer.store.models import Role, Task, TaskStatus, User
from pcap_analyzer.store.observing import named
from pcap_analyzer.store.tasks import ACTIVE, Viewer, visible_to, waiting_ids
from pcap_analyzer.store.types import safe_text

COUNTED_AHEAD = 1_000
"""So many beyond the page that is shown: counting on takes longer than showing it."""

QUEUE_LOOKED_AT = 1_000


@dataclass(frozen=True)
class Search:
    """Which finished tasks to list; `text` is looked for in file name and verdict."""

    text: str = ""
    only_mine: bool = False
    page: int = 1
    page_size: int = 25


class Owner(NamedTuple):
    """What is shown of an owner."""

    id: str
    username: str
    email: str
    role: Role


class ListedTask(NamedTuple):
    """What a list shows of a task: columns of its row, under their names, and its owner."""

    task_id: str
    filename: str
    status: TaskStatus
    uploaded_at: datetime
    analyzed_at: datetime | None
    file_size_bytes: int | None
    total_packets: int | None
    capture_duration_s: float | None
    health_score: float | None
    verdict_cause: str | None
    verdict_severity: str | None
    verdict_headline: str | None
    verdict_sentence: str | None
    waiting_shares: Any | None  # Any: JSON, as in the row
    report_key: str | None
    error_message: str | None
    attempt: int
    owner_id: str | None
    owner: Owner | None


@dataclass(frozen=True)
class TaskPage:
    tasks: Sequence[ListedTask]
    total: int  # over all pages
    exact: bool  # otherwise there are at least so many, which is beyond what is counted


_TASK_COLUMNS = [Task.__table__.c[name] for name in ListedTask._fields if name != "owner"]
_OWNER_COLUMNS = [User.__table__.c[name] for name in Owner._fields]
_OWNER_AT = len(_TASK_COLUMNS)
_COUNTS_AT = _OWNER_AT + len(_OWNER_COLUMNS)


@named
async def active(session: AsyncSession, viewer: Viewer) -> list[ListedTask]:
    """Tasks that run or wait, in the order in which they run."""
    in_order = _active(viewer, only_mine=False).order_by(Task.status.desc(), Task.uploaded_at, Task.task_id)
    return [_listed(row) for row in await session.execute(_with_owners(in_order))]


@named
async def finished(session: AsyncSession, viewer: Viewer, search: Search) -> TaskPage:
    """One page of tasks that neither run nor wait, newest first."""
    before = (search.page - 1) * search.page_size
    most = before + search.page_size + COUNTED_AHEAD
    counts = _counts(viewer, search, most)
    page = (
        _matching(viewer, search)
        .where(Task.status.not_in(ACTIVE))
        .order_by(Task.uploaded_at.desc(), Task.task_id.desc())
        .offset(before)
        .limit(search.page_size)
    )
    rows = (await session.execute(_with_owners(page).add_columns(*counts))).all()
    every, less = rows[0][_COUNTS_AT:] if rows else (await session.execute(select(*counts))).one()
    if every <= most:
        return TaskPage([_listed(row) for row in rows], every - less, exact=True)
    # Very many may wait. A full page has another one behind it, as far as anybody knows.
    at_least = before + len(rows) + (len(rows) == search.page_size)
    return TaskPage([_listed(row) for row in rows], max(at_least, most - less), exact=False)


def _with_owners(query: Select[Task]) -> Select[Any]:  # Any: as many columns as are listed
    return query.outerjoin(User, User.id == Task.owner_id).with_only_columns(*_TASK_COLUMNS, *_OWNER_COLUMNS)


def _listed(row: Row[Any]) -> ListedTask:  # Any: as `_with_owners` selects
    owner = None if row[_OWNER_AT] is None else Owner(*row[_OWNER_AT:_COUNTS_AT])
    return ListedTask._make((*row[:_OWNER_AT], owner))


def _counts(viewer: Viewer, search: Search, most: int) -> tuple[ColumnElement[int], ColumnElement[int]]:
    """How many there are, and how many of those to take away again.

    All tasks less the few that run or wait: indexes have the answer, and no row is read for its status.
    """
    if search.text:
        found = _matching(viewer, search).where(Task.status.not_in(ACTIVE))
        return _number_of(found.limit(most + 1)), literal(0)
    active = _active(viewer, only_mine=search.only_mine)
    return _number_of(_matching(viewer, search).limit(most + 1)), _number_of(active)


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
    query = select(Task).where(visible_to(viewer))
    if search.only_mine:
        query = query.where(Task.owner_id == viewer.user_id)
    if search.text:
        wanted = safe_text(search.text.lower())  # as it is stored
        columns = (Task.filename, Task.verdict_headline, Task.verdict_sentence)
        query = query.where(or_(*(func.lower(column).contains(wanted, autoescape=True) for column in columns)))
    return query


@named
async def queue(session: AsyncSession) -> Sequence[str]:
    """Ids of the first QUEUE_LOOKED_AT tasks that wait, the next one first."""
    return (await session.scalars(waiting_ids().limit(QUEUE_LOOKED_AT))).all()


@named
async def count_active(session: AsyncSession) -> dict[TaskStatus, int]:
    """How many wait and how many run."""
    rows = await session.execute(select(Task.status, func.count()).where(Task.status.in_(ACTIVE)).group_by(Task.status))
    return dict.fromkeys(ACTIVE, 0) | {status: count for status, count in rows}  # noqa: C416 - rows, not tuples
