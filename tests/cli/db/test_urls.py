"""Every way to write a URL of PostgreSQL reaches it, by the program and by Alembic typed by hand, and stays secret."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess, run

import pytest

from tests.cli.command import environment, pcap_analyzer
from tests.databases import postgres_at_head
from tests.postgres import OWNER, PgDatabase, Server

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def made(cluster: Server) -> Iterator[PgDatabase]:
    database = postgres_at_head(cluster)
    yield database
    cluster.drop_database(database.name)


def alembic_current(url: str) -> CompletedProcess[str]:
    command = [os.fspath(Path(sys.executable).with_name("alembic")), "-c", os.fspath(ROOT / "alembic.ini"), "current"]
    return run(command, env=environment(DATABASE_URL=url), capture_output=True, text=True, timeout=60, check=False)


def assert_secret(done: CompletedProcess[str]) -> None:
    for secret in (OWNER.password, "own%25er", "own%er", "other%40%3A%25", "other@:%"):
        assert secret not in done.stdout + done.stderr


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_a_password_of_strange_letters_reaches_the_database(made: PgDatabase, scheme: str) -> None:
    assert set("%@:") <= set(OWNER.password)
    url = made.owner_url.replace("postgresql", scheme, 1)

    info, current = pcap_analyzer("db", "info", "--json", DATABASE_URL=url), alembic_current(url)

    assert (info.returncode, current.returncode, "(head)" in current.stdout) == (0, 0, True)
    assert_secret(info)
    assert_secret(current)


def test_a_wrong_password_is_refused_and_not_shown(made: PgDatabase) -> None:
    url = made.owner_url.replace("own%25er", "other%40%3A%25")

    info, current = pcap_analyzer("db", "info", DATABASE_URL=url), alembic_current(url)

    assert (info.returncode, "refuses the password" in info.stderr, current.returncode != 0) == (5, True, True)
    assert_secret(info)
    assert_secret(current)
