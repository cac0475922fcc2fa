"""`pcap-analyzer users create-admin`: make an administrator."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from pcap_analyzer.cli import guide, outputs
from pcap_analyzer.errors import UsageError

if TYPE_CHECKING:
    from pcap_analyzer.services.accounts import Registration
    from pcap_analyzer.store.models import User
    from pcap_analyzer.store.session import Database


@click.command("create-admin", cls=guide.Command, context_settings=guide.SETTINGS)
@click.argument("username")
@click.argument("email")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input, up to the first newline.")
def create_admin(username: str, email: str, password_stdin: bool) -> None:
    """Make an administrator, who is approved at once. The password is asked for, twice.

    It works before the service has ever run.

    \b
      pcap-analyzer users create-admin root root@example.org
      pcap-analyzer users create-admin root root@example.org --password-stdin < password.txt
    """
    from pcap_analyzer.cli.users.database import on_database  # noqa: PLC0415 - help must not pay for it
    from pcap_analyzer.services import accounts  # noqa: PLC0415

    form = accounts.Registration(username, email, _password(from_stdin=password_stdin))
    refused = accounts.refusals(form)
    if refused:
        raise UsageError(" ".join(refusal.sentence for refusal in refused))
    user = on_database(lambda database: _create(database, form), makes=True)
    outputs.write_standard_output(f"{user.username} <{user.email}> is an administrator and can log in now.\n")


def _password(*, from_stdin: bool) -> str:
    """Never from the command line, which every other process can read."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise UsageError("There is no terminal to ask for the password: use --password-stdin.")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt="The same again", err=True))


async def _create(database: Database, form: Registration) -> User:
    from datetime import UTC, datetime  # noqa: PLC0415

    from pcap_analyzer.services import accounts  # noqa: PLC0415
    from pcap_analyzer.services.accounts import COMMAND_LINE  # noqa: PLC0415
    from pcap_analyzer.services.passwords import Passwords  # noqa: PLC0415

    hashed, now = await Passwords().hash(form.password), datetime.now(UTC)
    return await database.write(lambda session: accounts.create_admin(session, COMMAND_LINE, form, hashed, now))
