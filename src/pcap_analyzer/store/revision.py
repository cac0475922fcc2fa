"""At which revision a database is, as the service sees it while it runs."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from pcap_analyzer.store.observing import named


class Standing(StrEnum):
    """How a database's revision compares with what this release knows."""

    HEAD = "ok"
    NEWER = "newer"
    OLDER = "older"


@named
async def current(session: AsyncSession) -> str | None:
    """The revision that the database is stamped with; None without one."""
    found = await session.execute(text("SELECT version_num FROM alembic_version"))
    return found.scalar()


def standing(revision: str | None, known: tuple[str, ...]) -> Standing:
    """`known` are the revisions of this release, oldest first."""
    if revision == known[-1]:
        return Standing.HEAD
    return Standing.OLDER if revision is None or revision in known else Standing.NEWER
