"""Which SQLite schemas of earlier releases are known, although no revision describes them.

Earlier releases made their tables by themselves, in three ages, and some databases are stamped with a revision that
was applied by half, or with none. All of them hold a part of today's columns: what may be missing is said here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pcap_analyzer.errors import UnknownSchema
from pcap_analyzer.store.chain import columns_at, revisions
from pcap_analyzer.store.models import Base

Columns = Mapping[str, frozenset[str]]

#: Of a database that carries no alembic_version.
NEEDED_TABLES = ("users", "tasks", "progress_snapshots")
#: Added by later releases of the application, or by a revision that was applied by half.
ADDED: Columns = {
    "users": frozenset(
        ("is_approved", "approved_by", "approved_at", "password_must_change", "is_2fa_enabled", "totp_secret",
         "backup_codes", "registration_reason", "rejected_by", "rejected_at", "rejection_reason")
    ),
    "tasks": frozenset(
        ("owner_id", "attempt", "interruptions", "capture_key", "report_key", "capture_duration_s", "verdict_cause",
         "verdict_severity", "verdict_headline", "verdict_sentence", "waiting_shares")
    ),
    "progress_snapshots": frozenset(("bytes_done", "bytes_total", "bytes_per_s")),
    "sessions": frozenset(("wrote_at",)),
}  # fmt: skip


@dataclass(frozen=True)
class Schema:
    """What a file holds."""

    columns: Columns  # by table, without alembic_version
    versions: tuple[str, ...] | None  # the rows of alembic_version; None where there is no such table
    numbered: frozenset[str]  # the tables whose key is SQLite's own number of a row

    @property
    def revision(self) -> str | None:
        """With which revision it is stamped; None without one, or with several at once."""
        return self.versions[0] if self.versions is not None and len(self.versions) == 1 else None


class Kind(StrEnum):
    """What is to be done with a file."""

    NEW = "new"  # build it
    STAMPED = "stamped"  # upgrade it in place; a revision that nobody here knows is refused elsewhere
    ADOPTABLE = "adoptable"  # copy its rows into a new one


def recognise(schema: Schema, name: str) -> Kind:
    """What a SQLite file called `name` is; raises UnknownSchema, with the difference, for anything else."""
    if not schema.columns:
        return Kind.NEW
    if schema.revision is not None and (schema.revision not in revisions() or _fits(schema.columns, schema.revision)):
        return Kind.STAMPED
    strange = difference(schema)
    if strange:
        stamp = "names no revision" if schema.revision is None else f"is not what revision {schema.revision} makes"
        raise UnknownSchema(
            f"{name} {stamp}, and it is of no earlier release either: {'; '.join(strange)}. It is left as it is. "
            "Move it away, or set DATABASE_URL to another database."
        )
    return Kind.ADOPTABLE


def _fits(found: Columns, revision: str) -> bool:
    """Whether a revision was applied as a whole and no later one in part; what people added themselves may stay."""
    expected = columns_at(revision)
    whole = all(columns <= found.get(table, frozenset()) for table, columns in expected.items())
    later = any(
        found.get(table.name, frozenset()) & {column.name for column in table.columns} - expected.get(table.name, set())
        for table in Base.metadata.sorted_tables
    )
    return whole and not later


def difference(schema: Schema) -> tuple[str, ...]:
    """What no earlier release had, and what each of them had: a phrase for each table; () where all is known."""
    known = {table.name: table for table in Base.metadata.sorted_tables}
    phrases = [f"strange table {name}" for name in sorted(schema.columns.keys() - known.keys())]
    if schema.versions is None:
        phrases += [f"missing table {name}" for name in NEEDED_TABLES if name not in schema.columns]
    for name in sorted(schema.columns.keys() & known.keys()):
        expected = frozenset(column.name for column in known[name].columns)
        extra = sorted(schema.columns[name] - expected)
        missing = sorted(expected - schema.columns[name] - ADDED.get(name, frozenset()))
        (key,) = known[name].primary_key.columns
        if extra:
            phrases.append(f"strange in {name}: {', '.join(extra)}")
        if missing:
            phrases.append(f"missing in {name}: {', '.join(missing)}")
        elif key.autoincrement is True and name not in schema.numbered:
            phrases.append(f"{name}.{key.name} is no INTEGER PRIMARY KEY")
    return tuple(phrases)
