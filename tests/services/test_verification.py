"""Checks of a deployment: each kind of damage is found, by its name and with what to do about it."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pcap_analyzer.services.verification import USUAL, Scope, verify
from pcap_analyzer.storage import Storage
from pcap_analyzer.store.engines import EngineOptions
from pcap_analyzer.store.models import ONLY_ON_POSTGRESQL, Task, TaskStatus, User
from pcap_analyzer.store.session import AsyncSession, open_database
from pcap_analyzer.store.urls import DatabaseUrls, parse_urls
from pcap_analyzer.store.verify.check import Status, worst
from tests.databases import postgres_at_head, postgres_urls
from tests.head_database import at_head
from tests.postgres import OWNER, PgDatabase, Server

OK, WARNING, FAILURE = Status
NOW = datetime(2026, 1, 2, tzinfo=UTC)
TASK, OTHER = "7c5c1e2e-3ddc-4d4c-9ed6-4d5a7dd2a001", "7c5c1e2e-3ddc-4d4c-9ed6-4d5a7dd2a002"


@dataclass(frozen=True)
class Told:
    """What was found: the worst of it, and the status and the sentence of each check."""

    status: Status
    checks: dict[str, tuple[Status, str]]

    def wrong(self) -> set[str]:
        return {name for name, (status, _) in self.checks.items() if status is not Status.OK}


@dataclass(frozen=True)
class Deployment:
    """A data folder and a database that belong together."""

    urls: DatabaseUrls
    folder: Path

    async def verify(self, scope: Scope = USUAL) -> Told:
        checks = await verify(self.urls, EngineOptions(), Storage(self.folder), scope)
        return Told(worst(checks), {check.name: (check.status, check.sentence) for check in checks})

    async def add(self, *rows: User | Task) -> None:
        async def work(session: AsyncSession) -> None:
            session.add_all(rows)

        database = open_database(self.urls)
        await database.write(work)
        await database.close()

    def put(self, key: str, content: bytes = b"x") -> None:
        path = self.folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def task(task_id: str = TASK, **columns: object) -> Task:
    given = {"status": TaskStatus.COMPLETED, "capture_key": f"captures/{task_id}", **columns}
    return Task(task_id=task_id, filename="a.pcap", uploaded_at=NOW, **given)


@pytest.fixture
def deployment(database_urls: DatabaseUrls, tmp_path: Path) -> Deployment:
    return Deployment(database_urls, tmp_path / "data")


@pytest.fixture
def postgres(cluster: Server, tmp_path: Path) -> Iterator[tuple[Deployment, PgDatabase]]:
    database = postgres_at_head(cluster)
    yield Deployment(postgres_urls(database), tmp_path), database
    cluster.drop_database(database.name)


@pytest.fixture
def sqlite(tmp_path: Path) -> Deployment:
    url = at_head(tmp_path / "pcap_analyzer.db")
    return Deployment(DatabaseUrls(url, url), tmp_path)


async def test_all_is_well_with_rows_and_their_files(deployment: Deployment) -> None:
    await deployment.add(task())
    deployment.put(f"captures/{TASK}")

    told = await deployment.verify(Scope(deep=True))

    assert (told.status, told.wrong()) == (OK, set())


async def test_a_missing_file_fails_and_is_named(deployment: Deployment) -> None:
    await deployment.add(task())

    told = await deployment.verify()

    assert (told.status, told.wrong()) == (FAILURE, {"missing files"})
    assert f"captures/{TASK}" in told.checks["missing files"][1]


async def test_a_file_without_a_row_fails_and_is_named(deployment: Deployment) -> None:
    await deployment.add(task(capture_key=None))
    deployment.put(f"captures/{TASK}")
    deployment.put(f"results/{OTHER}/report.json")

    told = await deployment.verify()

    assert (told.status, told.wrong()) == (FAILURE, {"files without a row"})
    assert f"captures/{TASK}, results/{OTHER}" in told.checks["files without a row"][1]


async def test_a_damaged_report_is_found_by_reading_it(deployment: Deployment) -> None:
    await deployment.add(task(capture_key=None, report_key=f"results/{TASK}/report.json"))
    deployment.put(f"results/{TASK}/report.json", b"{")

    quick, deep = await deployment.verify(), await deployment.verify(Scope(deep=True))

    assert (quick.status, deep.status, deep.wrong()) == (OK, FAILURE, {"reports"})


async def test_what_an_earlier_release_left_is_a_warning(deployment: Deployment) -> None:
    user = User(
        id=OTHER, username="ann", email="ann@example.org", hashed_password="!", created_at=NOW, totp_secret="JBSWY3DP"
    )
    await deployment.add(user, task(capture_key=None, report_html_path="reports/gone.html"))
    deployment.put(f"parts/captures~{OTHER}.unconfirmed")

    told = await deployment.verify()

    assert (told.status, told.wrong()) == (WARNING, {"old reports", "secrets", "uploads"})


async def test_a_revision_that_is_not_head_fails_and_names_the_command(tmp_path: Path) -> None:
    (tmp_path / "pcap_analyzer.db").touch()

    told = await Deployment(parse_urls("", "", "", data_dir=tmp_path), tmp_path).verify()

    assert (told.status, told.wrong()) == (FAILURE, {"revision"})
    assert "db upgrade" in told.checks["revision"][1]


@pytest.mark.parametrize("url", ["", "postgresql://somebody:secret@127.0.0.1:1/none"])
async def test_a_database_that_is_not_there_fails_and_is_not_made(url: str, tmp_path: Path) -> None:
    told = await Deployment(parse_urls(url, "", "", data_dir=tmp_path), tmp_path).verify()

    assert (told.status, told.wrong()) == (FAILURE, {"reachable"})
    assert "secret" not in str(told)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("DROP INDEX idx_uploaded_at", "missing indexes"),
        ("ALTER TABLE tasks ADD COLUMN more INT", "schema"),
        ("ALTER TABLE tasks DROP COLUMN verdict_cause", "revision"),
        (
            "PRAGMA foreign_keys=OFF; INSERT INTO outbox VALUES (1, 'a', 'nobody', '{}', '2026-01-02', NULL, 0, NULL)",
            "foreign keys",
        ),
    ],
)
async def test_what_was_done_to_a_file_by_hand_is_found(sqlite: Deployment, sql: str, name: str) -> None:
    with closing(sqlite3.connect(sqlite.folder / "pcap_analyzer.db")) as connection:
        connection.executescript(sql)

    told = await sqlite.verify()

    assert (told.status, told.wrong()) == (FAILURE, {name})


async def test_a_damaged_file_is_found(sqlite: Deployment) -> None:
    path = sqlite.folder / "pcap_analyzer.db"
    damaged = bytearray(path.read_bytes())
    damaged[8192:] = b"\xff" * (len(damaged) - 8192)
    path.write_bytes(damaged)

    assert (await sqlite.verify()).status is FAILURE


@pytest.mark.parametrize(
    ("column", "value"),
    [("created_at", "yesterday"), ("last_login", "2026-01-02 UTC"), ("is_active", "perhaps")],
)
async def test_a_value_that_cannot_be_read_is_found_with_its_row(sqlite: Deployment, column: str, value: str) -> None:
    user = User(id=OTHER, username="ann", email="ann@example.org", hashed_password="!", created_at=NOW)
    await sqlite.add(user)
    with closing(sqlite3.connect(sqlite.folder / "pcap_analyzer.db")) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints=ON")
        connection.execute(f"UPDATE users SET {column} = ?", (value,))

    told = await sqlite.verify()

    assert (told.status, told.wrong()) == (FAILURE, {"rows"})
    assert f"{column} of users {OTHER}" in told.checks["rows"][1]


async def test_a_file_that_cannot_be_written_fails(sqlite: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "os.access", lambda _, mode, **__: mode != os.W_OK
    )  # the superuser, who runs tests too, may write anywhere

    told = await sqlite.verify()

    assert (told.status, told.wrong()) == (FAILURE, {"writable"})
    assert f"{sqlite.folder}/pcap_analyzer.db cannot be written" in told.checks["writable"][1]


async def test_before_the_first_upgrade_no_extension_is_missed(cluster: Server, tmp_path: Path) -> None:
    database = cluster.create_database()

    told = await Deployment(postgres_urls(database), tmp_path).verify()

    cluster.drop_database(database.name)
    assert (told.wrong(), "pg_trgm" in told.checks) == ({"revision"}, False)


async def test_behind_a_pooler_the_dispatchers_are_counted(
    postgres: tuple[Deployment, PgDatabase],
) -> None:
    deployment, _ = postgres

    checks = await verify(
        deployment.urls, EngineOptions(pgbouncer=True), Storage(deployment.folder), Scope(processes=300)
    )

    (connections,) = [check for check in checks if check.name == "connections"]
    assert (connections.status, "300 × (1) = 300" in connections.sentence) == (FAILURE, True)


async def test_it_changes_no_byte_of_a_file(sqlite: Deployment) -> None:
    path = sqlite.folder / "pcap_analyzer.db"
    before = path.read_bytes()

    await sqlite.verify(Scope(deep=True))

    assert path.read_bytes() == before


BY_HAND = "INSERT INTO audit_log (id, at, action, actor_name) VALUES (7, now(), 'a', 'b')"


@pytest.mark.parametrize(
    ("sql", "name", "said"),
    [
        (
            "DROP INDEX idx_uploaded_at",
            "missing indexes",
            "CREATE INDEX CONCURRENTLY idx_uploaded_at ON tasks (uploaded_at)",
        ),
        ("DROP INDEX idx_tasks_active", "missing indexes", "WHERE status IN ('pending', 'processing')"),
        (
            "ALTER TABLE tasks ADD CONSTRAINT later CHECK (attempt < 9) NOT VALID",
            "constraints",
            'ALTER TABLE tasks VALIDATE CONSTRAINT "later"',
        ),
        (BY_HAND, "sequences", "SELECT setval('audit_log_id_seq', (SELECT max(\"id\") FROM audit_log))"),
        ("ALTER TABLE tasks ADD COLUMN more int", "schema", "remove column tasks more"),
    ],
)
async def test_what_was_done_to_a_server_by_hand_is_found_with_its_repair(
    cluster: Server, postgres: tuple[Deployment, PgDatabase], sql: str, name: str, said: str
) -> None:
    deployment, database = postgres
    cluster.psql(sql, database.name, OWNER)

    told = await deployment.verify()

    assert (told.status, told.wrong()) == (FAILURE, {name})
    assert said in told.checks[name][1]


async def test_an_interrupted_build_of_an_index_is_found_and_its_repair_works(
    cluster: Server, postgres: tuple[Deployment, PgDatabase]
) -> None:
    deployment, database = postgres
    cluster.psql("CREATE TABLE twice AS SELECT 1 AS n FROM generate_series(1, 2)", database.name, OWNER)
    with pytest.raises(RuntimeError, match="could not create unique index"):
        cluster.psql("CREATE UNIQUE INDEX CONCURRENTLY broken ON twice (n)", database.name, OWNER)

    told = await deployment.verify()

    assert told.status is FAILURE
    assert "REINDEX INDEX CONCURRENTLY broken" in told.checks["invalid indexes"][1]
    cluster.psql("DELETE FROM twice WHERE ctid = '(0,1)'", database.name, OWNER)
    cluster.psql("REINDEX INDEX CONCURRENTLY broken", database.name, OWNER)
    assert (await deployment.verify()).checks["invalid indexes"][0] is OK


async def test_what_it_prints_makes_dropped_indexes_again(
    cluster: Server, postgres: tuple[Deployment, PgDatabase]
) -> None:
    deployment, database = postgres
    for name in ("idx_users_email", "idx_outbox_unsent", *ONLY_ON_POSTGRESQL):
        cluster.psql(f"DROP INDEX {name}", database.name, OWNER)

    _, sentence = (await deployment.verify()).checks["missing indexes"]
    cluster.psql(sentence.partition("make them: ")[2], database.name, OWNER)

    assert (await deployment.verify()).status is OK


async def test_rights_of_the_service_are_looked_at_as_the_service(
    cluster: Server, postgres: tuple[Deployment, PgDatabase]
) -> None:
    deployment, database = postgres
    owner_alone = Deployment(DatabaseUrls(deployment.urls.direct, deployment.urls.direct), deployment.folder)

    assert (await owner_alone.verify()).checks["rights"][0] is WARNING
    cluster.psql("GRANT UPDATE ON audit_log TO pcap_app", database.name, OWNER)
    assert "may change audit_log" in (await deployment.verify()).checks["rights"][1]
    cluster.psql("REVOKE INSERT ON outbox FROM pcap_app", database.name, OWNER)
    told = await deployment.verify()
    assert (told.status, told.checks["rights"][0], "INSERT on outbox" in told.checks["rights"][1]) == (
        FAILURE,
        FAILURE,
        True,
    )


async def test_pools_that_do_not_fit_into_the_server_fail(postgres: tuple[Deployment, PgDatabase]) -> None:
    deployment, _ = postgres

    assert (await deployment.verify(Scope(processes=4))).status is OK
    told = await deployment.verify(Scope(processes=40))
    assert (told.status, told.wrong(), "40 × (10 + 5 + 1) = 640" in told.checks["connections"][1]) == (
        FAILURE,
        {"connections"},
        True,
    )
