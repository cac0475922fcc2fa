"""Indexes for the lists, the queue and the search of tasks, and for logins however they are capitalised.

There is none on (owner_id, created_at): every list is sorted by uploaded_at, and only that one is ever asked for.
"""

from alembic import op
from sqlalchemy import text

from pcap_analyzer.store.migrations.indexes import build_index, make_trigrams, remove_index

revision = "c5e8b1f30a64"
down_revision = "a41f6c0d92b7"
branch_labels = None
depends_on = None

TRIGRAMS = [text(f"lower({column}) gin_trgm_ops") for column in ("filename", "verdict_headline", "verdict_sentence")]


def upgrade() -> None:
    build_index("idx_tasks_owner_uploaded", "tasks", ["owner_id", "uploaded_at", "task_id"])
    if op.get_context().dialect.name != "postgresql":
        return
    waiting = text("status IN ('pending', 'processing')")
    build_index("idx_tasks_active", "tasks", ["status", "uploaded_at", "task_id"], postgresql_where=waiting)
    build_index("idx_audit_log_at_brin", "audit_log", ["at"], postgresql_using="brin")
    for column in ("username", "email"):
        build_index(f"idx_users_{column}_lower", "users", [text(f"lower({column})")])
    if make_trigrams():
        build_index("idx_tasks_search_trigrams", "tasks", TRIGRAMS, postgresql_using="gin")


def downgrade() -> None:
    """The extension stays: it may be of use to others."""
    remove_index("idx_tasks_owner_uploaded", "tasks")
    if op.get_context().dialect.name == "postgresql":
        remove_index("idx_tasks_search_trigrams", "tasks")
        for column in ("email", "username"):
            remove_index(f"idx_users_{column}_lower", "users")
        remove_index("idx_audit_log_at_brin", "audit_log")
        remove_index("idx_tasks_active", "tasks")
