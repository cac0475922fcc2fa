"""Index idx_users_created_at: the list of users is sorted by it."""

from alembic import op

revision = "c0989c735473"
down_revision = "2163cd9a7764"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("idx_users_created_at", "users", ["created_at"])


def downgrade() -> None:
    op.drop_index("idx_users_created_at", table_name="users")
