"""What a running service is made of, and the order in which it is opened and closed."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType

from pcap_analyzer.errors import StorageUnavailable, UsageError
from pcap_analyzer.jobs.embedded import Dispatcher, Limits
from pcap_analyzer.jobs.sweeper import Sweeper
from pcap_analyzer.keys import Keys, open_keys
from pcap_analyzer.services import accounts, tasks
from pcap_analyzer.services.passwords import Passwords
from pcap_analyzer.settings import Settings
from pcap_analyzer.storage import Storage
from pcap_analyzer.store import sealing, upgrade
from pcap_analyzer.store.engines import EngineOptions
from pcap_analyzer.store.session import Database, open_database
from pcap_analyzer.store.urls import DatabaseUrls, SqliteUrl, parse_url

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
    stopping: asyncio.Event = field(default_factory=asyncio.Event)  # set: long answers come to their end


@asynccontextmanager
async def open_runtime(settings: Settings) -> AsyncIterator[Runtime]:
    """Lock the data folder, bring the database to head, begin to work; at the end the same backwards.

    Raises UsageError when another service has the folder, StorageUnavailable or DatabaseUnavailable with the reason.
    """
    url = parse_url(settings.database_url, data_dir=settings.data_dir)
    assert isinstance(url, SqliteUrl)
    storage = Storage(settings.data_dir.absolute())
    storage.prepare()
    with _folder_lock(storage.folder):
        keys = open_keys(settings.secret_key, storage.folder)
        storage.sweep_parts()
        done = await upgrade.upgrade(url)
        if done.before not in (None, done.after):
            log.warning("the database was upgraded from revision %s to %s", done.before, done.after)
        database = open_database(DatabaseUrls(url, url), EngineOptions(wal=settings.sqlite_wal))
        dispatcher = Dispatcher(database, storage, Limits(settings.concurrent_analyses, settings.analysis_time_limit_s))
        try:
            await _seal(database, keys)
            async with database.transaction() as session:
                await tasks.settle_uploads(session, storage)
                link = await accounts.new_setup_link(session, datetime.now(UTC))
            await dispatcher.start()
            async with _sweeping(settings, database, storage, dispatcher):
                yield Runtime(settings, database, storage, Passwords(), dispatcher, link)
        finally:
            await dispatcher.stop()
            await database.close()


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
        log.warning("sealed %d secrets and hashed %d lists of recovery codes", sealed.secrets, sealed.code_lists)
    if sealed.malformed:
        log.warning("%d lists of recovery codes cannot be read; they are left as they are", sealed.malformed)
    if sealed.unreadable:
        log.error(
            "%d secrets cannot be opened: they were stored with another SECRET_KEY or secret.key", sealed.unreadable
        )


@contextmanager
def _folder_lock(folder: Path) -> Iterator[None]:
    """Keep a second service off the folder; the kernel drops the lock with the process, whatever ends it."""
    path = folder / "serve.lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StorageUnavailable(f"{path} cannot be written: {error.strerror}.") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"Another service already runs on the data folder {folder}. "
                "Stop it first, or name another folder with --data-dir or DATA_DIR."
            ) from None
        yield
    finally:
        os.close(descriptor)


def keep_files_private() -> None:
    """Captures hold other people's traffic, the database their password hashes: no other account may read new files."""
    os.umask(0o077)


@contextmanager
def noticing_the_end(runtime: Runtime) -> Iterator[None]:
    """Set `stopping` as soon as a signal asks the server to stop: it waits for open answers, and streams would not end.

    The server's own handlers, which are in place by now, are called afterwards.
    """
    theirs = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def noticed(number: int, frame: FrameType | None) -> None:
        runtime.stopping.set()
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
