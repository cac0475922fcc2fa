"""`pcap-analyzer db`: look after the database."""

import click

from pcap_analyzer.cli import guide
from pcap_analyzer.cli.ondemand import CommandsOnDemand


class DatabaseCommands(CommandsOnDemand):
    commands_on_demand = {  # noqa: RUF012 - click makes the object
        "info": ("pcap_analyzer.cli.db.info", "Say which database is used, and how."),
        "upgrade": ("pcap_analyzer.cli.db.upgrade", "Bring the database to this release; an old one is adopted."),
        "downgrade": ("pcap_analyzer.cli.db.downgrade", "Bring the database back to an earlier revision."),
        "verify": ("pcap_analyzer.cli.db.verify", "Check the database, its rows and its files."),
        "copy": ("pcap_analyzer.cli.db.copy", "Copy SQLite to PostgreSQL, compared row by row."),
        "backup": ("pcap_analyzer.cli.db.backup", "Write a backup of the database."),
        "restore": ("pcap_analyzer.cli.db.restore", "Put a backup back."),
        "grants": ("pcap_analyzer.cli.db.grants", "Print the SQL that gives the service's role its rights."),
    }


@click.group(cls=DatabaseCommands, no_args_is_help=True, context_settings=guide.SETTINGS)
def db() -> None:
    """Look after the database that DATABASE_URL names; where it is not set, pcap_analyzer.db in DATA_DIR.

    \b
      pcap-analyzer db info                          which one, and how it is
      pcap-analyzer db upgrade                       after each new release, on PostgreSQL
      pcap-analyzer db verify                        is everything where it should be?
      pcap-analyzer db copy --from sqlite:///data/pcap_analyzer.db --to postgresql://owner@host/name
    """
