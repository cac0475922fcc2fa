"""`pcap-analyzer users list`: who there is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from pcap_analyzer.cli import guide, outputs
from pcap_analyzer.report.format import printable

if TYPE_CHECKING:
    from datetime import datetime

    from pcap_analyzer.store.models import User

HEADS = ("status", "user name", "e-mail", "role", "asked", "approved", "last log-in")


@click.command("list", cls=guide.Command, context_settings=guide.SETTINGS)
@click.option("--pending", is_flag=True, help="Only who waits for approval.")
@click.option("--json", "as_json", is_flag=True, help="A JSON list, for programs.")
def listing(pending: bool, as_json: bool) -> None:
    """List accounts, who waits first.

    \b
      pcap-analyzer users list
      pcap-analyzer users list --pending --json
    """
    from pcap_analyzer.cli.users.database import on_database  # noqa: PLC0415 - help must not pay for it
    from pcap_analyzer.store.users import UserStatus, everybody, status_of  # noqa: PLC0415

    status = UserStatus.PENDING if pending else None
    found = on_database(lambda database: database.read(lambda session: everybody(session, status)))
    waiting_first = sorted(found, key=lambda user: status_of(user) is not UserStatus.PENDING)
    outputs.write_standard_output(_json(waiting_first) if as_json else _table(waiting_first))


def _json(listed: Sequence[User]) -> str:
    from pcap_analyzer.store.users import status_of  # noqa: PLC0415

    return (
        json.dumps(
            [
                {
                    "id": user.id,
                    "username": user.username,
                    "email": user.email,
                    "role": user.role.value,
                    "status": status_of(user).value,
                    "is_active": user.is_active,
                    "is_approved": user.is_approved,
                    "approved_by": user.approved_by,
                    "approved_at": _iso(user.approved_at),
                    "created_at": _iso(user.created_at),
                    "last_login": _iso(user.last_login),
                    "reason": user.registration_reason,
                }
                for user in listed
            ],
            indent=2,
        )
        + "\n"
    )


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _table(listed: Sequence[User]) -> str:
    if not listed:
        return "Nobody.\n"
    rows = [HEADS, *(_row(user) for user in listed)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
    return "".join("  ".join(map(str.ljust, row, widths)).rstrip() + "\n" for row in rows)


def _row(user: User) -> tuple[str, ...]:
    from pcap_analyzer.store.users import status_of  # noqa: PLC0415

    moments = (user.created_at, user.approved_at, user.last_login)
    return (
        status_of(user).word,
        printable(user.username),
        printable(user.email),
        user.role.value,
        *(f"{moment:%Y-%m-%d %H:%M}" if moment else "-" for moment in moments),
    )
