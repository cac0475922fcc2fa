"""Who may come in, and lists of many tasks: claims 11 and 13 as they are written."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from pcap_analyzer.services import accounts, tasks
from pcap_analyzer.services.accounts import COMMAND_LINE
from pcap_analyzer.store.listing import Search
from pcap_analyzer.store.session import Database, open_database
from pcap_analyzer.store.tasks import Viewer
from pcap_analyzer.store.urls import DatabaseUrls
from tests.acceptance.claim import Claim, Outcome
from tests.databases import postgres_at_head, postgres_urls
from tests.deciding import raced
from tests.head_database import at_head
from tests.many_tasks import fill
from tests.postgres import Cluster

RACES = 200
TASKS = 100_000
CALLS = 1_000
WARM_UP = 50
LIMIT_MS = 5.0
LISTED = 50


@contextmanager
def _both() -> Iterator[dict[str, DatabaseUrls]]:
    """New databases at head; the PostgreSQL waits for its disk at each commit, as a deployment's does."""
    with tempfile.TemporaryDirectory() as folder, Cluster(durable=True) as cluster:
        url = at_head(Path(folder) / "acceptance.db")
        yield {"SQLite": DatabaseUrls(url, url), "PostgreSQL": postgres_urls(postgres_at_head(cluster))}


def approve_against_reject() -> Outcome:
    """Two administrators decide about the same account at once, each time on connections of their own."""
    with _both() as both:
        seen = {name: asyncio.run(raced(urls, RACES)) for name, urls in both.items()}
    figure = "; ".join(f"{name}: {race.once} of {RACES} decided once" for name, race in seen.items())
    return Outcome(figure, all(race.once == RACES and race.audit_rows == RACES for race in seen.values()))


def medians_on_many_tasks() -> Outcome:
    """Medians of warm service calls: lists for three kinds of people, and approvals."""
    with _both() as both:
        seen = {f"{name} {call}": ms for name, urls in both.items() for call, ms in asyncio.run(_timed(urls)).items()}
    figure = ", ".join(f"{name} {ms:.1f} ms" for name, ms in seen.items())
    return Outcome(figure, max(seen.values()) <= LIMIT_MS)


async def _timed(urls: DatabaseUrls) -> dict[str, float]:
    crowd = await fill(urls, tasks=TASKS, pending=CALLS + WARM_UP)
    database = open_database(urls)
    pending = iter(crowd.pending)
    viewers = {"list of many": crowd.many, "list of few": crowd.few, "list of an administrator": crowd.admin}
    try:
        seen = {name: await _median_ms(partial(_list, database, viewer)) for name, viewer in viewers.items()}
        seen["approval"] = await _median_ms(lambda: _approve(database, next(pending)))
    finally:
        await database.close()
    return seen


async def _median_ms(call: Callable[[], Awaitable[object]]) -> float:
    for _ in range(WARM_UP):
        await call()
    taken = []
    for _ in range(CALLS):
        began = time.perf_counter()
        await call()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1e3


async def _list(database: Database, viewer: Viewer) -> None:
    search = Search(page_size=LISTED)
    listed = await database.read(lambda session: tasks.overview(session, viewer, search))
    assert listed.page.tasks


async def _approve(database: Database, user_id: str) -> None:
    now = datetime.now(UTC)
    await database.write(lambda session: accounts.approve_user(session, COMMAND_LINE, user_id, now))


CLAIMS = (
    Claim(
        "Two administrators race approve and reject 200 times: one transition and one audit row each",
        "two connections at once on SQLite and on PostgreSQL",
        approve_against_reject,
    ),
    Claim(
        "Service calls on 100,000 tasks: listing 50 and approving a user have a median of at most 5 ms on both",
        "1,000 warm calls each, without HTTP, for an owner of many, an owner of few and an administrator",
        medians_on_many_tasks,
    ),
)
