"""`pcap-analyzer db downgrade`: the database as an earlier release needs it."""

import asyncio
import os

import click

from pcap_analyzer import settings
from pcap_analyzer.cli import guide, outputs
from pcap_analyzer.cli.failures import tell


@click.command(cls=guide.Command, context_settings=guide.SETTINGS)
@click.argument("revision", metavar="[REVISION]", default="-1")
@click.option("--allow-data-loss", is_flag=True, help="Go on where rows or values are dropped, which are named first.")
def downgrade(revision: str, allow_data_loss: bool) -> None:
    """Bring the database back to an earlier REVISION, one after the other; to the previous one if none is named.

    Stop the service first. What would be lost is counted before anything is done, and refused unless it is allowed.

    \b
      pcap-analyzer db downgrade
      pcap-analyzer db downgrade dcd3f75e61c2 --allow-data-loss
      pcap-analyzer db downgrade -- -2                       two revisions back
    """
    from pcap_analyzer.store import neighbours  # noqa: PLC0415 - help must not pay for these
    from pcap_analyzer.store import upgrade as upgrades  # noqa: PLC0415

    os.umask(0o077)
    loaded = settings.load()
    urls, options = loaded.database_urls(), loaded.engine_options()
    url = urls.direct
    asyncio.run(neighbours.refuse_two_databases(urls, options))
    asyncio.run(neighbours.refuse_while_served(url, options))
    done = asyncio.run(upgrades.downgrade(url, revision, allow_data_loss=allow_data_loss, on_step=tell))
    if done.before == done.after:
        outputs.write_standard_output(f"Already at revision {done.after}: nothing to do.\nThe database: {url.shown}\n")
        return
    backup = "" if done.backup is None else f"The database as it was before: {done.backup}\n"
    after = "an empty database" if done.after is None else f"revision {done.after}"
    outputs.write_standard_output(
        f"Went back from revision {done.before} to {after}.\n{backup}The database: {url.shown}\n"
    )
