"""`pcap-analyzer db info` and `db grants`, from a shell."""

import json
import re
from pathlib import Path

from tests.cli.command import pcap_analyzer
from tests.databases import postgres_at_head
from tests.migrations.legacy import Age, build_own
from tests.postgres import APP, OWNER, Server


def test_info_without_a_database_url_tells_of_the_file_and_makes_none(tmp_path: Path) -> None:
    done = pcap_analyzer("db", "info", "--json", DATA_DIR=str(tmp_path / "data"))

    told = json.loads(done.stdout)
    assert (done.returncode, told["kind"], told["revision"], told["at_head"]) == (0, "sqlite", None, False)
    assert told["url"] == f"sqlite:///{tmp_path}/data/pcap_analyzer.db"
    sqlite = told["sqlite"]
    assert (sqlite["foreign_keys"], sqlite["exists"]) == (True, False)
    assert sqlite["busy_timeout_ms"] >= 5000
    assert sqlite["journal_mode"] in ("WAL", "TRUNCATE")
    assert sqlite["version"] in sqlite["journal_reason"]
    assert list(tmp_path.iterdir()) == []


def test_info_says_where_an_adopted_file_stands_for_people_too(tmp_path: Path) -> None:
    build_own(tmp_path / "pcap_analyzer.db", Age.LATER)
    assert pcap_analyzer("db", "upgrade", DATA_DIR=str(tmp_path)).returncode == 0

    done = pcap_analyzer("db", "info", DATA_DIR=str(tmp_path))

    assert done.returncode == 0
    for said in ("SQLite", "the newest", "Foreign keys        on", "busy_timeout"):
        assert said in done.stdout
    told = " ".join(done.stdout.split())
    assert "Adopted 15 rows of an earlier release" in told
    assert "before-adoption and holds two-factor secrets in clear text (1)" in told


def test_info_tells_of_postgresql_as_the_service_sees_it_without_a_password(cluster: Server) -> None:
    database = postgres_at_head(cluster)
    urls = {"DATABASE_URL": database.app_url, "DATABASE_DIRECT_URL": database.owner_url}

    done = pcap_analyzer("db", "info", "--json", **urls)
    people = pcap_analyzer("db", "info", **urls)

    cluster.drop_database(database.name)
    told = json.loads(done.stdout)
    postgresql = told["postgresql"]
    assert (told["kind"], told["at_head"], told["warnings"]) == ("postgresql", True, [])
    assert (postgresql["role"], postgresql["database"]) == (APP.name, database.name)
    assert (postgresql["statement_timeout"], postgresql["encrypted"]) == ("30s", False)
    assert "tasks" in {table["name"] for table in postgresql["tables"]}
    assert people.returncode == 0
    for shown in (done.stdout, done.stderr, people.stdout, people.stderr):
        assert APP.password not in shown
        assert OWNER.password not in shown


def test_info_measures_a_server_that_is_no_replica(cluster: Server) -> None:
    database = postgres_at_head(cluster)

    done = pcap_analyzer("db", "info", DATABASE_URL=database.app_url, DATABASE_REPLICA_URL=database.app_url)

    cluster.drop_database(database.name)
    assert (done.returncode, "is no replica" in " ".join(done.stdout.split())) == (0, True)


def test_info_says_in_a_sentence_that_nobody_answers() -> None:
    done = pcap_analyzer("db", "info", DATABASE_URL="postgresql://somebody:secret@127.0.0.1:1/none")

    assert (done.returncode, "cannot be reached" in done.stderr, "secret" in done.stderr) == (5, True, False)


def test_grants_takes_the_roles_from_the_urls_and_asks_nobody() -> None:
    urls = {"DATABASE_URL": "postgresql://app@nowhere.invalid/x", "DATABASE_DIRECT_URL": "postgresql://own@nowhere/x"}

    done = pcap_analyzer("db", "grants", **urls)

    assert done.returncode == 0
    assert "Run it as own" in done.stdout
    assert 'GRANT USAGE ON SCHEMA public TO "app";' in done.stdout
    assert re.findall(r"TRUNCATE|GRANT ALL", done.stdout) == []


def test_grants_wants_two_roles() -> None:
    for arguments in ([], ["--app", "one", "--owner", "one"]):
        assert pcap_analyzer("db", "grants", *arguments).returncode == 2
