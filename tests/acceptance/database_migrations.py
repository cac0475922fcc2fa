"""The chain of revisions: up and down, many at once, killed, failing, and beside a service that runs."""

from __future__ import annotations

import asyncio
import random
import signal
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path

from pcap_analyzer.errors import DatabaseUnavailable
from pcap_analyzer.store import chain, upgrade
from pcap_analyzer.store.connections import on_connection
from pcap_analyzer.store.migrations.drift import differences
from pcap_analyzer.store.urls import DatabaseUrl, PostgresUrl, SqliteUrl, parse_url
from tests.acceptance.claim import Claim, Outcome, tests_in
from tests.migrations import old, programs, seeds
from tests.migrations.test_upgrade_at_once import applied
from tests.migrations.test_zero_downtime import READ, WRITE, open_transaction, watched
from tests.postgres import Cluster

KILLS = 20
PROCESSES = 16
LONGEST_WAIT_S = 6.0
ROWS = 1_000_000
MEMORY_MB = 150
#: Runs Python with the arguments that follow, and prints the peak of its memory in KiB.
MEASURED = (
    "import resource, subprocess, sys; code = subprocess.run([sys.executable, *sys.argv[1:]]).returncode; "
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)"
)
Scene = Callable[[DatabaseUrl], Coroutine[None, None, str]]


def on_both(scene: Scene) -> Callable[[], Outcome]:
    """The scene on a database of either kind; kept where no assertion fails and the server saw no deadlock."""

    def measure() -> Outcome:
        with tempfile.TemporaryDirectory() as folder, Cluster() as cluster:
            server = parse_url(cluster.create_database().owner_url, data_dir=Path())
            try:
                figures = [asyncio.run(scene(url)) for url in (SqliteUrl(Path(folder) / "test.db"), server)]
            except AssertionError as broken:
                return Outcome(str(broken).partition("\n")[0], kept=False)
            deadlocks = cluster.log_text().count("deadlock detected")
        return Outcome(f"SQLite: {figures[0]}; PostgreSQL: {figures[1]}; {deadlocks} deadlocks", deadlocks == 0)

    return measure


def on_postgresql(scene: Callable[[PostgresUrl], Coroutine[None, None, Outcome]]) -> Callable[[], Outcome]:
    def measure() -> Outcome:
        with Cluster() as cluster:
            url = parse_url(cluster.create_database().owner_url, data_dir=Path())
            assert isinstance(url, PostgresUrl)
            return asyncio.run(scene(url))

    return measure


async def one_release_behind(url: DatabaseUrl, snapshots: int) -> None:
    await upgrade.apply(url, old.CHAIN[-1])
    await seeds.sow(url, old.CHAIN[-1])
    await seeds.snapshots(url, snapshots)


async def held(url: DatabaseUrl) -> dict[str, list[tuple[str, ...]]]:
    return await on_connection(url, "test", lambda connection: seeds.held(connection, old.CHAIN[-1]))


async def assert_sound(url: DatabaseUrl) -> None:
    with tempfile.TemporaryDirectory() as folder:
        sound, said = programs.verify(url, Path(folder))
    assert sound, f"db verify: {said[-500:]}"
    assert (await upgrade.probe(url)).revision == chain.head(), "not at head"
    assert await on_connection(url, "test", differences) == [], "not what the models say"
    assert await on_connection(url, "test", seeds.faults) == [], "orphans, invalid indexes or the like"


async def back_to_the_release_before(url: DatabaseUrl) -> None:
    await upgrade.downgrade(url, old.CHAIN[-1], allow_data_loss=True)


async def killed_at_random(url: DatabaseUrl) -> str:
    await one_release_behind(url, 20_000)
    before = await held(url)
    begun = time.monotonic()
    assert programs.run(url, programs.UPGRADE)[0] == 0, "the upgrade fails without being killed"
    whole_s = time.monotonic() - begun
    in_time = 0
    for number in range(KILLS):
        await back_to_the_release_before(url)
        process = programs.start(url, programs.UPGRADE)
        await asyncio.sleep(random.uniform(0.2, 1.0) * whole_s)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        in_time += process.returncode == -signal.SIGKILL
        code, said = programs.run(url, programs.UPGRADE)
        assert code == 0, f"after kill {number}: {said[-500:]}"
        assert await held(url) == before, f"after kill {number}: other rows"
        await assert_sound(url)
    assert in_time, "no kill landed before the end of the upgrade"
    return f"{in_time} of {KILLS} killed before their end, each finished by the next one, db verify finds nothing"


async def raced(url: DatabaseUrl) -> str:
    for commands in ((programs.UPGRADE,), (programs.UPGRADE, programs.ALEMBIC)):
        await race(url, commands, chain.revisions())
        await upgrade.downgrade(url, "base", allow_data_loss=True)
        await one_release_behind(url, 20_000)
        before = await held(url)
        await race(url, commands, chain.revisions()[5:])
        assert await held(url) == before, "other rows"
        await upgrade.downgrade(url, "base", allow_data_loss=True)
    return (
        f"{PROCESSES} on an empty database and {PROCESSES} on one a release behind ended well, each revision once, by "
        "`db upgrade` alone and mixed"
    )


async def race(url: DatabaseUrl, commands: Sequence[Sequence[str]], expected: Sequence[str]) -> None:
    codes, said = programs.race(url, PROCESSES, commands)
    assert codes == [0] * PROCESSES, f"{codes}: {said[-500:]}"
    assert applied(said) == sorted(expected), "a revision was applied twice"
    await assert_sound(url)


async def held_open(url: PostgresUrl) -> Outcome:
    await one_release_behind(url, 1_000)
    async with open_transaction(url, READ):
        longest_s, failure = await watched(url, READ, WRITE, "SELECT count(*) FROM users")
    told = isinstance(failure, DatabaseUnavailable) and "db upgrade" in str(failure)
    again = (await upgrade.upgrade(url)).after == chain.head()
    figure = (
        f"the longest wait was {longest_s:.1f} s; clear error: {told}; run again: {'passed' if again else 'failed'}"
    )
    return Outcome(figure, longest_s <= LONGEST_WAIT_S and told and again)


async def a_million_rows(url: PostgresUrl) -> Outcome:
    await one_release_behind(url, ROWS)
    begun = time.monotonic()
    reporting = f"INSERT INTO progress_snapshots (task_id, timestamp) VALUES ('{seeds.RUNNING}', now())"
    progress = f"SELECT count(*) FROM progress_snapshots WHERE task_id = '{seeds.RUNNING}'"
    longest_s, failure = await watched(url, READ, WRITE, reporting, progress)
    took_s = time.monotonic() - begun
    figure = f"the longest wait of four clients was {longest_s:.1f} s in the {took_s:.0f} s of the upgrade"
    return Outcome(figure, failure is None and longest_s <= LONGEST_WAIT_S)


def memory_on_sqlite() -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        url = SqliteUrl(Path(folder) / "test.db")
        asyncio.run(one_release_behind(url, ROWS))
        begun = time.monotonic()
        code, said = programs.run(url, ("-c", MEASURED, *programs.UPGRADE))
        took_s = time.monotonic() - begun
    peak_mb = int(said.split()[-1]) / 1024
    return Outcome(f"{peak_mb:.0f} MB at most, in {took_s:.0f} s", code == 0 and peak_mb < MEMORY_MB)


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "`alembic upgrade head && alembic check` on both databases; every revision up, down and up with rows in every "
        "table; a bad revision is found out",
        "`python -m pytest tests/migrations/test_chain.py tests/migrations/test_alembic_by_hand.py`",
        tests_in("tests/migrations/test_chain.py", "tests/migrations/test_alembic_by_hand.py"),
    ),
    Claim(
        "An exception inside a revision: exit ≠ 0, nothing changed, and a service that is behind refuses to start",
        "`python -m pytest tests/migrations/test_upgrade_at_once.py`",
        tests_in("tests/migrations/test_upgrade_at_once.py"),
    ),
    Claim(
        f"kill -9 of the upgrade at {KILLS} random moments on each database: the next one reaches head, no row lost, "
        "`db verify` finds nothing to repair",
        "`db upgrade` in a process of its own, 20,000 snapshots, from the release before",
        on_both(killed_at_random),
    ),
    Claim(
        f"{PROCESSES} upgrades at once, all of them `db upgrade` and then half of them `alembic upgrade head`, on an "
        "empty database and on one a release behind: all exit 0, each revision once, no deadlock",
        "processes of their own on each database; the chain builds indexes concurrently",
        on_both(raced),
    ),
    Claim(
        f"A transaction held open on `tasks` during an ALTER: others never wait over {LONGEST_WAIT_S:.0f} s; the "
        "upgrade tries again, ends with a clear error, and passes when run again",
        "three clients that ask all the time, while `upgrade` gives up",
        on_postgresql(held_open),
    ),
    Claim(
        "An index build whose backend is terminated leaves no invalid index after the next upgrade",
        "`python -m pytest tests/migrations/test_zero_downtime.py`",
        tests_in("tests/migrations/test_zero_downtime.py"),
    ),
    Claim(
        f"{ROWS:,} snapshots get their wider columns on PostgreSQL: nobody waits over {LONGEST_WAIT_S:.0f} s",
        "four clients that ask and write all the time",
        on_postgresql(a_million_rows),
    ),
    Claim(
        f"{ROWS:,} snapshots are upgraded on SQLite in less than {MEMORY_MB} MB",
        "peak of resident memory of `db upgrade` from the release before",
        memory_on_sqlite,
    ),
)
