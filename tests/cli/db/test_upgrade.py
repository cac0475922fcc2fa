"""`db upgrade` says what it does, and prints SQL where it is asked to."""

from pathlib import Path

from pcap_analyzer.store import chain
from tests.cli.command import pcap_analyzer
from tests.migrations import old


async def test_an_old_database_is_upgraded_step_by_step_with_its_backup_named(tmp_path: Path) -> None:
    url = await old.build(tmp_path / "pcap_analyzer.db", old.CHAIN[-1])

    done = pcap_analyzer("db", "upgrade", DATA_DIR=str(tmp_path))

    (backup,) = tmp_path.glob("*.backup-*")
    assert done.returncode == 0
    assert done.stdout == (
        f"Upgraded from revision {old.CHAIN[-1]} to revision {chain.head()}.\nThe database as it was before: {backup}\n"
        f"The database: sqlite:///{tmp_path}/pcap_analyzer.db\n"
    )
    steps = [line.split("up to ")[1].split()[0] for line in done.stderr.splitlines()]
    assert steps == list(chain.revisions()[5:])
    assert url.path.stat().st_size > 0


def test_a_new_database_is_for_its_owner_alone_and_a_second_run_has_nothing_to_do(tmp_path: Path) -> None:
    first = pcap_analyzer("db", "upgrade", DATA_DIR=str(tmp_path))
    second = pcap_analyzer("db", "upgrade", DATA_DIR=str(tmp_path))

    named = f"The database: sqlite:///{tmp_path}/pcap_analyzer.db\n"
    assert first.stdout == f"Upgraded from a new database to revision {chain.head()}.\n{named}"
    assert second.stdout == f"Already at revision {chain.head()}, the newest: nothing to do.\n{named}"
    assert (tmp_path / "pcap_analyzer.db").stat().st_mode & 0o077 == 0


def test_sql_is_printed_without_asking_the_database() -> None:
    nobody_there = "postgresql://nobody@127.0.0.1:1/nothing"

    printed = pcap_analyzer("db", "upgrade", "--sql", "--from", chain.revisions()[-2], DATABASE_URL=nobody_there)

    assert printed.returncode == 0
    assert "CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_tasks_owner_uploaded" in printed.stdout
    assert f"UPDATE alembic_version SET version_num='{chain.head()}'" in printed.stdout


def test_sql_from_an_unknown_revision_and_for_sqlite_are_refused(tmp_path: Path) -> None:
    nobody_there = "postgresql://nobody@127.0.0.1:1/nothing"

    unknown = pcap_analyzer("db", "upgrade", "--sql", "--from", "ffff", DATABASE_URL=nobody_there)
    for_sqlite = pcap_analyzer("db", "upgrade", "--sql", DATA_DIR=str(tmp_path))
    alone = pcap_analyzer("db", "upgrade", "--from", chain.head(), DATA_DIR=str(tmp_path))

    assert [done.returncode for done in (unknown, for_sqlite, alone)] == [2, 2, 2]
    assert "knows no revision ffff" in unknown.stderr
    assert "for PostgreSQL" in for_sqlite.stderr
    assert "--from goes with --sql" in alone.stderr


def test_a_server_that_nobody_answers_for_is_a_sentence_and_no_password(tmp_path: Path) -> None:
    refused = pcap_analyzer("db", "upgrade", DATABASE_URL="postgresql://me:hidden-word@127.0.0.1:1/nothing")

    assert refused.returncode == 5
    assert "cannot be reached" in refused.stderr
    assert "hidden-word" not in refused.stderr + refused.stdout


def test_where_there_is_no_sql_to_print_that_is_said() -> None:
    nobody_there = "postgresql://nobody@127.0.0.1:1/nothing"

    printed = pcap_analyzer("db", "upgrade", "--sql", "--from", chain.head(), DATABASE_URL=nobody_there)

    assert (printed.returncode, printed.stdout) == (0, "")
    assert "nothing to print" in printed.stderr
