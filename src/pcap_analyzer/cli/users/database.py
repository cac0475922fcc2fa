"""The service's database, for commands about its people."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import TypeVar

from pcap_analyzer import settings
from pcap_analyzer.cli.failures import tell
from pcap_analyzer.errors import NotFound
from pcap_analyzer.store import upgrade, users
from pcap_analyzer.store.session import AsyncSession, Database, open_database
from pcap_analyzer.store.urls import SqliteUrl

T = TypeVar("T")


def on_database(work: Callable[[Database], Coroutine[None, None, T]]) -> T:
    """The result of `work` on the database that the settings name, at the revision of this release.

    SQLite is brought to it first, as the service does when it starts. Raises DatabaseUnavailable where PostgreSQL is
    behind, naming the command.
    """
    os.umask(0o077)  # the database holds people's password hashes
    return asyncio.run(_on_database(work))


async def _on_database(work: Callable[[Database], Coroutine[None, None, T]]) -> T:
    chosen = settings.load()
    urls = chosen.database_urls()
    if isinstance(urls.main, SqliteUrl):
        await upgrade.upgrade(urls.main, on_step=tell)
    else:
        await upgrade.check_at_start(urls.main)
    database = open_database(urls, chosen.engine_options())
    try:
        return await work(database)
    finally:
        await database.close()


async def id_of(session: AsyncSession, who: str) -> str:
    """The account of a user name, an e-mail address or an id; raises NotFound."""
    user = await users.by_login(session, who.strip()) or await users.by_id(session, who.strip().lower())
    if user is None:
        raise NotFound(f"There is no account {who!r}: `pcap-analyzer users list` names them.")
    return user.id
