"""The mapped tables. Constraints and indexes have the names that deployed databases know them by."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Float,
    ForeignKey,
    Index,
    MetaData,
    String,
    Text,
    func,
    literal_column,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.sql.naming import conv

from pcap_analyzer.store.types import BigKey, EnumText, SafeJson, SafeText, UtcDateTime, UuidText, words_check

NAMING_CONVENTION = {
    "ix": "idx_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

TRIGRAM_INDEX = "idx_tasks_search_trigrams"
TRIGRAM_COLUMNS = ("filename", "verdict_headline", "verdict_sentence")  # what a search looks into
#: Indexes that PostgreSQL alone has.
ONLY_ON_POSTGRESQL = (
    "idx_tasks_active",
    TRIGRAM_INDEX,
    "idx_audit_log_at_brin",
    "idx_users_username_lower",
    "idx_users_email_lower",
)


class Role(StrEnum):
    ADMIN = "admin"
    USER = "user"


class TaskStatus(StrEnum):
    """pending -> processing -> completed, failed or cancelled; completed -> expired; failed -> pending again."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class AuditAction(StrEnum):
    """What the audit log records."""

    USER_CREATED = "user.created"
    USER_APPROVED = "user.approved"
    USER_REJECTED = "user.rejected"
    USER_SUSPENDED = "user.suspended"
    USER_RESTORED = "user.restored"
    DATABASE_ADOPTED = "database.adopted"


class OutboxKind(StrEnum):
    """Messages to people, kept until somebody sends them."""

    ACCESS_APPROVED = "access.approved"
    ACCESS_REJECTED = "access.rejected"
    ACCESS_SUSPENDED = "access.suspended"
    ACCESS_RESTORED = "access.restored"


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map = {datetime: UtcDateTime}  # noqa: RUF012 - SQLAlchemy reads it so


class User(Base):
    """Somebody who asked for access; where they stand follows from four columns, see store/users.py `status_of`."""

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint(words_check("role", Role), name=conv("role_check")),
        Index("idx_users_username", "username", unique=True),
        Index("idx_users_email", "email", unique=True),
        Index("idx_users_role", "role"),
        Index("idx_users_created_at", "created_at"),
        # For logins however they are capitalised; not unique, because adopted names may differ by that alone.
        *(
            Index(f"idx_users_{column}_lower", func.lower(literal_column(column))).ddl_if(dialect="postgresql")
            for column in ("username", "email")
        ),
    )

    id: Mapped[str] = mapped_column(UuidText, primary_key=True)
    username: Mapped[str] = mapped_column(SafeText(50))
    email: Mapped[str] = mapped_column(SafeText(255))
    hashed_password: Mapped[str] = mapped_column(String(255))
    role: Mapped[Role] = mapped_column(EnumText(Role), server_default=Role.USER.value)
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    is_approved: Mapped[bool] = mapped_column(server_default=text("false"))
    approved_by: Mapped[str | None] = mapped_column(UuidText, ForeignKey("users.id", ondelete="SET NULL"))
    approved_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    last_login: Mapped[datetime | None]
    password_must_change: Mapped[bool] = mapped_column(server_default=text("false"))
    is_2fa_enabled: Mapped[bool] = mapped_column(server_default=text("false"))
    totp_secret: Mapped[str | None] = mapped_column(Text)
    backup_codes: Mapped[str | None] = mapped_column(Text)
    registration_reason: Mapped[str | None] = mapped_column(SafeText())
    rejected_by: Mapped[str | None] = mapped_column(UuidText, ForeignKey("users.id", ondelete="SET NULL"))
    rejected_at: Mapped[datetime | None]
    rejection_reason: Mapped[str | None] = mapped_column(SafeText())


class Task(Base):
    """One analysis of one capture. `attempt` fences every write of a run: a run that lost its claim changes nothing."""

    __tablename__ = "tasks"
    __table_args__ = (
        CheckConstraint(words_check("status", TaskStatus), name="status"),
        Index("idx_status", "status"),
        Index("idx_uploaded_at", "uploaded_at"),
        Index("idx_tasks_heartbeat", "last_heartbeat"),
        Index("idx_tasks_owner_id", "owner_id"),
        Index("idx_tasks_owner_uploaded", "owner_id", "uploaded_at", "task_id"),
        Index(
            "idx_tasks_active",
            "status",
            "uploaded_at",
            "task_id",
            postgresql_where=text("status IN ('pending', 'processing')"),
        ).ddl_if(dialect="postgresql"),
        Index(
            TRIGRAM_INDEX,
            *(func.lower(literal_column(column)).label(column) for column in TRIGRAM_COLUMNS),
            postgresql_using="gin",
            postgresql_ops=dict.fromkeys(TRIGRAM_COLUMNS, "gin_trgm_ops"),
        ).ddl_if(dialect="postgresql"),
    )

    task_id: Mapped[str] = mapped_column(UuidText, primary_key=True)
    filename: Mapped[str] = mapped_column(SafeText(255))
    status: Mapped[TaskStatus] = mapped_column(EnumText(TaskStatus))
    uploaded_at: Mapped[datetime]
    analyzed_at: Mapped[datetime | None]
    file_size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    total_packets: Mapped[int | None] = mapped_column(BigInteger)
    health_score: Mapped[float | None] = mapped_column(Float)
    report_html_path: Mapped[str | None] = mapped_column(String(500))
    report_json_path: Mapped[str | None] = mapped_column(String(500))
    error_message: Mapped[str | None] = mapped_column(SafeText())
    created_at: Mapped[datetime | None] = mapped_column(server_default=func.now())
    last_heartbeat: Mapped[datetime | None]
    progress_percent: Mapped[int | None] = mapped_column(server_default=text("0"))
    current_phase: Mapped[str | None] = mapped_column(String(50))
    owner_id: Mapped[str | None] = mapped_column(UuidText, ForeignKey("users.id", ondelete="CASCADE"))
    attempt: Mapped[int] = mapped_column(server_default=text("0"))
    interruptions: Mapped[int] = mapped_column(server_default=text("0"))  # runs that ended with the service
    capture_key: Mapped[str | None] = mapped_column(String(255))
    report_key: Mapped[str | None] = mapped_column(String(255))
    capture_duration_s: Mapped[float | None] = mapped_column(Float)
    verdict_cause: Mapped[str | None] = mapped_column(String(50))
    verdict_severity: Mapped[str | None] = mapped_column(String(20))
    verdict_headline: Mapped[str | None] = mapped_column(SafeText())
    verdict_sentence: Mapped[str | None] = mapped_column(SafeText())
    waiting_shares: Mapped[Any | None] = mapped_column(SafeJson)  # Any: JSON, [[category, share], ...], largest first

    owner: Mapped[User | None] = relationship(lazy="raise", foreign_keys=[owner_id])


class ProgressSnapshot(Base):
    """How far an analysis was at a moment; `id` only grows, so that an event stream can be resumed after it."""

    __tablename__ = "progress_snapshots"
    __table_args__ = (
        Index("idx_progress_task_id", "task_id"),
        Index("idx_progress_timestamp", "timestamp"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    task_id: Mapped[str] = mapped_column(UuidText, ForeignKey("tasks.task_id", ondelete="CASCADE"))
    phase: Mapped[str | None] = mapped_column(String(50))
    progress_percent: Mapped[int | None]
    packets_processed: Mapped[int | None] = mapped_column(BigInteger)
    total_packets: Mapped[int | None] = mapped_column(BigInteger)
    current_analyzer: Mapped[str | None] = mapped_column(String(100))
    message: Mapped[str | None] = mapped_column(Text)
    timestamp: Mapped[datetime]
    bytes_done: Mapped[int | None] = mapped_column(BigInteger)
    bytes_total: Mapped[int | None] = mapped_column(BigInteger)
    bytes_per_s: Mapped[int | None] = mapped_column(BigInteger)


class PasswordHistory(Base):
    __tablename__ = "password_history"
    __table_args__ = (
        Index("idx_password_history_user_id", "user_id"),
        Index("idx_password_history_user_created", "user_id", "created_at"),
    )

    id: Mapped[str] = mapped_column(UuidText, primary_key=True)
    user_id: Mapped[str] = mapped_column(UuidText, ForeignKey("users.id", ondelete="CASCADE"))
    hashed_password: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime]


class PasswordResetToken(Base):
    __tablename__ = "password_reset_tokens"
    __table_args__ = (
        CheckConstraint("expires_at > created_at", name=conv("token_expiry_check")),
        Index("idx_password_reset_tokens_user_id", "user_id"),
        Index("idx_password_reset_tokens_token_hash", "token_hash"),
        Index("idx_password_reset_tokens_expires_at", "expires_at"),
    )

    id: Mapped[str] = mapped_column(UuidText, primary_key=True)
    user_id: Mapped[str] = mapped_column(UuidText, ForeignKey("users.id", ondelete="CASCADE"))
    token_hash: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    ip_address: Mapped[str | None] = mapped_column(String(45))
    user_agent: Mapped[str | None] = mapped_column(Text)


class LoginSession(Base):
    """Somebody's open door: the SHA-256 of an opaque token, never the token."""

    __tablename__ = "sessions"
    __table_args__ = (
        Index("idx_sessions_token_hash", "token_hash", unique=True),
        Index("idx_sessions_user_id", "user_id"),
    )

    id: Mapped[str] = mapped_column(UuidText, primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64))
    user_id: Mapped[str] = mapped_column(UuidText, ForeignKey("users.id", ondelete="CASCADE"))
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    wrote_at: Mapped[datetime | None]  # when its user last changed something, kept where a replica may lag


class SetupLink(Base):
    """The one-time link that makes the first administrator."""

    __tablename__ = "setup_links"
    __table_args__ = (Index("idx_setup_links_token_hash", "token_hash", unique=True),)

    id: Mapped[str] = mapped_column(UuidText, primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class AdoptedOrphan(Base):
    """A row of an older database whose parent was gone, or beside its key what could not be read of one that stayed."""

    __tablename__ = "adopted_orphans"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    table_name: Mapped[str] = mapped_column(String(64))
    row_json: Mapped[Any] = mapped_column(SafeJson)  # Any: the columns of the table it came from
    adopted_at: Mapped[datetime]


class AuditEntry(Base):
    """Who did what to whom, and when: rows are added and never changed, which a trigger sees to.

    Names are kept beside ids and no foreign key leads away, because an entry outlives the people in it.
    """

    __tablename__ = "audit_log"
    __table_args__ = (
        Index("idx_audit_log_at", "at"),
        Index("idx_audit_log_at_brin", "at", postgresql_using="brin").ddl_if(dialect="postgresql"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    at: Mapped[datetime]
    action: Mapped[str] = mapped_column(String(50))
    actor_id: Mapped[str | None] = mapped_column(UuidText)  # None: the command line, or the program itself
    actor_name: Mapped[str] = mapped_column(SafeText(50))
    subject_id: Mapped[str | None] = mapped_column(UuidText)
    subject_name: Mapped[str | None] = mapped_column(SafeText(255))
    details: Mapped[Any | None] = mapped_column(SafeJson)  # Any: JSON, what the action says beyond that


class OutboxMessage(Base):
    """A message that somebody shall get, written in the transaction that is its reason."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index(
            "idx_outbox_unsent", "id", sqlite_where=text("sent_at IS NULL"), postgresql_where=text("sent_at IS NULL")
        ),
        Index("idx_outbox_recipient_id", "recipient_id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    kind: Mapped[str] = mapped_column(String(50))
    recipient_id: Mapped[str] = mapped_column(UuidText, ForeignKey("users.id", ondelete="CASCADE"))
    content: Mapped[Any] = mapped_column(SafeJson)  # Any: JSON, what the message's template fills in
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    last_error: Mapped[str | None] = mapped_column(SafeText())


class CopyCheckpoint(Base):
    """How far a copy into this database is: written in the transaction of each batch, removed when all is compared."""

    __tablename__ = "copy_checkpoints"

    table_name: Mapped[str] = mapped_column(String(64), primary_key=True)
    source: Mapped[str] = mapped_column(String(64))  # which database the rows come from
    last_key: Mapped[str | None] = mapped_column(Text)  # JSON; None: nothing yet
    rows_copied: Mapped[int] = mapped_column(BigInteger)
    updated_at: Mapped[datetime]
