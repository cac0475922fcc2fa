"""Two URLs have to lead to one database, and nothing is put back or taken away under a service."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pcap_analyzer.errors import Conflict, DatabaseUnavailable, UsageError
from pcap_analyzer.settings import Settings
from pcap_analyzer.store.engines import EngineOptions
from pcap_analyzer.store.leader import leader_of
from pcap_analyzer.store.neighbours import refuse_two_databases, refuse_while_served
from pcap_analyzer.store.session import open_database, ping
from pcap_analyzer.store.urls import DatabaseUrls, PostgresUrl
from pcap_analyzer.web.runtime import open_runtime
from tests.bouncer import PgBouncer
from tests.cli.command import pcap_analyzer
from tests.databases import postgres_at_head, postgres_urls
from tests.needs import need
from tests.postgres import APP, OWNER, PgDatabase, Server

DIRECTLY, POOLED = EngineOptions(), EngineOptions(pgbouncer=True)


@pytest.fixture
def database(cluster: Server) -> Iterator[PgDatabase]:
    made = postgres_at_head(cluster)
    yield made
    cluster.drop_database(made.name)


@pytest.fixture
def other(cluster: Server) -> Iterator[PgDatabase]:
    made = postgres_at_head(cluster)
    yield made
    cluster.drop_database(made.name)


def of_another(url: object, **parts: object) -> PostgresUrl:
    assert isinstance(url, PostgresUrl)
    return replace(url, **parts)  # type: ignore[arg-type]  # the fields are named by each test


async def test_two_roles_and_a_pooler_lead_to_one_database(cluster: Server, database: PgDatabase) -> None:
    need("pgbouncer")
    urls = postgres_urls(database)
    await refuse_two_databases(urls, DIRECTLY, patient=True)

    with PgBouncer(cluster) as bouncer:
        pooled = DatabaseUrls(of_another(urls.main, port=bouncer.port), urls.direct)
        await refuse_two_databases(pooled, POOLED, patient=True)


async def test_who_cannot_be_asked_is_taken_at_its_name_unless_one_insists(database: PgDatabase) -> None:
    urls = postgres_urls(database)
    deaf = DatabaseUrls(of_another(urls.main, port=1), urls.direct)

    await refuse_two_databases(deaf, DIRECTLY)
    with pytest.raises(DatabaseUnavailable):
        await refuse_two_databases(deaf, DIRECTLY, patient=True)
    with pytest.raises(UsageError, match="two databases"):
        await refuse_two_databases(DatabaseUrls(of_another(urls.main, port=1, database="x"), urls.direct), DIRECTLY)


def test_every_command_refuses_a_direct_url_of_another_database(
    database: PgDatabase, other: PgDatabase, tmp_path: Path
) -> None:
    dump = tmp_path / "kept.dump"
    dump.write_bytes(b"PGDMP")
    settings = {
        "DATABASE_URL": database.app_url,
        "DATABASE_DIRECT_URL": other.owner_url,
        "DATA_DIR": str(tmp_path / "data"),
    }
    commands = (
        ["backup", "--to", tmp_path / "new.dump"],
        ["upgrade"],
        ["downgrade"],
        ["restore", dump, "--clean", "--yes"],
        ["verify"],
    )

    for command in commands:
        done = pcap_analyzer("db", *command, **settings)

        said = " ".join((done.stdout + done.stderr).split())
        assert (done.returncode, "lead to two databases" in said) == (2, True), said
        assert (database.name in said, other.name in said) == (True, True)
        assert (APP.password in said, OWNER.password in said) == (False, False)
    assert not (tmp_path / "new.dump").exists()


async def test_the_service_does_not_start_with_a_direct_url_of_another_database(
    database: PgDatabase, other: PgDatabase, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path, database_url=database.app_url, database_direct_url=other.owner_url)

    with pytest.raises(UsageError, match="two databases"):
        async with open_runtime(settings):
            pytest.fail("it has started")


async def test_nothing_is_put_back_or_taken_away_while_a_service_runs(database: PgDatabase, tmp_path: Path) -> None:
    urls = postgres_urls(database)
    settings = {
        "DATABASE_URL": database.app_url,
        "DATABASE_DIRECT_URL": database.owner_url,
        "DATA_DIR": str(tmp_path),
    }
    dump = tmp_path / "kept.dump"
    assert pcap_analyzer("db", "backup", "--to", dump, **settings).returncode == 0
    service, leader = open_database(urls), leader_of(urls.direct)
    await service.read(ping)
    await leader.leads()

    refused = [
        pcap_analyzer("db", *command, **settings)
        for command in (["restore", dump, "--clean", "--yes"], ["downgrade", "--allow-data-loss"])
    ]
    await service.close()
    with pytest.raises(Conflict, match="1 of its sessions"):
        await refuse_while_served(urls.direct, POOLED)
    await leader.resign()
    restored = pcap_analyzer("db", "restore", dump, "--clean", "--yes", **settings)

    for done in refused:
        assert (done.returncode, "2 of its sessions are open" in done.stderr) == (2, True), done.stderr
    assert restored.returncode == 0, restored.stderr
    assert f"127.0.0.1:{of_another(urls.direct).port}/{database.name}" in restored.stdout
