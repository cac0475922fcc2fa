"""The rights of the service's role, as PostgreSQL itself enforces them."""

from collections.abc import Iterator

import pytest

from pcap_analyzer.store.grants import statements
from tests.databases import postgres_at_head
from tests.postgres import APP, OWNER, PgDatabase, Server


@pytest.fixture
def made(cluster: Server) -> Iterator[PgDatabase]:
    database = postgres_at_head(cluster)
    yield database
    cluster.drop_database(database.name)


def test_the_service_reads_and_writes_rows(cluster: Server, made: PgDatabase) -> None:
    said = cluster.psql(
        "BEGIN; INSERT INTO setup_links VALUES (gen_random_uuid(), 'h', now(), now()); "
        "UPDATE setup_links SET used_at = now(); SELECT count(*) FROM setup_links; DELETE FROM setup_links; "
        "INSERT INTO audit_log (at, action, actor_name) VALUES (now(), 'a', 'b'); SELECT action FROM audit_log; "
        "SELECT count(*) FROM alembic_version; COMMIT",
        made.name,
        APP,
    )
    assert said == "1\na\n1"


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE more (id int)",
        "ALTER TABLE tasks ADD COLUMN more int",
        "DROP TABLE outbox",
        "CREATE INDEX more ON tasks (filename)",
        "CREATE SCHEMA more",
        "TRUNCATE outbox",
        "TRUNCATE audit_log",
        "UPDATE audit_log SET action = 'x'",
        "DELETE FROM audit_log",
        "ALTER TABLE audit_log DISABLE TRIGGER ALL",
        "UPDATE alembic_version SET version_num = 'x'",
        "DELETE FROM alembic_version",
    ],
)
def test_the_service_may_not(cluster: Server, made: PgDatabase, sql: str) -> None:
    with pytest.raises(RuntimeError, match=r"permission denied|must be owner"):
        cluster.psql(sql, made.name, APP)


def test_tables_to_come_are_the_services_to_use_and_sequences_too(cluster: Server, made: PgDatabase) -> None:
    cluster.psql("CREATE TABLE later (id serial, word text)", made.name, OWNER)
    assert cluster.psql("INSERT INTO later (word) VALUES ('x') RETURNING id", made.name, APP) == "1"


def test_running_them_again_takes_back_what_was_given_beyond(cluster: Server, made: PgDatabase) -> None:
    cluster.psql(f"GRANT ALL ON audit_log, tasks TO {APP.name}; GRANT CREATE ON SCHEMA public TO PUBLIC", made.name)
    cluster.psql(";\n".join(statements(APP.name, OWNER.name)), made.name, OWNER)
    for sql in ("TRUNCATE tasks CASCADE", "UPDATE audit_log SET action = 'x'", "CREATE TABLE more (id int)"):
        with pytest.raises(RuntimeError, match="permission denied"):
            cluster.psql(sql, made.name, APP)


def test_they_run_before_the_first_table_is_there(cluster: Server) -> None:
    database = cluster.create_database()
    cluster.psql(";\n".join(statements(APP.name, OWNER.name)), database.name, OWNER)
    cluster.psql("CREATE TABLE later (id serial)", database.name, OWNER)
    assert cluster.psql("SELECT count(*) FROM later", database.name, APP) == "0"
    cluster.drop_database(database.name)


def test_names_are_quoted_whatever_they_hold(cluster: Server) -> None:
    database = cluster.create_database()
    strange = "a\"pp's $do$; %I"
    quoted = '"a""pp\'s $do$; %I"'
    cluster.psql(f"DROP ROLE IF EXISTS {quoted}; CREATE ROLE {quoted}")

    cluster.psql(";\n".join(statements(strange, OWNER.name)), database.name, OWNER)

    given = cluster.psql(f"SELECT datacl::text FROM pg_database WHERE datname = '{database.name}'")
    assert "$do$; %I" in given
    cluster.drop_database(database.name)
    cluster.psql(f"DROP ROLE {quoted}")
