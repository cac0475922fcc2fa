"""Services on one PostgreSQL while a crowd uses them: restarts of the server, upgrades, PgBouncer."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.bouncer import PgBouncer
from tests.daemons import free_port
from tests.databases import postgres_at_head
from tests.load import Load, Log
from tests.migrations import more_revisions
from tests.postgres import Cluster, PgDatabase, Server
from tests.web.service_process import COMMAND, Service, environment, service

READY_WITHIN_S = 60.0
DRAINED_S = 0.5  # a process that is taken out of the balance answers what it has


@dataclass(frozen=True)
class Crowd:
    """How many requests a second, and for how long before and after what happens."""

    capture: bytes
    per_s: float
    before_s: float
    after_s: float


@dataclass(frozen=True)
class Restarted:
    log: Log
    took_s: float
    missing: list[str]  # uploads that were acknowledged and are not there


async def restart_under_load(folder: Path, crowd: Crowd) -> Restarted:
    """Crash the server under a service (`pg_ctl -m immediate`) and start it again."""
    took: list[float] = []

    async def happens() -> None:
        await asyncio.to_thread(cluster.crash)
        began = time.monotonic()
        await asyncio.to_thread(cluster.start)
        await _ready(running.url)
        took.append(time.monotonic() - began)

    with Cluster(durable=True) as cluster, service(folder / "data", **settings(postgres_at_head(cluster))) as running:
        token = running.set_up()
        log = await crowded([running.url], token, crowd, happens)
        missing = await missing_of(running.url, token, log.accepted)
        assert running.end() == 0
    return Restarted(log, took[0], missing)


async def roll_over(folder: Path, cluster: Server, crowd: Crowd, processes: int) -> Restarted:
    """Upgrade the database to a revision that the services do not know, then restart them one after the other."""
    made = postgres_at_head(cluster)
    ports = [free_port() for _ in range(processes)]
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    took: list[float] = []

    with ExitStack() as stack:

        def start(number: int, name: str) -> Service:
            arguments = ("--port", str(ports[number]))
            command = (*COMMAND[:-2], *arguments)
            return stack.enter_context(service(folder / "data", command=command, name=name, **settings(made)))

        running = [start(number, f"first-{number}") for number in range(processes)]
        token = running[0].set_up()

        async def happens() -> None:
            began = time.monotonic()
            await asyncio.to_thread(upgrade_beyond_head, folder / "more", made)
            for number in range(processes):
                urls.remove(running[number].url)
                await asyncio.sleep(DRAINED_S)
                code = await asyncio.to_thread(running[number].end)
                assert code == 0, running[number].log.read_text()
                running[number] = await asyncio.to_thread(start, number, f"second-{number}")
                urls.append(running[number].url)
            took.append(time.monotonic() - began)

        log = await crowded(urls, token, crowd, happens)
        missing = await missing_of(urls[0], token, log.accepted)
        for one in running:
            assert one.end() == 0
    cluster.drop_database(made.name)
    return Restarted(log, took[0], missing)


def upgrade_beyond_head(folder: Path, made: PgDatabase) -> None:
    """A column, one that must not be null, and an index that is built beside the traffic."""
    column = 'op.execute("ALTER TABLE tasks ADD COLUMN next_note text")'
    filled = 'op.execute("ALTER TABLE tasks ADD COLUMN next_rank integer NOT NULL DEFAULT 7")'
    index = "indexes.build_index('idx_tasks_next_rank', 'tasks', ['next_rank'])"
    for number, statement in enumerate((column, filled, index)):
        more_revisions.write(folder, number, statement)
    done = subprocess.run(
        [sys.executable, "-m", "tests.migrations.more_revisions", str(folder), "db", "upgrade"],
        cwd=Path(__file__).parents[2],
        env=environment(DATABASE_URL=made.owner_url),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


async def through_pgbouncer(folder: Path, cluster: Server, crowd: Crowd, processes: int) -> Restarted:
    """`uvicorn --workers` on one PgBouncer in transaction mode, whose pool is smaller than the crowd."""
    made, port = postgres_at_head(cluster), free_port()
    command = (sys.executable, "-m", "uvicorn", "app.main:app", "--port", str(port), "--workers", str(processes))
    began = time.monotonic()

    async def happens() -> None:
        await asyncio.sleep(0)

    with PgBouncer(cluster, pool_size=4) as bouncer:
        more = settings(made) | {
            "DATABASE_URL": bouncer.database(made.name).app_url,
            "DATABASE_PGBOUNCER": "true",
        }
        url = f"http://127.0.0.1:{port}"
        with service(folder / "data", command=command, url=url, **more) as running:
            token = running.set_up()
            log = await crowded([url], token, crowd, happens)
            missing = await missing_of(url, token, log.accepted)
            running.end()
    cluster.drop_database(made.name)
    return Restarted(log, time.monotonic() - began, missing)


def settings(made: PgDatabase) -> dict[str, str]:
    return {
        "DATABASE_URL": made.app_url,
        "DATABASE_DIRECT_URL": made.owner_url,
        "CONCURRENT_ANALYSES": "1",
    }


async def crowded(urls: Sequence[str], token: str, crowd: Crowd, happens: Callable[[], Awaitable[None]]) -> Log:
    """What a crowd sees while something happens."""
    over = asyncio.Event()
    load = Load(urls, token, crowd.capture, crowd.per_s)
    using = asyncio.create_task(load.during(over))
    try:
        await asyncio.sleep(crowd.before_s)
        await happens()
        await asyncio.sleep(crowd.after_s)
    finally:
        over.set()
        log = await using
    return log


async def missing_of(url: str, token: str, accepted: Sequence[str]) -> list[str]:
    async with httpx.AsyncClient(base_url=url, headers={"Cookie": f"__Host-session={token}"}, timeout=30) as client:
        found = {task_id: (await client.get(f"/api/v1/tasks/{task_id}")).status_code for task_id in accepted}
    return [task_id for task_id, status in found.items() if status != 200]


async def _ready(url: str) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=5) as client, asyncio.timeout(READY_WITHIN_S):
        while (await client.get("/health/ready")).status_code != 200:
            await asyncio.sleep(0.1)
