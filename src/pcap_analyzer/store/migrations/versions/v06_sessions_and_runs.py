"""Sessions, setup links, what a run of a task needs, foreign keys on SQLite too, 64-bit packet counts.

SQLite databases of earlier revisions never enforced a foreign key and took values of any form: a task whose owner is
gone gets no owner, any other row without its parent moves to adopted_orphans, values get the form in which they are
read, see `old_values`. PostgreSQL enforced its keys and types all along. On both a task in an unknown state has failed.

What a running service notices on PostgreSQL: users, tasks and progress_snapshots are locked together, for the time in
which `tasks` is written anew with its wider column (some 5 s for a million tasks). The snapshots, of which there are
a hundred times more, are moved into a wider table in small portions, see `SWAP` and `MOVE`. Constraints are not added
NOT VALID and validated later: the new foreign key's column is empty, and the words of `status` are checked in a
fraction of the time that the lock is held for anyway.
"""

import json
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.sql.naming import conv

from pcap_analyzer.store.migrations import old_values
from pcap_analyzer.store.migrations.table_locks import take_locks
from pcap_analyzer.store.types import SafeJson, UtcDateTime, UuidText, utc_text

revision = "7d3a91c4e8f0"
down_revision = "dcd3f75e61c2"
branch_labels = None
depends_on = None

KNOWN = "('pending', 'processing', 'completed', 'failed', 'cancelled', 'expired')"
STATUS_CHECK = f"status IN {KNOWN}"
#: Words of other releases; of one that is known when it is written as the others are, that one is meant.
MEND_STATUS = (
    f"UPDATE tasks SET status = lower(trim(status)) WHERE NOT {STATUS_CHECK} AND lower(trim(status)) IN {KNOWN}",  # noqa: S608
    "UPDATE tasks SET error_message = 'An earlier release called its state \"' || status || '\".'"  # noqa: S608
    " || CASE WHEN error_message <> '' THEN ' ' || error_message ELSE '' END, status = 'failed'"
    f" WHERE NOT {STATUS_CHECK}",
)
CHILDREN = (
    ("progress_snapshots", "task_id", "tasks", "task_id"),
    ("password_history", "user_id", "users", "id"),
    ("password_reset_tokens", "user_id", "users", "id"),
)

#: An empty table with wide columns takes the place of progress_snapshots, under its names, rights and sequence. What is
#: known of tasks that run goes with it at once; nobody looks at the progress of others.
SWAP = """
DO $$
DECLARE
    narrow regclass := to_regclass('progress_snapshots');
    key_name text;
    sequence_name text := pg_get_serial_sequence('progress_snapshots', 'id');
    held record;
BEGIN
    IF (SELECT atttypid FROM pg_attribute WHERE attrelid = narrow AND attname = 'id') <> 'integer'::regtype THEN
        RETURN;
    END IF;
    SELECT conname INTO key_name FROM pg_constraint WHERE conrelid = narrow AND contype = 'p';
    ALTER TABLE progress_snapshots RENAME TO progress_snapshots_narrow;
    EXECUTE format('ALTER INDEX %I RENAME TO pk_progress_snapshots_narrow', key_name);
    ALTER INDEX idx_progress_task_id RENAME TO idx_progress_narrow_task_id;
    ALTER INDEX idx_progress_timestamp RENAME TO idx_progress_narrow_timestamp;
    CREATE TABLE progress_snapshots (LIKE progress_snapshots_narrow INCLUDING DEFAULTS);
    EXECUTE format('ALTER TABLE progress_snapshots OWNER TO %I',
                   (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = narrow));
    ALTER TABLE progress_snapshots
        ALTER COLUMN id TYPE bigint,
        ALTER COLUMN packets_processed TYPE bigint,
        ALTER COLUMN total_packets TYPE bigint;
    EXECUTE format('ALTER TABLE progress_snapshots ADD CONSTRAINT %I PRIMARY KEY (id)', key_name);
    ALTER TABLE progress_snapshots ADD CONSTRAINT fk_progress_snapshots_task_id
        FOREIGN KEY (task_id) REFERENCES tasks (task_id) ON DELETE CASCADE;
    CREATE INDEX idx_progress_task_id ON progress_snapshots (task_id);
    CREATE INDEX idx_progress_timestamp ON progress_snapshots (timestamp);
    EXECUTE format('ALTER SEQUENCE %s OWNED BY progress_snapshots.id', sequence_name);
    FOR held IN
        SELECT acl.privilege_type AS verb,
               CASE WHEN acl.grantee = 0 THEN 'PUBLIC' ELSE acl.grantee::regrole::text END AS who
        FROM pg_class, aclexplode(relacl) AS acl WHERE oid = narrow
    LOOP
        EXECUTE format('GRANT %s ON progress_snapshots TO %s', held.verb, held.who);
    END LOOP;
    WITH moved AS (
        DELETE FROM progress_snapshots_narrow USING tasks
        WHERE tasks.task_id = progress_snapshots_narrow.task_id AND tasks.status IN ('pending', 'processing')
        RETURNING progress_snapshots_narrow.*
    )
    INSERT INTO progress_snapshots SELECT * FROM moved;
END $$
"""

#: The other rows follow, in transactions of a fraction of a second. It can be ended at any moment and done again.
MOVE = """
DO $$
DECLARE
    last bigint := 0;
    through bigint;
BEGIN
    IF to_regclass('progress_snapshots_narrow') IS NULL THEN
        RETURN;
    END IF;
    LOOP
        SELECT max(id) INTO through FROM (
            SELECT id FROM progress_snapshots_narrow WHERE id > last ORDER BY id LIMIT 5000
        ) AS portion;
        EXIT WHEN through IS NULL;
        -- Who deletes a task locks it first and its snapshots next: the same order lets neither wait for the other.
        PERFORM 1 FROM tasks WHERE task_id IN (
            SELECT task_id FROM progress_snapshots_narrow WHERE id > last AND id <= through
        ) ORDER BY task_id FOR KEY SHARE;
        WITH moved AS (
            DELETE FROM progress_snapshots_narrow WHERE id > last AND id <= through RETURNING *
        )
        INSERT INTO progress_snapshots SELECT * FROM moved;
        COMMIT;
        last := through;
    END LOOP;
END $$
"""


def upgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        _widen_snapshots_in_use()
        take_locks("users", "tasks", "progress_snapshots")
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
        old_values.mend(op.get_bind())
        for statement in MEND_STATUS:
            op.execute(statement)
    _extend_users(sqlite=sqlite)
    _extend_tasks(sqlite=sqlite)
    _extend_progress_snapshots(sqlite=sqlite)
    if sqlite:
        with op.batch_alter_table("password_history") as batch:
            batch.create_foreign_key("fk_password_history_user_id", "users", ["user_id"], ["id"], ondelete="CASCADE")


def _widen_snapshots_in_use() -> None:
    """Give progress_snapshots 64 bits while others use it; each step is committed and can be done again."""
    take_locks("progress_snapshots", "tasks")
    op.execute(SWAP)
    with op.get_context().autocommit_block():
        op.execute(MOVE)
        op.execute("DROP TABLE IF EXISTS progress_snapshots_narrow")
        for statement in MEND_STATUS:  # before `tasks` is locked: all of it is read
            op.execute(statement)


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
    for table, column, parent, key in CHILDREN:
        # The names are those of CHILDREN above, never input.
        orphaned = f"{column} NOT IN (SELECT {key} FROM {parent})"  # noqa: S608
        last: int | None = 0
        while last is not None:
            last = _adopt_some(bind, table, f"{orphaned} AND rowid > {last}")
        bind.exec_driver_sql(f"DELETE FROM {table} WHERE {orphaned}")  # noqa: S608


def _adopt_some(bind: sa.Connection, table: str, condition: str) -> int | None:
    """Keep a thousand rows as JSON, so that memory stays small; returns the last one's number, None after the last."""
    some = f"SELECT rowid AS row_number_, * FROM {table} WHERE {condition} ORDER BY rowid LIMIT 1000"  # noqa: S608
    now, last = utc_text(datetime.now(UTC)), None
    kept = []
    for row in bind.exec_driver_sql(some).mappings():
        values = dict(row)
        last = int(values.pop("row_number_"))
        kept.append((table, json.dumps(values, default=str), now))
    if kept:
        bind.exec_driver_sql("INSERT INTO adopted_orphans (table_name, row_json, adopted_at) VALUES (?, ?, ?)", kept)
    return last


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
        if sqlite:  # where a key has 64 bits already
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
    take_locks("users", "tasks", "progress_snapshots")
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
