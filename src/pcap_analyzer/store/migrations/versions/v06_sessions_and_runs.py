"""Sessions, setup links, what a run of a task needs, foreign keys on SQLite too, 64-bit packet counts.

SQLite databases of earlier revisions never enforced a foreign key and wrote moments in several forms: a task whose
owner is gone gets no owner, any other row without its parent moves to adopted_orphans, moments get the one form that
sorts. PostgreSQL enforced its keys all along.
"""

import json
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.sql.naming import conv

from pcap_analyzer.store.types import SafeJson, UtcDateTime, UuidText, utc_text

revision = "7d3a91c4e8f0"
down_revision = "dcd3f75e61c2"
branch_labels = None
depends_on = None

STATUS_CHECK = "status IN ('pending', 'processing', 'completed', 'failed', 'cancelled', 'expired')"
MOMENTS = {
    "users": ("approved_at", "created_at", "last_login"),
    "tasks": ("uploaded_at", "analyzed_at", "created_at", "last_heartbeat"),
    "progress_snapshots": ("timestamp",),
    "password_history": ("created_at",),
    "password_reset_tokens": ("created_at", "expires_at", "used_at"),
}
CHILDREN = (
    ("progress_snapshots", "task_id", "tasks", "task_id"),
    ("password_history", "user_id", "users", "id"),
    ("password_reset_tokens", "user_id", "users", "id"),
)


def upgrade() -> None:
    _create_sessions()
    _create_setup_links()
    op.create_table(
        "adopted_orphans",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("table_name", sa.String(64), nullable=False),
        sa.Column("row_json", SafeJson(), nullable=False),
        sa.Column("adopted_at", UtcDateTime(), nullable=False),
        sqlite_autoincrement=True,
    )
    sqlite = op.get_context().dialect.name == "sqlite"
    if sqlite:
        _adopt_orphans(op.get_bind())
        _unify_moments(op.get_bind())
    _extend_users(sqlite=sqlite)
    _extend_tasks(sqlite=sqlite)
    _extend_progress_snapshots(sqlite=sqlite)
    if sqlite:
        with op.batch_alter_table("password_history") as batch:
            batch.create_foreign_key("fk_password_history_user_id", "users", ["user_id"], ["id"], ondelete="CASCADE")


def _create_sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", UuidText(), primary_key=True),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("user_id", UuidText(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("last_seen_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_sessions_user_id", ondelete="CASCADE"),
    )
    op.create_index("idx_sessions_token_hash", "sessions", ["token_hash"], unique=True)
    op.create_index("idx_sessions_user_id", "sessions", ["user_id"])


def _create_setup_links() -> None:
    op.create_table(
        "setup_links",
        sa.Column("id", UuidText(), primary_key=True),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
    )
    op.create_index("idx_setup_links_token_hash", "setup_links", ["token_hash"], unique=True)


def _adopt_orphans(bind: sa.Connection) -> None:
    bind.exec_driver_sql("UPDATE tasks SET owner_id = NULL WHERE owner_id NOT IN (SELECT id FROM users)")
    bind.exec_driver_sql("UPDATE users SET approved_by = NULL WHERE approved_by NOT IN (SELECT id FROM users)")
    now = utc_text(datetime.now(UTC))
    for table, column, parent, key in CHILDREN:
        # The names are those of CHILDREN above, never input.
        orphaned = f"{column} NOT IN (SELECT {key} FROM {parent})"  # noqa: S608
        rows = bind.exec_driver_sql(f"SELECT * FROM {table} WHERE {orphaned}").mappings().all()  # noqa: S608
        for row in rows:
            bind.exec_driver_sql(
                "INSERT INTO adopted_orphans (table_name, row_json, adopted_at) VALUES (?, ?, ?)",
                (table, json.dumps(dict(row), default=str), now),
            )
        bind.exec_driver_sql(f"DELETE FROM {table} WHERE {orphaned}")  # noqa: S608


def _unify_moments(bind: sa.Connection) -> None:
    for table, columns in MOMENTS.items():
        for column in columns:
            distinct = bind.exec_driver_sql(f"SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL")  # noqa: S608
            changes = [(new, old) for (old,) in distinct.all() if (new := _moment(old)) != old]
            if changes:
                bind.exec_driver_sql(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", changes)  # noqa: S608


def _moment(value: Any) -> Any:
    """The sortable form of a stored moment; what is no moment stays as it is, for people to see."""
    try:
        return utc_text(datetime.fromisoformat(value))
    except (TypeError, ValueError):
        return value


def _extend_users(*, sqlite: bool) -> None:
    with op.batch_alter_table("users") as batch:
        batch.add_column(sa.Column("registration_reason", sa.Text(), nullable=True))
        batch.add_column(sa.Column("rejected_by", UuidText(), nullable=True))
        batch.add_column(sa.Column("rejected_at", UtcDateTime(), nullable=True))
        batch.add_column(sa.Column("rejection_reason", sa.Text(), nullable=True))
        batch.create_foreign_key("fk_users_rejected_by", "users", ["rejected_by"], ["id"], ondelete="SET NULL")
        if sqlite:
            batch.create_foreign_key("fk_users_approved_by", "users", ["approved_by"], ["id"], ondelete="SET NULL")


def _extend_tasks(*, sqlite: bool) -> None:
    with op.batch_alter_table("tasks") as batch:
        batch.alter_column("total_packets", existing_type=sa.Integer(), type_=sa.BigInteger())
        batch.add_column(sa.Column("attempt", sa.Integer(), nullable=False, server_default="0"))
        batch.add_column(sa.Column("interruptions", sa.Integer(), nullable=False, server_default="0"))
        batch.add_column(sa.Column("capture_key", sa.String(255), nullable=True))
        batch.add_column(sa.Column("report_key", sa.String(255), nullable=True))
        batch.add_column(sa.Column("capture_duration_s", sa.Float(), nullable=True))
        batch.add_column(sa.Column("verdict_cause", sa.String(50), nullable=True))
        batch.add_column(sa.Column("verdict_severity", sa.String(20), nullable=True))
        batch.add_column(sa.Column("verdict_headline", sa.Text(), nullable=True))
        batch.add_column(sa.Column("verdict_sentence", sa.Text(), nullable=True))
        batch.add_column(sa.Column("waiting_shares", SafeJson(), nullable=True))
        batch.create_check_constraint("status", STATUS_CHECK)
        if sqlite:
            batch.create_foreign_key("fk_tasks_owner_id", "users", ["owner_id"], ["id"], ondelete="CASCADE")


def _extend_progress_snapshots(*, sqlite: bool) -> None:
    with op.batch_alter_table("progress_snapshots", table_kwargs={"sqlite_autoincrement": True}) as batch:
        if not sqlite:  # there every INTEGER has 64 bits already
            batch.alter_column("id", existing_type=sa.Integer(), type_=sa.BigInteger())
        for column in ("packets_processed", "total_packets"):
            batch.alter_column(column, existing_type=sa.Integer(), type_=sa.BigInteger())
        for column in ("bytes_done", "bytes_total", "bytes_per_s"):
            batch.add_column(sa.Column(column, sa.BigInteger(), nullable=True))
        if sqlite:
            batch.create_foreign_key(
                "fk_progress_snapshots_task_id", "tasks", ["task_id"], ["task_id"], ondelete="CASCADE"
            )


def downgrade() -> None:
    """Counts stay 64 bits wide: an earlier release reads them, and none may be cut."""
    sqlite = op.get_context().dialect.name == "sqlite"
    if sqlite:
        with op.batch_alter_table("password_history") as batch:
            batch.drop_constraint("fk_password_history_user_id", type_="foreignkey")
    with op.batch_alter_table("progress_snapshots") as batch:
        if sqlite:
            batch.drop_constraint("fk_progress_snapshots_task_id", type_="foreignkey")
        for column in ("bytes_per_s", "bytes_total", "bytes_done"):
            batch.drop_column(column)
    with op.batch_alter_table("tasks") as batch:
        if sqlite:
            batch.drop_constraint("fk_tasks_owner_id", type_="foreignkey")
        batch.drop_constraint(conv("ck_tasks_status"), type_="check")
        for column in ("waiting_shares", "verdict_sentence", "verdict_headline", "verdict_severity", "verdict_cause"):
            batch.drop_column(column)
        for column in ("capture_duration_s", "report_key", "capture_key", "interruptions", "attempt"):
            batch.drop_column(column)
    with op.batch_alter_table("users") as batch:
        if sqlite:
            batch.drop_constraint("fk_users_approved_by", type_="foreignkey")
        batch.drop_constraint("fk_users_rejected_by", type_="foreignkey")
        for column in ("rejection_reason", "rejected_at", "rejected_by", "registration_reason"):
            batch.drop_column(column)
    for table in ("adopted_orphans", "setup_links", "sessions"):
        op.drop_table(table)
