"""users.password_must_change and the table password_history."""

import sqlalchemy as sa
from alembic import op

from pcap_analyzer.store.types import UtcDateTime, UuidText

revision = "2163cd9a7764"
down_revision = "eba0e1bcc7ec"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("password_must_change", sa.Boolean(), nullable=False, server_default=sa.false()))
    foreign_keys = []
    if op.get_context().dialect.name == "postgresql":
        foreign_keys.append(
            sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_password_history_user_id", ondelete="CASCADE")
        )
    op.create_table(
        "password_history",
        sa.Column("id", UuidText(), primary_key=True),
        sa.Column("user_id", UuidText(), nullable=False),
        sa.Column("hashed_password", sa.String(255), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        *foreign_keys,
    )
    op.create_index("idx_password_history_user_id", "password_history", ["user_id"])
    op.create_index("idx_password_history_user_created", "password_history", ["user_id", "created_at"])


def downgrade() -> None:
    op.drop_table("password_history")
    op.drop_column("users", "password_must_change")
