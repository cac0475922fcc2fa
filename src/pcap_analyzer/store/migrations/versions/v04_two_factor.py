"""users.is_2fa_enabled, totp_secret, backup_codes (a JSON list)."""

import sqlalchemy as sa
from alembic import op

revision = "2bc03b947812"
down_revision = "c0989c735473"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("is_2fa_enabled", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("users", sa.Column("totp_secret", sa.Text(), nullable=True))
    op.add_column("users", sa.Column("backup_codes", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("users", "backup_codes")
    op.drop_column("users", "totp_secret")
    op.drop_column("users", "is_2fa_enabled")
