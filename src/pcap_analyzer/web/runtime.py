"""What a running service is made of, and the order in which it is opened and closed."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import FrameType

from pcap_analyzer.errors import AppError, UsageError
from pcap_analyzer.jobs.embedded import Dispatcher, Limits
from pcap_analyzer.jobs.sweeper import Sweeper
from pcap_analyzer.keys import Keys, open_keys
from pcap_analyzer.services import accounts, tasks
from pcap_analyzer.services.passwords import Passwords
from pcap_analyzer.settings import Settings
from pcap_analyzer.storage import Storage
from pcap_analyzer.store import chain, neighbours, sealing, upgrade
from pcap_analyzer.store.leader import leader_of
from pcap_analyzer.store.session import Database, open_database, wait_for_database
from pcap_analyzer.store.urls import DatabaseUrls, PostgresUrl, SqliteUrl
from pcap_analyzer.web import folder
from pcap_analyzer.web.metrics import Metrics
from pcap_analyzer.web.probing import Probe

COUNT_EVERY_S = 10.0
SURELY_OVER_S = 86_400.0  # an upload that nothing was written to: locks of some shared folders hold on one host alone
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Runtime:
    """Everything that requests use; one per process."""

    settings: Settings
    database: Database
    storage: Storage
    passwords: Passwords
    dispatcher: Dispatcher
    setup_link_path: str | None  # "/setup/TOKEN" while no administrator exists
    metrics: Metrics
    probe: Probe
    revisions: tuple[str, ...]  # that this release knows, oldest first
    stopping: asyncio.Event = field(default_factory=asyncio.Event)  # set: long answers come to their end


@asynccontextmanager
async def open_runtime(
    settings: Settings,
    *,
    metrics: Metrics | None = None,
    stopping: asyncio.Event | None = None,
    said: Callable[[str], None] = log.warning,
) -> AsyncIterator[Runtime]:
    """Take the data folder, see to the database, begin to work; at the end the same backwards.

    SQLite is upgraded and the folder is ours alone. PostgreSQL is waited for, `said` hears why, it has to be at head,
    and other processes may share database and folder. Raises UsageError when another service is in the way,
    StorageUnavailable or DatabaseUnavailable with the reason.
    """
    urls, figures = settings.database_urls(), metrics or Metrics()
    _warn_of_open_lines(urls)
    storage = Storage(settings.data_dir.absolute())
    storage.prepare()
    async with AsyncExitStack() as stack:
        if isinstance(urls.main, SqliteUrl):
            stack.enter_context(folder.alone_on(storage.folder))
            await _upgrade(urls.main)
        else:
            await _reach(urls, settings, said)
        database = open_database(urls, settings.engine_options(), observer=figures)
        stack.push_async_callback(database.close)
        if isinstance(urls.main, SqliteUrl):
            await _tidy(database, storage, 0)
        else:
            tidy = partial(_tidy, database, storage, SURELY_OVER_S)
            await stack.enter_async_context(folder.together_on(storage.folder, tidy))
        await _seal(database, open_keys(settings.secret_key, storage.folder))
        await _warn_of_passwords_alone(database)
        now = datetime.now(UTC)
        link = await database.write(lambda session: accounts.new_setup_link(session, now))
        limits = Limits(settings.concurrent_analyses, settings.analysis_time_limit_s)
        dispatcher = Dispatcher(database, storage, limits, leader=leader_of(urls.direct))
        stack.push_async_callback(dispatcher.stop)
        await dispatcher.start()
        await stack.enter_async_context(_sweeping(settings, database, storage, dispatcher))
        stack.enter_context(_watching(database, dispatcher, figures))
        probe = Probe(database)
        stack.push_async_callback(probe.close)
        yield Runtime(
            settings=settings,
            database=database,
            storage=storage,
            passwords=Passwords(),
            dispatcher=dispatcher,
            setup_link_path=link,
            metrics=figures,
            probe=probe,
            revisions=chain.revisions(),
            stopping=stopping or asyncio.Event(),
        )


@contextmanager
def _watching(database: Database, dispatcher: Dispatcher, metrics: Metrics) -> Iterator[None]:
    """Measure what no request shows."""
    if database.replica is not None:
        database.replica.watch()
    metrics.watch(database)
    counting = asyncio.create_task(_count_tasks(database, dispatcher, metrics))
    try:
        yield
    finally:
        counting.cancel()


def _warn_of_open_lines(urls: DatabaseUrls) -> None:
    """Say which connections somebody on the way could read or take over."""
    for url in dict.fromkeys((urls.main, urls.direct, urls.replica)):
        if isinstance(url, PostgresUrl) and url.warning:
            log.warning("%s", url.warning)


async def _upgrade(url: SqliteUrl) -> None:
    done = await upgrade.upgrade(url)
    if done.adopted is not None:
        log.warning("%s", done.adopted.sentence())
    if done.before not in (None, done.after):
        log.warning("the database was upgraded from revision %s to %s", done.before, done.after)


async def _reach(urls: DatabaseUrls, settings: Settings, said: Callable[[str], None]) -> None:
    """Wait for the server, and refuse a database that this release cannot work on."""
    if settings.database_pgbouncer and not settings.database_direct_url:
        raise UsageError(
            "DATABASE_PGBOUNCER needs DATABASE_DIRECT_URL too, which leads past it: in transaction mode no lock lasts."
        )
    direct = urls.direct
    if isinstance(direct, PostgresUrl):
        await wait_for_database(lambda: upgrade.check_at_start(direct), said=said)
        options = settings.engine_options()
        await wait_for_database(lambda: neighbours.refuse_two_databases(urls, options, patient=True), said=said)


async def _tidy(database: Database, storage: Storage, untouched_s: float) -> None:
    """Remove what services that have ended were receiving, and have left untouched for so long."""
    await asyncio.to_thread(storage.sweep_parts, untouched_s=untouched_s)
    noted = await asyncio.to_thread(storage.unconfirmed, untouched_s=untouched_s)
    lost = await database.read(lambda session: tasks.never_recorded(session, noted))
    await asyncio.to_thread(tasks.settle_uploads, storage, noted, lost)


async def _count_tasks(database: Database, dispatcher: Dispatcher, metrics: Metrics) -> None:
    """Keep the figures of the queue up to date."""
    while True:
        metrics.leading(dispatcher.leads)
        with suppress(AppError):  # the health of the database is said elsewhere
            for status, count in (await database.look(tasks.count_active)).items():
                metrics.queued(status.value, count)
        await asyncio.sleep(COUNT_EVERY_S)


@asynccontextmanager
async def _sweeping(
    settings: Settings, database: Database, storage: Storage, dispatcher: Dispatcher
) -> AsyncIterator[None]:
    """Let analyses expire where REPORT_TTL_HOURS says that they do."""
    if settings.report_ttl_hours is None:
        yield
        return
    sweeper = Sweeper(database, storage, timedelta(hours=settings.report_ttl_hours), lambda: dispatcher.leads)
    sweeper.start()
    try:
        yield
    finally:
        await sweeper.stop()


async def _seal(database: Database, keys: Keys) -> None:
    """End what clear text an older release left of people's second factor."""
    sealed = await database.write(lambda session: sealing.seal_stored(session, keys))
    if sealed.secrets or sealed.code_lists:
        log.warning(
            "second factors no longer lie in clear text: secrets %d, recovery codes of people %d",
            sealed.secrets,
            sealed.code_lists,
        )
    if sealed.malformed:
        log.warning("lists of recovery codes that cannot be read are left as they are: %d", sealed.malformed)
    if sealed.unreadable:
        log.error(
            "secrets of second factors cannot be opened, stored with another SECRET_KEY or secret.key: %d",
            sealed.unreadable,
        )


async def _warn_of_passwords_alone(database: Database) -> None:
    """Say for how many people less is asked than an older release did."""
    found = await database.read(accounts.unenforced)
    if found.second_factors or found.new_passwords:
        log.warning(
            "this release asks for a password alone: people whose second factor is not asked for %d, "
            "who were to change their password and need not %d",
            found.second_factors,
            found.new_passwords,
        )


def keep_files_private() -> None:
    """Captures hold other people's traffic, the database their password hashes: no other account may read new files."""
    os.umask(0o077)


@contextmanager
def noticing_the_end(stopping: asyncio.Event) -> Iterator[None]:
    """Set `stopping` as soon as a signal asks the server to stop: it waits for open answers, and streams would not end.

    The server's own handlers, which are in place by now, are called afterwards.
    """
    theirs = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def noticed(number: int, frame: FrameType | None) -> None:
        stopping.set()
        handler = theirs[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    for number in theirs:
        signal.signal(number, noticed)
    try:
        yield
    finally:
        for number, handler in theirs.items():
            signal.signal(number, handler)


def find_sample() -> Path | None:
    """The example capture of a checkout; an installed package has none."""
    path = Path(__file__).parents[3] / "examples" / "slow-checkout.pcapng"
    return path if path.is_file() else None
