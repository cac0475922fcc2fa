"""Which differences between the models and a database count: PostgreSQL's own indexes are no drift on SQLite."""

from __future__ import annotations

from collections.abc import Callable

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Index, text
from sqlalchemy.sql.schema import SchemaItem

from pcap_analyzer.store.models import ONLY_ON_POSTGRESQL, TRIGRAM_INDEX, Base

Compared = Callable[[SchemaItem, str | None, str, bool, SchemaItem | None], bool]


def is_compared(connection: Connection) -> Compared:
    """Alembic's `include_object` for this database."""
    absent = _absent_here(connection)

    def compared(item: SchemaItem, name: str | None, _kind: str, reflected: bool, _other: SchemaItem | None) -> bool:
        return reflected or not (isinstance(item, Index) and name in absent)

    return compared


def _absent_here(connection: Connection) -> frozenset[str]:
    if connection.dialect.name != "postgresql":
        return frozenset(ONLY_ON_POSTGRESQL)
    return frozenset() if has_trigrams(connection) else frozenset({TRIGRAM_INDEX})


def has_trigrams(connection: Connection) -> bool:
    """Whether the extension pg_trgm is installed in this database."""
    found = connection.scalar(text("SELECT count(*) FROM pg_extension WHERE extname = 'pg_trgm'"))
    connection.rollback()  # Alembic begins its own transactions
    return bool(found)


def differences(connection: Connection) -> list[str]:
    """What the models say and the database has not, or the other way round; empty when there is nothing."""
    options = {"include_object": is_compared(connection), "target_metadata": Base.metadata}
    context = MigrationContext.configure(connection, opts=options)
    return [str(difference) for difference in compare_metadata(context, Base.metadata)]
