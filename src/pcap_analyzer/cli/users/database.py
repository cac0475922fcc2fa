"""The service's database, for commands about its people."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import TypeVar

from pcap_analyzer import settings
from pcap_analyzer.cli.failures import tell
from pcap_analyzer.errors import DatabaseUnavailable, NotFound
from pcap_analyzer.store import upgrade, users
from pcap_analyzer.store.session import AsyncSession, Database, open_database
from pcap_analyzer.store.urls import PostgresUrl

T = TypeVar("T")


def on_database(work: Callable[[Database], Coroutine[None, None, T]], *, makes: bool = False) -> T:
    """The result of `work` on the database that the settings name, at the revision of this release.

    SQLite is brought to it first, as the service does when it starts; `makes`: also where there is none yet. Raises
    DatabaseUnavailable where there is none, or where PostgreSQL is behind, naming the command.
    """
    os.umask(0o077)  # the database holds people's password hashes
    return asyncio.run(_on_database(work, makes=makes))


async def _on_database(work: Callable[[Database], Coroutine[None, None, T]], *, makes: bool) -> T:
    chosen = settings.load()
    urls = chosen.database_urls()
    if isinstance(urls.direct, PostgresUrl):  # a pooler refuses the parameters of such a connection
        await upgrade.check_at_start(urls.direct)
    elif makes or urls.direct.path.exists():
        await upgrade.upgrade(urls.direct, on_step=tell)
    else:
        raise DatabaseUnavailable(
            f"There is no database at {urls.direct.path}, and so nobody: `pcap-analyzer users create-admin` makes it, "
            "or set DATA_DIR or DATABASE_URL."
        )
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
