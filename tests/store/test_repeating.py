"""Transactions on PostgreSQL: what is repeated, and what is looked up instead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from pcap_analyzer.errors import CommitUnknown, DatabaseUnavailable
from pcap_analyzer.store import engines
from pcap_analyzer.store.engines import EngineOptions
from pcap_analyzer.store.session import AsyncSession, Database, open_database, ping, wait_for_database
from pcap_analyzer.store.urls import DatabaseUrls, parse_url
from tests.needs import need
from tests.postgres import APP, Cluster, Server

# Its backend ends at the very commit: the client cannot know whether the rows were kept.
ENDS_AT_COMMIT = """
CREATE TABLE things (name text PRIMARY KEY);
GRANT ALL ON things TO pcap_app;
CREATE FUNCTION end_backend() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
  $$BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(5); RETURN NULL; END$$;
CREATE CONSTRAINT TRIGGER ends_at_commit AFTER INSERT ON things DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW WHEN (NEW.name LIKE 'fatal%') EXECUTE FUNCTION end_backend();
"""
FAIL = "DO $$BEGIN RAISE EXCEPTION 'told to fail' USING ERRCODE = '{state}'; END$$"


class Told:
    """Keeps what the observer is told."""

    def __init__(self) -> None:
        self.retries: list[str] = []

    def queried(self, name: str, seconds: float) -> None: ...

    def waited(self, seconds: float) -> None: ...

    def retried(self, why: str) -> None:
        self.retries.append(why)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def things(cluster: Server, told: Told) -> AsyncIterator[Database]:
    """A database with the table `things`."""
    made = cluster.create_database()
    cluster.psql(ENDS_AT_COMMIT, made.name)
    url = parse_url(made.app_url, data_dir=Path())
    database = open_database(DatabaseUrls(url, url), EngineOptions(pool_size=2), observer=told)
    yield database
    await database.close()
    cluster.drop_database(made.name)


class Adding:
    """Adds a thing; each of the first tries meets one of the troubles."""

    def __init__(self, name: str, *troubles: str) -> None:
        self.name, self.troubles, self.tries = name, list(troubles), 0

    async def __call__(self, session: AsyncSession) -> str:
        self.tries += 1
        await session.execute(text("INSERT INTO things VALUES (:name)"), {"name": self.name})
        if self.troubles:
            await session.execute(text(self.troubles.pop(0)))
        return self.name


async def count(session: AsyncSession) -> int:
    return int((await session.execute(text("SELECT count(*) FROM things"))).scalar_one())


@pytest.mark.parametrize("state", ["40001", "40P01", "55P03"])
async def test_what_another_try_mends_is_tried_again(things: Database, told: Told, state: str) -> None:
    adding = Adding("once", FAIL.format(state=state), FAIL.format(state=state))

    assert await things.write(adding) == "once"

    assert (adding.tries, told.retries) == (3, [state, state])
    assert await things.read(count) == 1


async def test_a_backend_that_ends_in_the_middle_is_tried_again(things: Database, told: Told) -> None:
    adding = Adding("once", "SELECT pg_terminate_backend(pg_backend_pid())")

    assert await things.write(adding) == "once"

    assert (adding.tries, len(told.retries)) == (2, 1)
    assert await things.read(count) == 1


async def test_connections_that_were_lost_while_idle_are_replaced_without_another_try(
    things: Database, told: Told, cluster: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = await things.read(lambda session: session.scalar(text("SELECT current_database()")))
    cluster.psql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    monkeypatch.setattr(engines, "PROVEN_FOR_S", 0.0)

    assert await things.read(count) == 0

    assert told.retries == []


async def test_a_connection_that_was_just_lost_costs_one_try(things: Database, told: Told, cluster: Server) -> None:
    name = await things.read(lambda session: session.scalar(text("SELECT current_database()")))
    cluster.psql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")

    assert await things.read(count) == 0

    assert len(told.retries) <= 1


async def test_the_fourth_failure_is_told(things: Database) -> None:
    adding = Adding("never", *(FAIL.format(state="40001") for _ in range(9)))

    with pytest.raises(DatabaseUnavailable, match="busy"):
        await things.write(adding)

    assert adding.tries == 4
    assert await things.read(count) == 0


async def test_a_mistake_is_made_once(things: Database) -> None:
    adding = Adding("never", "SELECT 1 / 0")

    with pytest.raises(Exception, match="division by zero"):
        await things.write(adding)

    assert adding.tries == 1


async def test_a_commit_whose_answer_is_lost_is_never_replayed_blindly(things: Database) -> None:
    adding = Adding("fatal")

    with pytest.raises(CommitUnknown):
        await things.write(adding)

    assert adding.tries == 1


async def test_a_commit_whose_answer_is_lost_is_looked_up(things: Database) -> None:
    adding = Adding("fatal")

    async def landed(_session: AsyncSession) -> str | None:
        return "it is there"

    assert await things.write(adding, landed=landed) == "it is there"

    assert adding.tries == 1


async def test_a_commit_that_is_not_seen_may_still_be_made_and_is_not_replayed(things: Database) -> None:
    adding = Adding("fatal")

    async def landed(_session: AsyncSession) -> str | None:
        return None

    with pytest.raises(CommitUnknown):
        await things.write(adding, landed=landed)

    assert adding.tries == 1


async def test_a_session_that_reads_refuses_to_write(things: Database) -> None:
    with pytest.raises(RuntimeError, match="only reads"):
        await things.read(Adding("never"))

    assert await things.read(count) == 0


@pytest.fixture
def late() -> Iterator[Cluster]:
    """A server that tests stop and start."""
    need("postgresql")
    with Cluster() as late:
        yield late


async def test_a_server_that_starts_late_is_waited_for(late: Cluster) -> None:
    url = parse_url(late.create_database().app_url, data_dir=Path())
    database, down = open_database(DatabaseUrls(url, url)), asyncio.Event()
    late.stop("immediate")
    waiting = asyncio.create_task(wait_for_database(lambda: database.read(ping), said=lambda _reason: down.set()))
    await down.wait()

    await asyncio.to_thread(late.start)
    await waiting

    await database.close()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("postgresql://pcap_app:wrong@127.0.0.1:{port}/postgres", "refuses the password"),
        ("postgresql://{app}@127.0.0.1:{port}/nowhere", "no database of this name"),
    ],
)
async def test_what_waiting_does_not_mend_is_told_at_once(cluster: Server, given: str, sentence: str) -> None:
    app = cluster.url(APP, "x").partition("://")[2].rpartition("@")[0]
    url = parse_url(given.format(port=cluster.port, app=app), data_dir=Path())
    database = open_database(DatabaseUrls(url, url))

    with pytest.raises(DatabaseUnavailable, match=sentence):
        await wait_for_database(lambda: database.read(ping), said=pytest.fail)

    await database.close()


async def test_a_server_that_never_comes_is_given_up(late: Cluster) -> None:
    url = parse_url(late.create_database().app_url, data_dir=Path())
    database = open_database(DatabaseUrls(url, url))
    late.stop("immediate")

    with pytest.raises(DatabaseUnavailable, match=r"not be reached for 0\.5 s"):
        await wait_for_database(lambda: database.read(ping), said=lambda _reason: None, patience_s=0.5)

    await database.close()
