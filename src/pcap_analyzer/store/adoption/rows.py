"""What becomes of a row of an earlier release: what today's schema asks for, and what such a row can tell.

A value that has no today's form is named, so that it can be kept elsewhere; see legacy_source.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pcap_analyzer.store.models import Role, TaskStatus
from pcap_analyzer.store.transfer.values import Value

UNFINISHED = (
    "This analysis was not finished when the database was taken over from an earlier release, and where its capture "
    "lies is not known: please upload it again."
)
NO_HASH = "!"  # a password that nothing verifies against
#: What stands in a column that may not be empty.
USUAL: dict[tuple[str, str], Value] = {
    ("users", "password_must_change"): False,
    ("users", "is_2fa_enabled"): False,
    ("users", "role"): Role.USER.value,
    ("users", "hashed_password"): NO_HASH,
    ("password_history", "hashed_password"): NO_HASH,
    ("tasks", "filename"): "unnamed",
    ("tasks", "status"): TaskStatus.FAILED.value,
    ("tasks", "attempt"): 0,
    ("tasks", "interruptions"): 0,
    ("outbox", "attempts"): 0,
    ("adopted_orphans", "row_json"): "null",
    ("outbox", "content"): "null",
}
#: Where a moment that may not be empty is taken from, the best first.
MOMENTS: dict[tuple[str, str], tuple[str, ...]] = {
    ("users", "created_at"): ("approved_at", "last_login"),
    ("tasks", "uploaded_at"): ("created_at", "analyzed_at", "last_heartbeat"),
    ("password_reset_tokens", "created_at"): ("used_at",),
    ("password_reset_tokens", "expires_at"): ("created_at",),
    ("sessions", "created_at"): ("last_seen_at",),
    ("sessions", "last_seen_at"): ("created_at",),
    ("sessions", "expires_at"): ("created_at",),
    ("setup_links", "expires_at"): ("created_at",),
}


@dataclass
class OldRow:
    """A row on its way, by column."""

    values: dict[str, Value]
    unread: dict[str, str] = field(default_factory=dict)  # column -> a word that is none of today's
    changed: set[str] = field(default_factory=set)  # columns whose stored value is to be kept elsewhere


def mend_user(row: OldRow) -> None:
    """Users of before the approval are approved as of their beginning; unknown words give no rights."""
    values = row.values
    if values["is_approved"] is None:
        values["is_approved"] = "is_approved" not in row.changed
        if values["is_approved"] and values["approved_at"] is None:
            values["approved_at"] = values["created_at"]
    if values["is_active"] is None:
        values["is_active"] = "is_active" not in row.changed
    if values["username"] is None:
        values["username"] = f"user-{str(values['id'])[:8]}"
    if values["email"] is None:
        values["email"] = f"{values['id']}@unknown.invalid"


def mend_task(row: OldRow) -> None:
    """Words of other releases end a task, and so does an analysis that nobody can go on with."""
    values, reasons = row.values, []
    if values["status"] is None:
        values["status"] = TaskStatus.FAILED.value
        word = row.unread.get("status")
        reasons.append(
            "Its state was not stored." if word is None else f'An earlier release called its state "{word}".'
        )
    elif values["status"] in (TaskStatus.PENDING.value, TaskStatus.PROCESSING.value) and not values["capture_key"]:
        values["status"] = TaskStatus.FAILED.value
        reasons.append(UNFINISHED)
    if reasons:
        values["error_message"] = " ".join(
            [*reasons, *([str(values["error_message"])] if values["error_message"] else [])]
        )


def mend_token(row: OldRow) -> None:
    """A token has to end after it began: one of which that is not known ended at once."""
    created, expires = row.values["created_at"], row.values["expires_at"]
    if isinstance(created, datetime) and isinstance(expires, datetime) and expires <= created:
        row.values["expires_at"] = created + timedelta(microseconds=1)
        row.changed.add("expires_at")


BEFORE: dict[str, Callable[[OldRow], None]] = {"tasks": mend_task}
AFTER: dict[str, Callable[[OldRow], None]] = {"users": mend_user, "password_reset_tokens": mend_token}


def fill(row: OldRow, table: str, needed: tuple[tuple[str, bool], ...], otherwise: datetime) -> None:
    """Give the columns that may not be empty something; `needed` says of each whether it is a moment."""
    for column, is_moment in needed:
        if row.values[column] is not None:
            continue
        if is_moment:
            known = (row.values.get(other) for other in MOMENTS.get((table, column), ()))
            row.values[column] = next((value for value in known if value is not None), otherwise)
        elif table != "users" or column not in ("is_active", "is_approved", "username", "email"):
            row.values[column] = USUAL.get((table, column), "")
