"""The Alembic chain: one line of revisions for SQLite and PostgreSQL."""
