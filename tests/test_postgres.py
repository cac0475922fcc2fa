"""The PostgreSQL, the replicas and the PgBouncer that other tests stand on."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from tests.bouncer import PgBouncer
from tests.needs import need
from tests.postgres import APP, OWNER, SUPERUSER, Cluster, Server
from tests.waiting import until

ROOT = Path(__file__).parents[1]
CLUSTER_OF_ANOTHER_PROCESS = """
import time
from tests.postgres import Cluster
with Cluster() as cluster:
    print(cluster.pid, cluster.folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def own() -> Iterator[Cluster]:
    need("postgresql")
    with Cluster() as made:
        yield made


async def value(url: str, sql: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def test_both_roles_connect_by_url_whatever_their_passwords_hold(cluster: Server) -> None:
    database = cluster.create_database()
    assert await value(database.owner_url, "SELECT current_user::text") == OWNER.name
    assert await value(database.app_url, "SELECT current_user::text") == APP.name
    cluster.drop_database(database.name)


def test_the_owner_alone_makes_tables(cluster: Server) -> None:
    database = cluster.create_database()
    cluster.psql("CREATE TABLE kept (id int)", database.name, OWNER)
    with pytest.raises(RuntimeError, match="permission denied"):
        cluster.psql("CREATE TABLE refused (id int)", database.name, APP)
    cluster.drop_database(database.name)


def test_a_database_is_made_from_a_template_and_dropped_under_its_connections(cluster: Server) -> None:
    template = cluster.create_database()
    cluster.psql("CREATE TABLE kept (id int); INSERT INTO kept VALUES (7)", template.name, OWNER)
    copied = cluster.create_database(template=template.name)
    assert cluster.psql("SELECT id FROM kept", copied.name, OWNER) == "7"
    for name in (template.name, copied.name):
        cluster.drop_database(name)
    assert cluster.psql(f"SELECT count(*) FROM pg_database WHERE datname = '{copied.name}'") == "0"


async def test_a_wrong_password_is_refused_by_port_and_by_socket(own: Cluster) -> None:
    for host in (own.host, str(own.folder)):
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(host=host, port=own.port, user=APP.name, password="wrong", database="postgres")


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_restart_keeps_data_and_port(own: Cluster, mode: str) -> None:
    database = own.create_database()
    own.psql("CREATE TABLE kept (id int); INSERT INTO kept VALUES (7); CHECKPOINT", database.name)
    before = own.pid
    own.restart("immediate" if mode == "immediate" else "fast")
    assert own.pid != before
    assert own.psql("SELECT id FROM kept", database.name) == "7"


async def test_a_stopped_server_refuses_until_it_is_started(own: Cluster) -> None:
    url = own.url(SUPERUSER, "postgres")
    own.crash()
    with pytest.raises(OSError, match="Connect call failed"):
        await value(url, "SELECT 1")
    own.start()
    assert await value(url, "SELECT 1") == 1


def test_a_cluster_outlives_the_thread_that_started_it(own: Cluster) -> None:
    thread = threading.Thread(target=own.restart)
    thread.start()
    thread.join()
    assert own.psql("SELECT 1") == "1"


def test_settings_of_a_test_go_over_ours() -> None:
    need("postgresql")
    with Cluster(durable=True, settings={"cluster_name": "it's"}) as durable:
        assert durable.psql("SHOW fsync; SHOW synchronous_commit; SHOW cluster_name") == "on\non\nit's"


def test_what_the_server_logs_can_be_read(own: Cluster) -> None:
    own.psql("DO $$ BEGIN RAISE WARNING 'written down'; END $$")
    assert "written down" in own.log_text()


async def test_a_replica_receives_and_refuses_writes(own: Cluster) -> None:
    database = own.create_database()
    own.psql("CREATE TABLE sent (id int)", database.name, OWNER)
    with own.replica() as replica:
        own.psql("INSERT INTO sent VALUES (7)", database.name, OWNER)
        there = replica.database(database.name).owner_url

        async def arrived() -> bool:
            return await value(there, "SELECT id FROM sent") == 7

        await until(arrived)
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await value(there, "INSERT INTO sent VALUES (8)")


async def test_a_delayed_replica_has_a_commit_and_does_not_show_it(own: Cluster) -> None:
    database = own.create_database()
    own.psql("CREATE TABLE sent (id int)", database.name, OWNER)
    with own.replica(apply_delay_ms=3_600_000) as replica:
        own.psql("INSERT INTO sent VALUES (7)", database.name, OWNER)
        written = own.psql("SELECT pg_switch_wal()")

        async def received() -> bool:
            return replica.psql(f"SELECT pg_last_wal_receive_lsn() >= '{written}'") == "t"

        await until(received)
        assert replica.psql("SELECT count(*) FROM sent", database.name, OWNER) == "0"


async def test_the_bouncer_shares_few_connections_among_many_clients(own: Cluster) -> None:
    need("pgbouncer")
    database = own.create_database()
    with PgBouncer(own, pool_size=2) as bouncer:
        url = bouncer.database(database.name).app_url
        clients = [await asyncpg.connect(url, statement_cache_size=0) for _ in range(8)]
        backends = set()
        for client in clients:
            async with client.transaction():
                backends.add(await client.fetchval("SELECT pg_backend_pid()"))
        assert len(backends) <= 2
        for client in clients:
            await client.close()


async def test_the_bouncer_refuses_startup_parameters_that_it_does_not_know(own: Cluster) -> None:
    need("pgbouncer")
    with PgBouncer(own) as bouncer:
        url = bouncer.url(APP, "postgres")
        with pytest.raises(asyncpg.PostgresError, match="unsupported startup parameter"):
            await asyncpg.connect(url, server_settings={"statement_timeout": "30s"})


def test_the_bouncer_shows_its_pools_and_comes_back(own: Cluster) -> None:
    need("pgbouncer")
    with PgBouncer(own) as bouncer:
        bouncer.psql("SELECT 1", "postgres", APP)
        assert "|transaction" in bouncer.psql("SHOW POOLS", "pgbouncer")
        bouncer.stop()
        bouncer.start()
        assert bouncer.psql("SELECT 1", "postgres", APP) == "1"


def test_a_cluster_ends_with_the_process_that_started_it_even_by_kill_9() -> None:
    need("postgresql")
    command = [sys.executable, "-c", CLUSTER_OF_ANOTHER_PROCESS]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        pid, folder = starter.stdout.readline().split()
        os.kill(int(pid), 0)
        starter.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 30
    while Path("/proc", pid).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    shutil.rmtree(folder)
    assert not Path("/proc", pid).exists()
