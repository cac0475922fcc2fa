"""Messages to people, written in the transaction that is their reason; whoever sends them looks here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from pcap_analyzer.store.models import OutboxKind, OutboxMessage
from pcap_analyzer.store.observing import named


@named
async def add(
    session: AsyncSession, kind: OutboxKind, recipient_id: str, content: Mapping[str, str | None], now: datetime
) -> None:
    message = OutboxMessage(kind=kind.value, recipient_id=recipient_id, content=dict(content), created_at=now)
    session.add(message)
    await session.flush()


@named
async def unsent(session: AsyncSession, *, most: int) -> Sequence[OutboxMessage]:
    """What nobody has sent yet, the oldest first."""
    query = select(OutboxMessage).where(OutboxMessage.sent_at.is_(None)).order_by(OutboxMessage.id).limit(most)
    return (await session.scalars(query)).all()
