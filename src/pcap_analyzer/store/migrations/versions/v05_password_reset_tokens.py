"""The table password_reset_tokens, with its foreign key on both databases."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.sql.naming import conv

from pcap_analyzer.store.types import UtcDateTime, UuidText

revision = "dcd3f75e61c2"
down_revision = "2bc03b947812"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "password_reset_tokens",
        sa.Column("id", UuidText(), primary_key=True),
        sa.Column("user_id", UuidText(), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False, server_default=sa.func.now()),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime(), nullable=True),
        sa.Column("ip_address", sa.String(45), nullable=True),
        sa.Column("user_agent", sa.Text(), nullable=True),
        sa.CheckConstraint("expires_at > created_at", name=conv("token_expiry_check")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_password_reset_tokens_user_id", ondelete="CASCADE"),
    )
    for column in ("user_id", "token_hash", "expires_at"):
        op.create_index(f"idx_password_reset_tokens_{column}", "password_reset_tokens", [column])


def downgrade() -> None:
    op.drop_table("password_reset_tokens")
