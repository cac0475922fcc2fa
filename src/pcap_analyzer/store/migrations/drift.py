"""What the models say about one database: indexes that only PostgreSQL has are no difference on SQLite."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData, text

from pcap_analyzer.store.models import NAMING_CONVENTION, ONLY_ON_POSTGRESQL, TRIGRAM_INDEX, Base


def models_for(connection: Connection) -> MetaData:
    """A copy of the models' tables with the indexes that this database can have."""
    absent = _absent_on(connection)
    models = MetaData(naming_convention=NAMING_CONVENTION)
    for table in Base.metadata.sorted_tables:
        copied = table.to_metadata(models)
        copied.indexes.difference_update([index for index in copied.indexes if index.name in absent])
    return models


def _absent_on(connection: Connection) -> frozenset[str]:
    if connection.dialect.name != "postgresql":
        return frozenset(ONLY_ON_POSTGRESQL)
    return frozenset() if has_trigrams(connection) else frozenset({TRIGRAM_INDEX})


def has_trigrams(connection: Connection) -> bool:
    """Whether the extension pg_trgm is installed in this database; the connection is in no transaction afterwards."""
    found = connection.scalar(text("SELECT count(*) FROM pg_extension WHERE extname = 'pg_trgm'"))
    connection.rollback()
    return bool(found)


def differences(connection: Connection) -> list[str]:
    """What the models say and the database has not, or the other way round; empty when there is nothing."""
    context = MigrationContext.configure(connection)
    return [str(difference) for difference in compare_metadata(context, models_for(connection))]
