"""`pcap-analyzer db info`: which database is used, and how."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from pcap_analyzer import settings
from pcap_analyzer.cli import guide, outputs
from pcap_analyzer.report.format import count, data_size
from pcap_analyzer.report.layout import Look, Page, Span

if TYPE_CHECKING:
    from pcap_analyzer.store.adoption.history import Adoption
    from pcap_analyzer.store.facts import DatabaseFacts, PostgresFacts, ReplicaFacts, SqliteFacts

STRONG, QUIET = "bold", "dim"
LABEL_CELLS = 20
LARGEST_TABLES = 12


@click.command(cls=guide.Command, context_settings=guide.SETTINGS)
@click.option("--json", "as_json", is_flag=True, help="Write all of it as JSON; what is not known is null.")
def info(as_json: bool) -> None:
    """Say which database the settings name and what a connection of the service to it is like.

    Passwords are not shown. Nothing is changed: a SQLite file that is not there yet is not made.

    \b
      pcap-analyzer db info
      pcap-analyzer db info --json | jq .revision
    """
    from pcap_analyzer.store.facts import facts  # noqa: PLC0415 - help must not pay for it

    loaded = settings.load()
    found = asyncio.run(facts(loaded.database_urls(), loaded.engine_options()))
    if as_json:
        outputs.write_standard_output(json.dumps(asdict(found), indent=2) + "\n")
        return
    page = Page(Look.of(outputs.standard_output()))
    _show(page, found)
    outputs.write_standard_output(page.text())


def _show(page: Page, found: DatabaseFacts) -> None:
    page.blank()
    for label, value in _lines(found):
        page.hanging((Span(f"{label:<{LABEL_CELLS}}", STRONG),), value)
    if found.postgresql is not None and found.postgresql.tables:
        page.blank()
        _tables(page, found.postgresql)
    for warning in found.warnings:
        page.blank()
        page.hanging((Span("! ", STRONG),), warning)
    page.blank()


def _lines(found: DatabaseFacts) -> Iterator[tuple[str, str]]:
    kind = "SQLite" if found.sqlite is not None else "PostgreSQL"
    version = found.sqlite.version if found.sqlite is not None else ""
    if found.postgresql is not None:
        version = found.postgresql.version
    yield "Database", f"{kind} {version}"
    yield "URL", found.url
    agreement = "the newest" if found.at_head else f"this release needs {found.head}"
    yield "Revision", f"{found.revision or 'none'}, {agreement}"
    if found.sqlite is not None:
        yield from _sqlite(found.sqlite)
    if found.postgresql is not None:
        yield from _postgres(found.postgresql)


def _sqlite(found: SqliteFacts) -> Iterator[tuple[str, str]]:
    yield "Size", "no file yet" if found.size_bytes is None else data_size(found.size_bytes)
    yield "Journal", f"{found.journal_mode}: {found.journal_reason}"
    yield "Foreign keys", "on" if found.foreign_keys else "off"
    yield "Waits for a lock", f"{found.busy_timeout_ms} ms (busy_timeout)"
    yield "Synchronous", found.synchronous
    if found.adopted is not None:
        yield "Adopted", _adopted(found.adopted)


def _adopted(found: Adoption) -> str:
    said = f"{count(found.rows)} rows of an earlier release, on {found.at[:10]}"
    if found.old_file is None:
        return f"{said}; the old file has been taken away"
    secrets = f" and holds two-factor secrets in clear text ({count(found.clear_secrets)})" * bool(found.clear_secrets)
    return f"{said}; the old file lies in {found.old_file}{secrets}"


def _postgres(found: PostgresFacts) -> Iterator[tuple[str, str]]:
    yield "Role", f"{found.role}, in database {found.database}"
    yield "Upgrades through", found.direct_url
    encrypted = "not known" if found.encrypted is None else "no"
    yield "Encrypted", f"{found.encryption if found.encrypted else encrypted} (sslmode {found.ssl_mode})"
    pool = f"{found.pool_size}, and {found.max_overflow} more under load, for each process"
    yield (
        "Connections",
        f"{'PgBouncer keeps them' if found.pgbouncer else pool}; the server has {found.max_connections}",
    )
    yield "Statements end", f"after {found.statement_timeout} (statement_timeout)"
    yield "Waits for a lock", f"{found.lock_timeout} (lock_timeout)"
    yield "Idle transactions", f"end after {found.idle_in_transaction_session_timeout}"
    yield "Replica", "none" if found.replica is None else _replica(found.replica)


def _replica(found: ReplicaFacts) -> str:
    if found.problem is not None:
        return f"{found.url}: see below"
    return f"{found.url}, {found.lag_s:.1f} s and {count(found.lag_bytes)} bytes behind"


def _tables(page: Page, found: PostgresFacts) -> None:
    page.line(Span("Largest tables", STRONG), Span("  about so many rows, size with indexes", QUIET))
    for table in found.tables[:LARGEST_TABLES]:
        rows = "not counted" if table.rows is None else count(table.rows)
        page.line(Span(f"{table.name:<24}{rows:>14}{data_size(table.bytes):>12}"), indent=4)
