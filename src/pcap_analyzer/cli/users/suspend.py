"""`pcap-analyzer users suspend`: keep somebody out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pcap_analyzer.cli import guide, outputs

if TYPE_CHECKING:
    from pcap_analyzer.store.models import User
    from pcap_analyzer.store.session import AsyncSession


@click.command(cls=guide.Command, context_settings=guide.SETTINGS)
@click.argument("who", metavar="USER")
def suspend(who: str) -> None:
    """Keep somebody out from now on, by user name, e-mail address or id; what they do ends at once.

    Their analyses stay. The last administrator cannot be suspended.

    \b
      pcap-analyzer users suspend ann
      pcap-analyzer users approve ann       lets them in again
    """
    from datetime import UTC, datetime  # noqa: PLC0415 - help must not pay for what follows

    from pcap_analyzer.cli.users.database import id_of, on_database  # noqa: PLC0415
    from pcap_analyzer.services import accounts  # noqa: PLC0415
    from pcap_analyzer.services.accounts import COMMAND_LINE  # noqa: PLC0415

    now = datetime.now(UTC)

    async def work(session: AsyncSession) -> User:
        return await accounts.suspend_user(session, COMMAND_LINE, await id_of(session, who), now)

    user = on_database(lambda database: database.write(work))
    outputs.write_standard_output(f"{user.username} <{user.email}> is suspended, and logged out everywhere.\n")
