"""What Alembic runs: it migrates the connection handed over; started bare, it locks and backs up first."""

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection

from pcap_analyzer import settings as entry_point
from pcap_analyzer.errors import AppError
from pcap_analyzer.store import upgrade
from pcap_analyzer.store.models import Base
from pcap_analyzer.store.urls import SqliteUrl, parse_url

WRITING_COMMANDS = frozenset({"upgrade", "downgrade", "stamp"})


def run(connection: Connection) -> None:
    """Run what the command line asked for: one transaction a revision, each checked before it is committed."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        transaction_per_migration=True,
        on_version_apply=upgrade.RevisionCheck(connection),
    )
    with context.begin_transaction():
        context.run_migrations()


def run_bare() -> None:
    given = entry_point.load()
    url = parse_url(given.database_url, data_dir=given.data_dir)
    assert isinstance(url, SqliteUrl)
    command = context.config.cmd_opts.cmd[0].__name__ if context.config.cmd_opts else "upgrade"
    opened = upgrade.locked_connection(url) if command in WRITING_COMMANDS else upgrade.plain_connection(url)
    try:
        with opened as connection:
            run(connection)
    except AppError as error:
        raise CommandError(str(error)) from error


handed_over = context.config.attributes.get("connection")
if handed_over is not None:
    run(handed_over)
else:
    run_bare()
