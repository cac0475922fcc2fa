"""The audit log: entries are added in the transaction that they tell of, and never change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from pcap_analyzer.store.models import AuditAction, AuditEntry
from pcap_analyzer.store.observing import named


@dataclass(frozen=True)
class NewEntry:
    """Who did what to whom; `actor_id` is None for the command line and for the program itself."""

    at: datetime
    action: AuditAction
    actor_id: str | None
    actor_name: str
    subject_id: str
    subject_name: str
    details: Mapping[str, str | None] = field(default_factory=dict)


@named
async def add(session: AsyncSession, new: NewEntry) -> None:
    session.add(
        AuditEntry(
            at=new.at,
            action=new.action.value,
            actor_id=new.actor_id,
            actor_name=new.actor_name,
            subject_id=new.subject_id,
            subject_name=new.subject_name,
            details=dict(new.details) or None,
        )
    )
    await session.flush()


@named
async def newest(session: AsyncSession, *, most: int, before: int | None = None) -> Sequence[AuditEntry]:
    """The newest entries first; `before` is the id of the last one that was seen."""
    query = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(most)
    if before is not None:
        query = query.where(AuditEntry.id < before)
    return (await session.scalars(query)).all()
