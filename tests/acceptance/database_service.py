"""The service and its PostgreSQL: every form of URL, restarts and upgrades under load, PgBouncer, a replica."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.acceptance.claim import ROOT, Claim, Outcome
from tests.bouncer import PgBouncer
from tests.daemons import free_port
from tests.databases import postgres_at_head
from tests.packets import Frame, write_pcap
from tests.postgres import APP, Cluster, PgDatabase
from tests.web import crowd
from tests.web.crowd import Crowd, Restarted
from tests.web.replicated import comes_in, house_on, replicated
from tests.web.service_process import COMMAND, environment, service

PER_S = 50.0
READY_WITHIN_S = 30.0
PEOPLE = 100
PROCESSES = 4
SUITE_WITHIN_S = 900
DELAY_MS = 3000
PATIENCE_S = (55.0, 90.0)  # 60 s of retries, and what starting takes
SCHEMES = ("postgres", "postgresql", "postgresql+asyncpg")


def _capture(folder: Path) -> bytes:
    path = folder / "made.pcap"
    write_pcap(path, [Frame(1_700_000_000_000_000_000 + number, b"\0" * 60) for number in range(20)])
    return path.read_bytes()


def _crowded(scene: Callable[[Path, Crowd], Awaitable[Restarted]], *, gaps: bool) -> Callable[[], Outcome]:
    """`gaps`: answers of 503 are allowed for a while."""

    def measure() -> Outcome:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            load = Crowd(_capture(folder), PER_S, before_s=5, after_s=5)
            seen = asyncio.run(asyncio.wait_for(scene(folder, load), 300))
        log = seen.log
        figure = (
            f"{log.statuses.total():,} requests, {len(log.accepted)} uploads accepted, {len(seen.missing)} of them "
            f"lost, {log.statuses[503]} times 503, {len(log.wrong)} other failures; {seen.took_s:.1f} s"
        )
        kept = not log.wrong and not seen.missing and bool(log.accepted)
        return Outcome(figure, kept and (seen.took_s < READY_WITHIN_S if gaps else not log.failures))

    return measure


async def _rolled(folder: Path, load: Crowd) -> Restarted:
    with Cluster() as cluster:
        return await crowd.roll_over(folder, cluster, load, processes=3)


async def _pooled(folder: Path, load: Crowd) -> Restarted:
    with Cluster() as cluster:
        return await crowd.through_pgbouncer(folder, cluster, load, 4)


def every_form_of_url() -> Outcome:
    """The service and Alembic by each scheme, with a password that holds %, @, : and /."""
    reached, told = [], []
    with tempfile.TemporaryDirectory() as name, Cluster() as cluster:
        for scheme in SCHEMES:
            made = _renamed(postgres_at_head(cluster), scheme)
            checked = _run("alembic", "check", DATABASE_URL=made.owner_url)
            data = Path(name) / scheme / "data"
            data.parent.mkdir()
            with service(data, **crowd.settings(made)) as running:
                running.set_up()
                code = running.end()
                said = running.log.read_text() + checked.stdout + checked.stderr
            reached.append(checked.returncode == code == 0)
            told += [secret for secret in (APP.password, made.app_url.split(":")[2].split("@")[0]) if secret in said]
    return Outcome(f"{sum(reached)} of {len(SCHEMES)} connect; {len(told)} passwords told", all(reached) and not told)


def _renamed(made: PgDatabase, scheme: str) -> PgDatabase:
    app, owner = (f"{scheme}://{url.partition('://')[2]}" for url in (made.app_url, made.owner_url))
    return PgDatabase(owner_url=owner, app_url=app, name=made.name)


def _run(*command: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


def down_at_start() -> Outcome:
    """Both ways to start, with nobody at the port of the database."""
    url, figures, kept = "postgresql://u:hidden@127.0.0.1:1/x", [], True
    for command in (COMMAND[1:-2], ("-m", "uvicorn", "app.main:app")):
        with tempfile.TemporaryDirectory() as name:
            began = time.monotonic()
            done = _run(*command[1:], "--port", str(free_port()), DATA_DIR=name, DATABASE_URL=url)
            took = time.monotonic() - began
        said = done.stdout + done.stderr
        figures.append(f"{command[1]}: exit {done.returncode} after {took:.0f} s")
        sentence = "could not be reached for 60 s" in said and "hidden" not in said and "Traceback" not in said
        kept = kept and sentence and done.returncode != 0 and PATIENCE_S[0] < took < PATIENCE_S[1]
    return Outcome("; ".join(figures), kept)


def through_a_replica() -> Outcome:
    """Approve, log in, upload, list, a hundred times, over HTTP."""

    async def scene(folder: Path, urls: dict[str, object]) -> int:
        async with house_on(folder, urls) as house:
            admin, capture = await house.admin(), _capture(folder)
            return sum([await comes_in(house, admin, f"person{number}", capture) for number in range(PEOPLE)])

    with tempfile.TemporaryDirectory() as name, replicated(DELAY_MS) as pair:
        seen = asyncio.run(scene(Path(name), pair.settings()))
    return Outcome(f"{seen} of {PEOPLE} see their upload", seen == PEOPLE)


def suite_through_pgbouncer() -> Outcome:
    """The API suite in four processes at once, which share one PgBouncer and one server."""
    suite = ["tests/web/api", "tests/web/pages", "tests/web/test_gate.py", "tests/web/test_upload.py"]
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *suite]
    with Cluster() as cluster, PgBouncer(cluster) as bouncer:
        there = {
            "TEST_HOUSE_ON": "pgbouncer",
            "TEST_DATABASE_URL": cluster.url(cluster.superuser, "postgres"),
            "TEST_PGBOUNCER_PORT": str(bouncer.port),
        }
        running = [
            subprocess.Popen(command, cwd=ROOT, env={**os.environ, **there}, stdout=subprocess.PIPE, text=True)
            for _ in range(PROCESSES)
        ]
        said = [process.communicate(timeout=SUITE_WITHIN_S)[0].strip().splitlines()[-1] for process in running]
    return Outcome("; ".join(said), all(process.returncode == 0 for process in running))


CLAIMS = (
    Claim(
        "Each form of a PostgreSQL URL leads service and Alembic there by asyncpg, and no password is told",
        "`alembic check` and `serve` with three schemes, the password holding %, @ and :",
        every_form_of_url,
    ),
    Claim(
        "Rolling upgrade on PostgreSQL: nobody sees a 5xx",
        "50 requests/s on 3 processes, `db upgrade` by three revisions, then each process restarted",
        _crowded(_rolled, gaps=False),
    ),
    Claim(
        "PostgreSQL crashes under load: ready again within 30 s, and nothing accepted is lost",
        "50 requests/s, `-m immediate`, start; every acknowledged upload looked for",
        _crowded(crowd.restart_under_load, gaps=True),
    ),
    Claim(
        "A database that is down at the start: 60 s of retries, then a sentence and an exit",
        "`serve` and `uvicorn app.main:app`; live 200 and ready 503 meanwhile are in tests/web/test_opening.py",
        down_at_start,
    ),
    Claim(
        "The API suite passes through PgBouncer in transaction mode",
        "four processes at once: API, pages, gate and uploads",
        suite_through_pgbouncer,
    ),
    Claim(
        "Four processes share one PgBouncer",
        "`uvicorn --workers 4`, pool of 4, 50 requests/s",
        _crowded(_pooled, gaps=False),
    ),
    Claim(
        "With a replica 3 s behind: approve, log in, upload, list: 100 of 100",
        "over HTTP, in one process",
        through_a_replica,
    ),
)
