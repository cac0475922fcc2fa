"""Queries on tasks whose time is over: first the row says so, then the files go, then the row forgets them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from pcap_analyzer.store.models import Task, TaskStatus
from pcap_analyzer.store.observing import named

_FILES = (Task.capture_key, Task.report_key, Task.report_html_path, Task.report_json_path)


@named
async def expire(session: AsyncSession, *, before: datetime, sentence: str, most: int) -> int:
    """completed -> expired for at most `most` tasks that were analysed before that moment; returns how many.

    A task whose analysis has no date, of an older release, counts from its upload.
    """
    overdue = (
        select(Task.task_id)
        .where(Task.status == TaskStatus.COMPLETED, func.coalesce(Task.analyzed_at, Task.uploaded_at) < before)
        .limit(most)
    )
    changed = await session.execute(
        update(Task)
        .where(Task.task_id.in_(overdue), Task.status == TaskStatus.COMPLETED)
        .values(status=TaskStatus.EXPIRED, error_message=sentence)
        .returning(Task.task_id)
        .execution_options(synchronize_session=False)
    )
    return len(changed.all())


@named
async def with_files(session: AsyncSession, *, after: str | None, most: int) -> Sequence[Task]:
    """Expired tasks whose files may still be there, by id, those after `after`."""
    query = select(Task).where(Task.status == TaskStatus.EXPIRED, or_(*(column.is_not(None) for column in _FILES)))
    if after is not None:
        query = query.where(Task.task_id > after)
    return (await session.scalars(query.order_by(Task.task_id).limit(most))).all()


@named
async def forget_files(session: AsyncSession, task_ids: Sequence[str]) -> None:
    """Note that the files of these expired tasks are gone."""
    await session.execute(
        update(Task)
        .where(Task.task_id.in_(task_ids), Task.status == TaskStatus.EXPIRED)
        .values(dict.fromkeys(_FILES))
        .execution_options(synchronize_session=False)
    )
