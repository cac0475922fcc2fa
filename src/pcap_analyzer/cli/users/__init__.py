"""`pcap-analyzer users`: who may come in, from the server's own command line."""

import click

from pcap_analyzer.cli import guide
from pcap_analyzer.cli.ondemand import CommandsOnDemand


class UserCommands(CommandsOnDemand):
    commands_on_demand = {  # noqa: RUF012 - click makes the object
        "create-admin": ("pcap_analyzer.cli.users.create_admin", "Make an administrator, who is approved at once."),
        "list": ("pcap_analyzer.cli.users.listing", "List accounts, who waits first."),
        "approve": ("pcap_analyzer.cli.users.approve", "Let somebody in who waits."),
        "suspend": ("pcap_analyzer.cli.users.suspend", "Keep somebody out from now on."),
    }


@click.group(cls=UserCommands, no_args_is_help=True, context_settings=guide.SETTINGS)
def users() -> None:
    """Decide who may come in, on the machine where the service runs.

    \b
      pcap-analyzer users create-admin root root@example.org
      pcap-analyzer users list --pending
      pcap-analyzer users approve ann
    """
