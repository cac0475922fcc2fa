"""Queries of who compares rows with files."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from pcap_analyzer.keys import is_sealed
from pcap_analyzer.store.models import Task, User
from pcap_analyzer.store.observing import named


@named
async def tasks_after(session: AsyncSession, task_id: str | None, most: int) -> Sequence[Task]:
    """Tasks by id, those after `task_id`."""
    query = select(Task).order_by(Task.task_id).limit(most)
    return (await session.scalars(query if task_id is None else query.where(Task.task_id > task_id))).all()


@named
async def keys_still_named(session: AsyncSession, task_ids: Collection[str]) -> frozenset[str]:
    """The object keys that these tasks name now; those that are gone name none."""
    found = await session.execute(select(Task.capture_key, Task.report_key).where(Task.task_id.in_(task_ids)))
    return frozenset(key for row in found for key in row if key)


@named
async def clear_text_secrets(session: AsyncSession) -> int:
    """How many secrets of two-factor logins are readable in the database."""
    found = await session.scalars(select(User.totp_secret).where(User.totp_secret.is_not(None)))
    return sum(bool(secret) and not is_sealed(str(secret)) for secret in found)
