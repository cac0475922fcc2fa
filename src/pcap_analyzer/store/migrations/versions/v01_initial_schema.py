"""Initial schema with user approval: users, tasks, progress_snapshots.

Deployed databases are stamped with this id. On SQLite its foreign keys came later, see v06.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.sql.naming import conv

from pcap_analyzer.store.types import UtcDateTime, UuidText

revision = "eba0e1bcc7ec"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_users()
    _create_tasks()
    _create_progress_snapshots()


def _on_postgresql(*constraints: sa.ForeignKeyConstraint) -> tuple[sa.ForeignKeyConstraint, ...]:
    return constraints if op.get_context().dialect.name == "postgresql" else ()


def _create_users() -> None:
    op.create_table(
        "users",
        sa.Column("id", UuidText(), primary_key=True),
        sa.Column("username", sa.String(50), nullable=False),
        sa.Column("email", sa.String(255), nullable=False),
        sa.Column("hashed_password", sa.String(255), nullable=False),
        sa.Column("role", sa.String(20), nullable=False, server_default="user"),
        sa.Column("is_active", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column("is_approved", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("approved_by", UuidText(), nullable=True),
        sa.Column("approved_at", UtcDateTime(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("last_login", UtcDateTime(), nullable=True),
        sa.CheckConstraint("role IN ('admin', 'user')", name=conv("role_check")),
        *_on_postgresql(
            sa.ForeignKeyConstraint(["approved_by"], ["users.id"], name="fk_users_approved_by", ondelete="SET NULL")
        ),
    )
    op.create_index("idx_users_username", "users", ["username"], unique=True)
    op.create_index("idx_users_email", "users", ["email"], unique=True)
    op.create_index("idx_users_role", "users", ["role"])


def _create_tasks() -> None:
    op.create_table(
        "tasks",
        sa.Column("task_id", UuidText(), primary_key=True),
        sa.Column("filename", sa.String(255), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("uploaded_at", UtcDateTime(), nullable=False),
        sa.Column("analyzed_at", UtcDateTime(), nullable=True),
        sa.Column("file_size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("total_packets", sa.Integer(), nullable=True),
        sa.Column("health_score", sa.Float(), nullable=True),
        sa.Column("report_html_path", sa.String(500), nullable=True),
        sa.Column("report_json_path", sa.String(500), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=True, server_default=sa.func.now()),
        sa.Column("last_heartbeat", UtcDateTime(), nullable=True),
        sa.Column("progress_percent", sa.Integer(), nullable=True, server_default="0"),
        sa.Column("current_phase", sa.String(50), nullable=True),
        sa.Column("owner_id", UuidText(), nullable=True),
        *_on_postgresql(
            sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name="fk_tasks_owner_id", ondelete="CASCADE")
        ),
    )
    op.create_index("idx_status", "tasks", ["status"])
    op.create_index("idx_uploaded_at", "tasks", ["uploaded_at"])
    op.create_index("idx_tasks_heartbeat", "tasks", ["last_heartbeat"])
    op.create_index("idx_tasks_owner_id", "tasks", ["owner_id"])


def _create_progress_snapshots() -> None:
    op.create_table(
        "progress_snapshots",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("task_id", UuidText(), nullable=False),
        sa.Column("phase", sa.String(50), nullable=True),
        sa.Column("progress_percent", sa.Integer(), nullable=True),
        sa.Column("packets_processed", sa.Integer(), nullable=True),
        sa.Column("total_packets", sa.Integer(), nullable=True),
        sa.Column("current_analyzer", sa.String(100), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("timestamp", UtcDateTime(), nullable=False),
        *_on_postgresql(
            sa.ForeignKeyConstraint(
                ["task_id"], ["tasks.task_id"], name="fk_progress_snapshots_task_id", ondelete="CASCADE"
            )
        ),
    )
    op.create_index("idx_progress_task_id", "progress_snapshots", ["task_id"])
    op.create_index("idx_progress_timestamp", "progress_snapshots", ["timestamp"])


def downgrade() -> None:
    op.drop_table("progress_snapshots")
    op.drop_table("tasks")
    op.drop_table("users")
