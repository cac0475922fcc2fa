"""How long reports are kept: after that a task expires, and what it left on the disk is removed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pcap_analyzer.services import tasks
from pcap_analyzer.services.tasks import Leftovers
from pcap_analyzer.store import expiry
from pcap_analyzer.store.session import AsyncSession

BATCH = 100


@dataclass(frozen=True)
class Expired:
    """A task that has expired, with what may still lie on the disk."""

    task_id: str
    leftovers: Leftovers


async def expire(session: AsyncSession, kept: timedelta, now: datetime) -> int:
    """Let a batch of tasks expire whose analysis is older than `kept`; returns how many, 0: there is none left."""
    hours = f"{kept / timedelta(hours=1):g}"
    sentence = (
        f"Reports are kept here for {hours} {'hour' if hours == '1' else 'hours'} after the analysis. "
        f"This one was deleted on {now:%Y-%m-%d} at {now:%H:%M} UTC, with its capture."
    )
    return await expiry.expire(session, before=now - kept, sentence=sentence, most=BATCH)


async def to_clear(session: AsyncSession, after: str | None) -> Sequence[Expired]:
    """The next batch of expired tasks whose files are to be removed, after the one with the id `after`."""
    found = await expiry.with_files(session, after=after, most=BATCH)
    return tuple(Expired(task.task_id, tasks.leftovers_of(task)) for task in found)


async def note_cleared(session: AsyncSession, task_ids: Sequence[str]) -> None:
    """The files of these tasks are gone: nobody has to look for them again."""
    await expiry.forget_files(session, task_ids)
