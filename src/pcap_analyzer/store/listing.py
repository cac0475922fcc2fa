"""Lists of tasks, fast among very many: columns instead of whole rows, and counts that end where nobody pages."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Integer,
    Row,
    ScalarSelect,
    Select,
    bindparam,
    func,
    literal,
    null,
    or_,
    select,
)
from sqlalchemy.ext.asyncio import AsyncSession

from pcap_analyzer.store.models import Role, Task, TaskStatus, User
from pcap_analyzer.store.observing import named
from pcap_analyzer.store.tasks import ACTIVE, Viewer, waiting_ids
from pcap_analyzer.store.types import UuidText, safe_text

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
    rows = await session.execute(_active_in_order(is_admin=viewer.is_admin), {"viewer_id": viewer.user_id})
    return [_listed(row) for row in rows]


@named
async def finished(session: AsyncSession, viewer: Viewer, search: Search) -> TaskPage:
    """One page of tasks that neither run nor wait, newest first."""
    before = (search.page - 1) * search.page_size
    most = before + search.page_size + COUNTED_AHEAD
    only_mine = search.only_mine or not viewer.is_admin
    page, counts = (_finished if search.text else _finished_without_search)(search.text, only_mine=only_mine)
    values = {"viewer_id": viewer.user_id, "before": before, "size": search.page_size, "counted": most + 1}
    rows = (await session.execute(page, values)).all()
    every, less = rows[0][_COUNTS_AT:] if rows else (await session.execute(counts, values)).one()
    if every <= most:
        return TaskPage([_listed(row) for row in rows], every - less, exact=True)
    # Very many may wait. A full page has another one behind it, as far as anybody knows.
    at_least = before + len(rows) + (len(rows) == search.page_size)
    return TaskPage([_listed(row) for row in rows], max(at_least, most - less), exact=False)


@functools.cache
def _active_in_order(*, is_admin: bool) -> Select[Any]:  # Any: as many columns as are listed
    """Statements are built once: building one takes longer than asking it."""
    in_order = _active(only_mine=not is_admin).order_by(Task.status.desc(), Task.uploaded_at, Task.task_id)
    return _with_owners(in_order)


def _finished(text: str, *, only_mine: bool) -> tuple[Select[Any], Select[int, int]]:  # Any: as above
    """A page with the counts beside each row, and the counts alone."""
    counts = _counts(text, only_mine=only_mine)
    page = (
        _matching(text, only_mine=only_mine)
        .where(Task.status.not_in(ACTIVE))
        .order_by(Task.uploaded_at.desc(), Task.task_id.desc())
        .offset(bindparam("before", type_=Integer))
        .limit(bindparam("size", type_=Integer))
    )
    alone = select(*counts)
    return _with_owners(page).add_columns(*counts), alone


_finished_without_search = functools.cache(_finished)


def _with_owners(query: Select[Task]) -> Select[Any]:  # Any: as above
    return query.outerjoin(User, User.id == Task.owner_id).with_only_columns(*_TASK_COLUMNS, *_OWNER_COLUMNS)


def _listed(row: Row[Any]) -> ListedTask:  # Any: as `_with_owners` selects
    owner = None if row[_OWNER_AT] is None else Owner(*row[_OWNER_AT:_COUNTS_AT])
    return ListedTask._make((*row[:_OWNER_AT], owner))


def _counts(text: str, *, only_mine: bool) -> tuple[ColumnElement[int], ColumnElement[int]]:
    """How many there are, and how many of those to take away again.

    All tasks less the few that run or wait: indexes have the answer, and no row is read for its status.
    """
    matching = _matching(text, only_mine=only_mine)
    counted = bindparam("counted", type_=Integer)
    if text:
        return _number_of(matching.where(Task.status.not_in(ACTIVE)).limit(counted)), literal(0)
    return _number_of(matching.limit(counted)), _number_of(_active(only_mine=only_mine))


def _number_of(query: Select[Task]) -> ScalarSelect[int]:
    ids = query.with_only_columns(Task.task_id).subquery()
    return select(func.count()).select_from(ids).scalar_subquery()


def _mine() -> BindParameter[str]:
    return bindparam("viewer_id", type_=UuidText())


def _active(*, only_mine: bool) -> Select[Task]:
    """What runs or waits is found by its status, because few do, while somebody may own very many tasks.

    SQLite, which does not know how many, would go through all that somebody owns if the owner were compared as it is.
    """
    query = select(Task).where(Task.status.in_(ACTIVE))
    return query.where(func.coalesce(Task.owner_id, null()) == _mine()) if only_mine else query


def _matching(text: str, *, only_mine: bool) -> Select[Task]:
    query = select(Task)
    if only_mine:
        query = query.where(Task.owner_id == _mine())
    if text:
        wanted = safe_text(text.lower())  # as it is stored
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
