"""Checks a database: is it reachable, at head, as the models say, and sound inside?"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Index, inspect, text
from sqlalchemy.exc import DBAPIError, SAWarning
from sqlalchemy.schema import CreateIndex

from pcap_analyzer.errors import AppError
from pcap_analyzer.store.chain import head
from pcap_analyzer.store.connections import service_connection, tool_connection
from pcap_analyzer.store.engines import EngineOptions
from pcap_analyzer.store.facts import replica_facts
from pcap_analyzer.store.migrations.drift import models_for
from pcap_analyzer.store.neighbours import refuse_two_databases
from pcap_analyzer.store.replica import LAG_LIMIT_S
from pcap_analyzer.store.standing import revision_advice, standing, write_protection
from pcap_analyzer.store.urls import DatabaseUrls, PostgresUrl, SqliteUrl
from pcap_analyzer.store.verify import postgres, sqlite
from pcap_analyzer.store.verify.check import Check, Status, failure, some, warning, well

VERSIONS = "alembic_version"
NOTHING_ELSE = "What depends on it was not checked."


@dataclass(frozen=True)
class Report:
    checks: tuple[Check, ...]
    usable: bool  # at head and with all columns, so that this release can read its rows


NOT_LOOKED_AT = Report((), usable=False)


async def verify_database(urls: DatabaseUrls, options: EngineOptions, *, deep: bool, processes: int) -> Report:
    """All checks of the database itself; what cannot be asked is a failed check, never an exception.

    `deep` reads every page of a SQLite file; `processes` is how many of the service shall share a PostgreSQL server.
    """
    if isinstance(urls.main, SqliteUrl):
        return await _sqlite(urls.main, options, deep=deep)
    return await _postgres(urls.main, urls, options, processes)


async def _sqlite(url: SqliteUrl, options: EngineOptions, *, deep: bool) -> Report:
    try:
        stands = standing(url.path)
        if not stands.exists:
            return _unreachable(f"{stands.advice} Or set DATABASE_URL to where it is.")
        if stands.advice is not None:  # a connection of the service would change the file
            return Report((_reached(url.shown), failure("revision", f"{stands.advice} {NOTHING_ELSE}")), usable=False)
        if (protected := write_protection(url.path)) is not None:
            return Report((_reached(url.shown), failure("writable", protected)), usable=False)
        async with service_connection(url, options) as connection:
            sound = await connection.run_sync(lambda sync: tuple(sqlite.checks(sync, deep=deep)))
            schema = await connection.run_sync(_schema)
            rows = await connection.run_sync(sqlite.rows) if schema.usable else well("rows", "They were not read.")
    except (AppError, DBAPIError) as error:
        return _unreachable(str(error.orig) if isinstance(error, DBAPIError) else str(error))
    checks = (_reached(url.shown), _revision_check(stands.revision), *sound, *schema.checks, rows)
    return Report(checks, usable=schema.usable and rows.status is Status.OK)


async def _postgres(url: PostgresUrl, urls: DatabaseUrls, options: EngineOptions, processes: int) -> Report:
    try:
        await refuse_two_databases(urls, options, patient=True)
        async with service_connection(url, options) as connection:
            revision = await connection.run_sync(_revision)
            ready = revision == head()
            rights = await connection.run_sync(postgres.rights) if ready else ()
        async with tool_connection(urls.direct, "verify") as connection:
            inside = await connection.run_sync(lambda sync: tuple(postgres.checks(sync, upgraded=ready)))
            schema = await connection.run_sync(_schema) if ready else NOT_LOOKED_AT
            holder = urls.direct if options.pgbouncer else url
            user = holder.user if isinstance(holder, PostgresUrl) else None
            budget = await connection.run_sync(postgres.budget, user, options, processes)
    except (AppError, DBAPIError) as error:
        return _unreachable(str(error.orig) if isinstance(error, DBAPIError) else str(error))
    checks = (
        _reached(url.shown),
        _revision_check(revision),
        *schema.checks,
        *inside,
        *rights,
        budget,
        *_encryption(urls),
    )
    return Report((*checks, *await _replica(url, urls, options)), usable=schema.usable)


def _reached(shown: str) -> Check:
    return well("reachable", f"{shown} answers.")


def _unreachable(sentence: str) -> Report:
    return Report((failure("reachable", sentence),), usable=False)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSIONS):
        return None
    found = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return None if found is None else str(found)


def _revision_check(revision: str | None) -> Check:
    advice = revision_advice(revision)
    if advice is None:
        return well("revision", f"{revision}, the newest.")
    return failure("revision", f"{advice} {NOTHING_ELSE}")


def _schema(connection: Connection) -> Report:
    """Where the models and the database differ, missing indexes apart because they can be made at any time."""
    # Any: Alembic's differences are tuples of many shapes, or lists of them.
    with warnings.catch_warnings():
        # Constraints that are NOT VALID are read back with options that SQLAlchemy itself then does not know.
        warnings.simplefilter("ignore", SAWarning)
        found: list[Any] = compare_metadata(MigrationContext.configure(connection), models_for(connection))
    missing = [difference[1] for difference in found if difference[0] == "add_index"]
    others = [words for difference in found if difference[0] != "add_index" for words in _words(difference)]
    connection.rollback()
    lacking = any(difference[0] in ("add_table", "add_column") for difference in found)
    return Report((_indexes(connection, missing), _drift(others)), usable=not lacking)


def _indexes(connection: Connection, missing: list[Index]) -> Check:
    if not missing:
        return well("missing indexes", "Every index is there.")
    for index in missing:  # copies of the models' own
        index.dialect_options["postgresql"]["concurrently"] = True
    names = some(sorted(str(index.name) for index in missing))
    statements = "; ".join(
        " ".join(str(CreateIndex(index).compile(dialect=connection.dialect)).split()) for index in missing
    )
    return failure(
        "missing indexes",
        f"Missing: {names}. Queries are slow without; make them: {statements};",
    )


def _drift(differences: list[str]) -> Check:
    if not differences:
        return well("schema", "Tables and columns are as this release knows them.")
    return failure(
        "schema",
        f"The schema differs from what this release knows: {some(differences)}. Somebody changed it by hand: change it "
        "back, or restore a backup; `alembic check` lists the differences.",
    )


def _words(difference: Any) -> Iterator[str]:  # Any: see `_schema`
    if isinstance(difference, list):
        for part in difference:
            yield from _words(part)
        return
    kind, *rest = difference
    names = [str(getattr(part, "name", part)) for part in rest[:3] if part is not None]
    yield " ".join([str(kind).replace("_", " "), *names])


def _encryption(urls: DatabaseUrls) -> Iterator[Check]:
    found = [
        url.warning
        for url in dict.fromkeys((urls.main, urls.direct, urls.replica))
        if isinstance(url, PostgresUrl) and url.warning
    ]
    if found:
        yield warning("encryption", " ".join(dict.fromkeys(found)))
    else:
        yield well("encryption", "No connection leaves this machine without a verified certificate.")


async def _replica(url: PostgresUrl, urls: DatabaseUrls, options: EngineOptions) -> Iterable[Check]:
    if urls.replica is None:
        return ()
    found = await replica_facts(urls.replica, url, options)
    if found.problem is not None:
        return (warning("replica", f"{found.problem} Until it keeps up the primary answers everything."),)
    if found.lag_s is not None and found.lag_s > LAG_LIMIT_S:
        return (warning("replica", f"The replica is {found.lag_s:.1f} s behind: until then the primary answers."),)
    return (well("replica", f"{found.lag_s:.1f} s behind."),)
