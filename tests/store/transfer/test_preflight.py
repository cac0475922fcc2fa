"""What SQLite holds and PostgreSQL refuses is listed row by row, and repaired only by name."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pcap_analyzer.errors import Conflict
from pcap_analyzer.store.models import Base
from pcap_analyzer.store.transfer import preflight
from pcap_analyzer.store.transfer.cells import Fix
from pcap_analyzer.store.transfer.copying import Item
from pcap_analyzer.store.transfer.preflight import CheckedSource, Preflight, Problem, examine
from pcap_analyzer.store.transfer.sources import sqlite_stored
from pcap_analyzer.store.urls import SqliteUrl
from tests.store.transfer.seed import ANN, GONE, TASKS, seeded


@dataclass(frozen=True)
class Poison:
    """A change to the seeded database, and the one problem that it makes."""

    statement: str
    table: str
    column: str
    said: str
    fix: Fix | None
    mended: object = None  # the value of the column with the repair

    @property
    def name(self) -> str:
        return f"{self.table}.{self.column} {self.said}"


TASK = TASKS[1]


def of_task(column: str, value: str, said: str, fix: Fix, mended: object = None) -> Poison:
    return Poison(f"UPDATE tasks SET {column} = {value} WHERE task_id = '{TASK}'", "tasks", column, said, fix, mended)


def of_ann(column: str, value: str, said: str, fix: Fix, mended: object = None) -> Poison:
    return Poison(f"UPDATE users SET {column} = {value} WHERE id = '{ANN}'", "users", column, said, fix, mended)


POISONS = (
    of_task("owner_id", f"'{GONE}'", f"users that is not there: {GONE}", Fix.ORPHANS),
    of_ann("approved_by", f"'{GONE}'", "not there", Fix.ORPHANS),
    of_task("filename", "'a' || char(0) || 'b'", "holds NUL", Fix.NUL, "a\\x00b"),
    of_task("filename", "CAST(x'61ff62' AS TEXT)", "no UTF-8: a\\xffb", Fix.NUL, "a\\xffb"),
    of_task("filename", "x'6162'", "is no text", Fix.NUL, "ab"),
    of_task("filename", f"'{'ü' * 256}'", "is longer than 255", Fix.OVERLONG, "ü" * 255),
    of_task("progress_percent", str(2**40), "is beyond 32 bits: 1099511627776", Fix.NUMBERS),
    of_task("attempt", str(2**40), "is beyond 32 bits", Fix.NUMBERS, 0),
    of_task("total_packets", "1e19", "is beyond 64 bits", Fix.NUMBERS),
    of_task("total_packets", "'many'", "is no whole number: many", Fix.NUMBERS),
    of_task("health_score", "9e999", "is no finite number", Fix.NUMBERS),
    of_ann("is_approved", "'false'", "is neither 0 nor 1: false", Fix.BOOLEANS, False),
    of_ann("is_approved", "'yes'", "is neither 0 nor 1: yes", Fix.BOOLEANS, True),
    of_ann("is_approved", "'perhaps'", "is neither 0 nor 1: perhaps", Fix.BOOLEANS, False),
    of_task("analyzed_at", "'2026-02-30'", "is no moment: 2026-02-30", Fix.DATES),
    of_task("analyzed_at", "'2026-02-03 04:05 UTC'", "is no moment", Fix.DATES, datetime(2026, 2, 3, 4, 5, tzinfo=UTC)),
    of_task("analyzed_at", "'1000000000'", "is no moment", Fix.DATES, datetime(2001, 9, 9, 1, 46, 40, tzinfo=UTC)),
    of_ann("created_at", "'yesterday'", "is no moment", Fix.DATES, datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)),
    of_task("waiting_shares", "'[NaN]'", "is no JSON: [NaN]", Fix.JSON, "[null]"),
    of_task("waiting_shares", "'{'", "is no JSON", Fix.JSON),
    of_task("waiting_shares", r"""'["\u0000"]'""", "holds NUL", Fix.NUL, r'["\\x00"]'),
    of_task("waiting_shares", r"""'["\ud800"]'""", "half a character", Fix.NUL, r'["\\ud800"]'),
    of_task("status", "'done'", "is none of", Fix.WORDS, "failed"),
    of_ann("role", "'boss'", "is none of admin, user: boss", Fix.WORDS, "user"),
    of_task("owner_id", f"'{ANN.upper()[:-1]}A'", "is a UUID in another form", Fix.UUIDS),
    of_ann("username", "'BOB'", "BOB by case alone", Fix.CASE, "BOB"),
    Poison(
        "UPDATE password_reset_tokens SET expires_at = '2025-01-01'",
        "password_reset_tokens",
        "expires_at",
        "is not after created_at",
        Fix.DATES,
        datetime(2026, 1, 2, 3, 4, 5, 7, tzinfo=UTC),
    ),
    Poison("UPDATE setup_links SET id = 'first'", "setup_links", "id", "is no UUID: first", None),
    Poison("UPDATE setup_links SET token_hash = NULL", "setup_links", "token_hash", "is empty and must not be", None),
    Poison("UPDATE users SET email = 'bob@example.org' WHERE username = 'ann'", "users", "email", "occurs twice", None),
)


@pytest.fixture
def url(tmp_path: Path) -> SqliteUrl:
    return seeded(tmp_path / "source.db", progress_rows=5)


def spoil(url: SqliteUrl, *statements: str) -> None:
    """As if the schema had neither rules nor unique indexes, which another tool could have dropped."""
    with closing(sqlite3.connect(url.path)) as database, database:
        for index in ("idx_users_email", "idx_users_username"):
            database.execute(f"DROP INDEX {index}")
        database.execute("PRAGMA writable_schema=ON")
        database.execute("UPDATE sqlite_master SET sql = replace(sql, ' NOT NULL', '') WHERE name = 'setup_links'")
    with closing(sqlite3.connect(url.path)) as database, database:
        database.execute("PRAGMA ignore_check_constraints=ON")
        for statement in statements:
            assert database.execute(statement).rowcount == 1


def examined(url: SqliteUrl, *fixes: Fix) -> Preflight:
    with sqlite_stored(url) as stored:
        return examine(CheckedSource(stored, frozenset(fixes)))


def items_of(url: SqliteUrl, table: str, *fixes: Fix) -> list[Item]:
    with sqlite_stored(url) as stored:
        return list(CheckedSource(stored, frozenset(fixes)).items(Base.metadata.tables[table], None))


def values_of(url: SqliteUrl, table: str, column: str, *fixes: Fix) -> list[object]:
    place = list(Base.metadata.tables[table].columns.keys()).index(column)
    return [item.row[place] for item in items_of(url, table, *fixes) if item.row is not None]


def test_of_each_kind_the_first_problems_are_kept_and_all_are_counted(
    url: SqliteUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "KEPT_OF_A_KIND", 2)
    with closing(sqlite3.connect(url.path)) as database, database:
        database.execute(f"UPDATE tasks SET owner_id = '{GONE}'")

    found = examined(url)

    assert (len(found.problems), found.unsolved_count) == (2, len(TASKS))
    assert examined(url, Fix.ORPHANS).fixed == {"orphans": len(TASKS)}


def test_a_sound_source_has_no_problems(url: SqliteUrl) -> None:
    preflight = examined(url)

    assert preflight.problems == ()
    assert preflight.rows["progress_snapshots"] == 5
    assert preflight.files == {"capture_key": 30, "report_key": 30, "report_html_path": 0, "report_json_path": 0}


@pytest.mark.parametrize("poison", POISONS, ids=[poison.name for poison in POISONS])
def test_a_poison_is_named_with_table_key_and_column(url: SqliteUrl, poison: Poison) -> None:
    spoil(url, poison.statement)

    (problem,) = [each for each in examined(url).problems if each.fix is poison.fix and each.column == poison.column]

    assert problem.table == poison.table
    assert poison.said in problem.said
    assert problem.key


MENDED = [poison for poison in POISONS if poison.fix not in (None, Fix.UUIDS)]


@pytest.mark.parametrize("poison", MENDED, ids=[poison.name for poison in MENDED])
def test_a_named_repair_mends_it(url: SqliteUrl, poison: Poison) -> None:
    spoil(url, poison.statement)
    assert poison.fix is not None

    assert examined(url, poison.fix).unsolved == ()
    assert examined(url, poison.fix).fixed == {poison.fix.value: 1}
    assert poison.mended in values_of(url, poison.table, poison.column, poison.fix)


def test_every_problem_is_listed_at_once(url: SqliteUrl) -> None:
    spoil(
        url,
        f"UPDATE tasks SET owner_id = '{GONE}', filename = 'a' || char(0), status = 'done' WHERE task_id = '{TASK}'",
        f"UPDATE users SET is_approved = 'false', username = 'Bob', created_at = 'never' WHERE id = '{ANN}'",
        "UPDATE setup_links SET id = 'first'",
        f"UPDATE progress_snapshots SET task_id = '{GONE}', progress_percent = {2**40} WHERE id = 2",
    )

    found = {(problem.table, problem.column) for problem in examined(url).unsolved}

    assert found == {
        *(("tasks", column) for column in ("owner_id", "filename", "status")),
        *(("users", column) for column in ("is_approved", "username", "created_at")),
        *(("progress_snapshots", column) for column in ("task_id", "progress_percent")),
        ("setup_links", "id"),
    }


def test_what_a_repair_takes_away_is_put_aside(url: SqliteUrl) -> None:
    spoil(url, f"UPDATE tasks SET status = 'done', health_score = 'fine' WHERE task_id = '{TASK}'")

    (item,) = [item for item in items_of(url, "tasks", Fix.WORDS, Fix.NUMBERS) if item.asides]

    assert [json.loads(aside) for aside in item.asides] == [
        {"key": TASK, "column": "status", "value": "done"},
        {"key": TASK, "column": "health_score", "value": "fine"},
    ]


def test_a_row_without_its_parent_is_put_aside_whole(url: SqliteUrl) -> None:
    spoil(url, f"UPDATE progress_snapshots SET task_id = '{GONE}', message = 'a' || char(0) WHERE id = 4")

    (item,) = [item for item in items_of(url, "progress_snapshots", Fix.ORPHANS, Fix.NUL) if item.row is None]
    (aside,) = item.asides

    assert item.key == 4
    assert json.loads(aside)["task_id"] == GONE
    assert json.loads(aside)["message"] == "a\\x00"
    assert json.loads(aside)["id"] == 4


def test_uuids_are_put_right_together_with_what_refers_to_them(url: SqliteUrl) -> None:
    spoil(
        url,
        f"UPDATE users SET id = upper(replace(id, '-', '')), approved_by = NULL WHERE id = '{ANN}'",
        f"UPDATE tasks SET owner_id = '{{{ANN}}}' WHERE task_id = '{TASKS[0]}'",
    )

    assert {problem.fix for problem in examined(url).unsolved} == {Fix.UUIDS, Fix.ORPHANS}
    assert examined(url, Fix.UUIDS).unsolved == ()
    assert values_of(url, "users", "id", Fix.UUIDS) == sorted(values_of(url, "users", "id", Fix.UUIDS), key=str)
    assert ANN in values_of(url, "users", "id", Fix.UUIDS)
    assert values_of(url, "tasks", "owner_id", Fix.UUIDS)[0] == ANN


def test_a_repair_that_was_not_named_stops_the_reading(url: SqliteUrl) -> None:
    spoil(url, f"UPDATE tasks SET status = 'done' WHERE task_id = '{TASK}'")

    with pytest.raises(Conflict, match="--fix words"):
        items_of(url, "tasks", Fix.NUL)


def test_secrets_are_not_shown(url: SqliteUrl) -> None:
    spoil(url, f"UPDATE users SET hashed_password = 'open sesame' || char(0) WHERE id = '{ANN}'")

    (problem,) = examined(url).unsolved

    assert problem == Problem("users", ANN, "hashed_password", "holds NUL or bytes that are no UTF-8", Fix.NUL)


def test_moments_of_every_readable_form_are_the_same_moment(url: SqliteUrl) -> None:
    spoil(
        url,
        f"UPDATE tasks SET uploaded_at = '2026-01-02 03:04:05.000006' WHERE task_id = '{TASKS[2]}'",
        f"UPDATE tasks SET uploaded_at = '2026-01-02T05:04:05.000006+02:00' WHERE task_id = '{TASKS[3]}'",
        f"UPDATE tasks SET uploaded_at = '2026-01-02T03:04:05.000006Z' WHERE task_id = '{TASKS[4]}'",
    )

    assert set(values_of(url, "tasks", "uploaded_at")) == {datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)}


def test_nobody_writes_while_the_source_is_read(url: SqliteUrl) -> None:
    with (
        sqlite_stored(url),
        closing(sqlite3.connect(url.path, timeout=0)) as other,
        pytest.raises(sqlite3.OperationalError),
    ):
        other.execute("DELETE FROM sessions")


def test_another_state_of_the_source_has_another_fingerprint(url: SqliteUrl) -> None:
    def fingerprint(*fixes: Fix) -> str:
        with sqlite_stored(url) as stored:
            return CheckedSource(stored, frozenset(fixes)).fingerprint

    before = fingerprint()
    assert fingerprint() == before
    assert fingerprint(Fix.NUL) != before
    with closing(sqlite3.connect(url.path)) as database, database:
        database.execute("UPDATE users SET email = 'other@example.org' WHERE username = 'ann'")
    assert fingerprint() != before
