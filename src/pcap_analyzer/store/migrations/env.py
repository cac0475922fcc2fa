"""What Alembic runs: it migrates the connection handed over; typed by hand, it locks and backs up first."""

import asyncio
from collections.abc import Mapping

from alembic import context
from alembic.util import CommandError
from sqlalchemy.ext.asyncio import AsyncEngine

from pcap_analyzer import settings as entry_point
from pcap_analyzer.errors import AppError
from pcap_analyzer.store import upgrade
from pcap_analyzer.store.migrations.running import run_offline, run_online
from pcap_analyzer.store.urls import SqliteUrl


def run_typed() -> None:
    """For a command on the command line, whose database the settings name."""
    options = context.config.cmd_opts
    typed = upgrade.Typed(
        command=options.cmd[0].__name__ if options else "upgrade",
        revision=getattr(options, "revision", None) or "head",
        allow_data_loss=_may_lose(context.get_x_argument(as_dictionary=True)),
    )
    try:
        url = entry_point.load().database_urls().direct
        if not context.is_offline_mode():
            asyncio.run(upgrade.run_typed(url, typed, lambda connection: run_online(connection, _say)))
        elif isinstance(url, SqliteUrl):
            raise CommandError("SQL is written for PostgreSQL; tables of SQLite are rebuilt from what they hold.")
        else:
            run_offline()
    except AppError as error:
        raise CommandError(str(error)) from error


def _may_lose(arguments: Mapping[str, str]) -> bool:
    written = arguments.get("allow_data_loss", "no")
    if written not in ("yes", "no"):
        raise CommandError(f"-x allow_data_loss={written}: it is yes or no.")
    return written == "yes"


def _say(what: str) -> None:
    context.config.print_stdout("%s", what)


async def run_on(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await connection.run_sync(run_online)
    await engine.dispose()


handed_over = context.config.attributes.get("connection")
if isinstance(handed_over, AsyncEngine):
    asyncio.run(run_on(handed_over))
elif handed_over is not None:
    run_online(handed_over, context.config.attributes.get("on_step"))
elif context.config.attributes.get("offline"):
    run_offline()
else:
    run_typed()
