"""Statements mean the same in both dialects, and the indexes made for them are in use."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from pcap_analyzer.store import listing, users
from pcap_analyzer.store.listing import Search
from pcap_analyzer.store.models import User
from pcap_analyzer.store.session import AsyncSession, Database, open_database
from pcap_analyzer.store.urls import DatabaseUrls
from tests.many_tasks import Crowd, fill

TASKS = 4_000


def test_one_statement_has_the_placeholders_of_either_dialect() -> None:
    statement = select(User.id).where(User.username == "ann", User.is_approved.is_(True))

    on_sqlite = str(statement.compile(dialect=sqlite.dialect()))
    on_postgresql = str(statement.compile(dialect=postgresql.asyncpg.dialect()))  # type: ignore[no-untyped-call]

    assert "users.username = ?" in on_sqlite
    assert "users.is_approved IS 1" in on_sqlite
    assert "users.username = $1" in on_postgresql
    assert "users.is_approved IS true" in on_postgresql


@pytest.fixture
async def crowded(database_urls: DatabaseUrls) -> AsyncIterator[tuple[Database, Crowd]]:
    crowd = await fill(database_urls, tasks=TASKS, pending=3)
    database = open_database(database_urls)
    yield database, crowd
    await database.close()


async def plans(session: AsyncSession, query: object) -> str:
    """How the database would answer each statement of a query function, in its own words."""
    asked: list[tuple[str, object]] = []

    def note(_connection: Connection, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        asked.append((statement, parameters))

    engine = session.get_bind()
    event.listen(engine, "before_cursor_execute", note)
    try:
        await query  # type: ignore[misc]
    finally:
        event.remove(engine, "before_cursor_execute", note)
    connection = await session.connection()
    explain = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
    found = []
    for statement, parameters in asked:
        rows = await connection.exec_driver_sql(f"{explain} {statement}", parameters)  # type: ignore[arg-type]
        found += [str(row[-1]) for row in rows]
    return "\n".join(found)


async def prefer_indexes(session: AsyncSession) -> None:
    """PostgreSQL reads small tables whole and sorts few rows, whatever indexes there are."""
    if session.get_bind().dialect.name == "postgresql":
        for kind in ("seqscan", "bitmapscan", "sort", "incremental_sort"):
            await session.execute(text(f"SET LOCAL enable_{kind} = off"))


async def test_lists_follow_the_index_of_their_order(crowded: tuple[Database, Crowd]) -> None:
    database, crowd = crowded
    async with database.reading() as session:
        await prefer_indexes(session)
        mine = await plans(session, listing.finished(session, crowd.many, Search()))
        all_of_them = await plans(session, listing.finished(session, crowd.admin, Search()))

    assert "idx_tasks_owner_uploaded" in mine
    assert "idx_uploaded_at" in all_of_them


async def test_what_runs_or_waits_is_found_by_its_status(crowded: tuple[Database, Crowd]) -> None:
    database, crowd = crowded
    async with database.reading() as session:
        for viewer in (crowd.many, crowd.admin):
            plan = await plans(session, listing.active(session, viewer))
            assert "idx_status" in plan or "idx_tasks_active" in plan
            assert "idx_tasks_owner" not in plan
        waiting = await plans(session, listing.queue(session))
    assert "idx_status" in waiting or "idx_tasks_active" in waiting


async def test_a_login_as_it_is_written_follows_both_unique_indexes(crowded: tuple[Database, Crowd]) -> None:
    database, _ = crowded
    async with database.reading() as session:
        if session.get_bind().dialect.name == "postgresql":
            await session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = await plans(session, users.by_login(session, "nobody"))

    assert "idx_users_username" in plan
    assert "idx_users_email" in plan


async def test_a_list_that_is_longer_than_is_counted_says_so(
    crowded: tuple[Database, Crowd], monkeypatch: pytest.MonkeyPatch
) -> None:
    database, crowd = crowded
    async with database.reading() as session:
        monkeypatch.setattr(listing, "COUNTED_AHEAD", TASKS)
        whole = await listing.finished(session, crowd.admin, Search())
        monkeypatch.setattr(listing, "COUNTED_AHEAD", 100)
        cut = await listing.finished(session, crowd.admin, Search())
        found = await listing.finished(session, crowd.admin, Search(text="capture"))

    assert (whole.total, whole.exact) == (TASKS - 34, True)
    assert (cut.total, cut.exact) == (25 + 100 - 34, False)
    assert (found.total, found.exact) == (25 + 100, False)
