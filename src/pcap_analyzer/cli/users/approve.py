"""`pcap-analyzer users approve`: let somebody in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pcap_analyzer.cli import guide, outputs

if TYPE_CHECKING:
    from pcap_analyzer.store.models import User
    from pcap_analyzer.store.session import AsyncSession


@click.command(cls=guide.Command, context_settings=guide.SETTINGS)
@click.argument("who", metavar="USER")
def approve(who: str) -> None:
    """Let somebody in who waits, by user name, e-mail address or id.

    Who is suspended is let in again.

    \b
      pcap-analyzer users approve ann
      pcap-analyzer users approve ann@example.org
    """
    from datetime import UTC, datetime  # noqa: PLC0415 - help must not pay for what follows

    from pcap_analyzer.cli.users.database import id_of, on_database  # noqa: PLC0415
    from pcap_analyzer.services import accounts  # noqa: PLC0415
    from pcap_analyzer.services.accounts import COMMAND_LINE  # noqa: PLC0415

    now = datetime.now(UTC)

    async def work(session: AsyncSession) -> User:
        user_id = await id_of(session, who)
        if await accounts.is_suspended(session, user_id):
            return await accounts.restore_user(session, COMMAND_LINE, user_id, now)
        return await accounts.approve_user(session, COMMAND_LINE, user_id, now)

    user = on_database(lambda database: database.write(work))
    outputs.write_standard_output(f"{user.username} <{user.email}> can log in now.\n")
