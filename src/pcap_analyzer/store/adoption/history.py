"""What the audit log says of the adoption that made a SQLite database."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, func, select

from pcap_analyzer.store.models import AuditAction, AuditEntry


@dataclass(frozen=True)
class Adoption:
    """Where the rows came from."""

    at: str  # ISO 8601, UTC
    rows: int  # of the old file
    old_file: str | None  # where it lies; None: somebody has taken it away
    clear_secrets: int | None  # people whose two-factor secrets it holds in clear text; None: not noted


def last_adoption(connection: Connection, path: Path) -> Adoption | None:
    """The newest adoption of the database at `path`, which is at head; None where it never was another one."""
    details = AuditEntry.details
    summaries = (
        select(AuditEntry.at, details)
        .where(AuditEntry.action == AuditAction.DATABASE_ADOPTED.value)
        .where(func.json_extract(details, "$.old_file").is_not(None))
    )
    found = connection.execute(summaries.order_by(AuditEntry.id.desc()).limit(1)).one_or_none()
    if found is None:
        return None
    kept = path.with_name(str(found.details["old_file"]))
    return Adoption(
        at=found.at.isoformat(),
        rows=sum(found.details["rows"].values()),
        old_file=str(kept) if kept.exists() else None,
        clear_secrets=found.details.get("clear_secrets"),
    )
