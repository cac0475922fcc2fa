"""The audit log, which only grows, the outbox, checkpoints of a copy, and when the user of a session last wrote."""

import sqlalchemy as sa
from alembic import op

from pcap_analyzer.store.migrations.table_locks import take_locks
from pcap_analyzer.store.types import SafeJson, UtcDateTime, UuidText

revision = "a41f6c0d92b7"
down_revision = "7d3a91c4e8f0"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
REFUSE_ON_SQLITE = (
    "CREATE TRIGGER audit_log_refuses_{verb} BEFORE {verb} ON audit_log "
    "BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END"
)
REFUSE_ON_POSTGRESQL = (
    "CREATE FUNCTION audit_log_only_grows() RETURNS trigger LANGUAGE plpgsql AS "
    "$$BEGIN RAISE EXCEPTION 'the audit log only grows' USING ERRCODE = 'insufficient_privilege'; END$$",
    "CREATE TRIGGER audit_log_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log "
    "FOR EACH STATEMENT EXECUTE FUNCTION audit_log_only_grows()",
)


def upgrade() -> None:
    take_locks("users", "sessions")
    _create_audit_log()
    _create_outbox()
    op.create_table(
        "copy_checkpoints",
        sa.Column("table_name", sa.String(64), primary_key=True),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("last_key", sa.Text(), nullable=True),
        sa.Column("rows_copied", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
    )
    op.add_column("sessions", sa.Column("wrote_at", UtcDateTime(), nullable=True))
    if op.get_context().dialect.name == "postgresql":
        # The column became 64 bits wide before; its sequence would still end at 2^31.
        op.execute("ALTER SEQUENCE progress_snapshots_id_seq AS bigint")


def _create_audit_log() -> None:
    op.create_table(
        "audit_log",
        sa.Column("id", KEY, primary_key=True),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("action", sa.String(50), nullable=False),
        sa.Column("actor_id", UuidText(), nullable=True),
        sa.Column("actor_name", sa.String(50), nullable=False),
        sa.Column("subject_id", UuidText(), nullable=True),
        sa.Column("subject_name", sa.String(255), nullable=True),
        sa.Column("details", SafeJson(), nullable=True),
        sqlite_autoincrement=True,
    )
    if op.get_context().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(REFUSE_ON_SQLITE.format(verb=verb))
    else:
        for statement in REFUSE_ON_POSTGRESQL:
            op.execute(statement)
    op.create_index("idx_audit_log_at", "audit_log", ["at"])


def _create_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", KEY, primary_key=True),
        sa.Column("kind", sa.String(50), nullable=False),
        sa.Column("recipient_id", UuidText(), nullable=False),
        sa.Column("content", SafeJson(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("sent_at", UtcDateTime(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["recipient_id"], ["users.id"], name="fk_outbox_recipient_id", ondelete="CASCADE"),
        sqlite_autoincrement=True,
    )
    unsent = sa.text("sent_at IS NULL")
    op.create_index("idx_outbox_unsent", "outbox", ["id"], sqlite_where=unsent, postgresql_where=unsent)
    op.create_index("idx_outbox_recipient_id", "outbox", ["recipient_id"])


def downgrade() -> None:
    take_locks("users", "sessions")
    op.drop_column("sessions", "wrote_at")
    for table in ("copy_checkpoints", "outbox", "audit_log"):
        op.drop_table(table)
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_log_only_grows()")
