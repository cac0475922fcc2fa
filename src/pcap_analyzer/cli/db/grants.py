"""`pcap-analyzer db grants`: the rights of the service's role, as SQL."""

import click

from pcap_analyzer import settings
from pcap_analyzer.cli import guide, outputs
from pcap_analyzer.errors import UsageError
from pcap_analyzer.store.grants import statements
from pcap_analyzer.store.urls import DatabaseUrl, PostgresUrl


@click.command(cls=guide.Command, context_settings=guide.SETTINGS)
@click.option("--app", metavar="ROLE", help="Whom the service is at the database.  [default: the user of DATABASE_URL]")
@click.option("--owner", metavar="ROLE", help="Whose the tables are.  [default: the user of DATABASE_DIRECT_URL]")
def grants(app: str | None, owner: str | None) -> None:
    """Print the SQL that gives the service's role its rights on PostgreSQL, and no others.

    The owner's role makes and alters tables; the service's reads and writes their rows, and can neither change nor
    delete what the audit log says. Nothing is asked or changed: run what is printed as the owner, once, after the
    first upgrade. It may be run again at any time.

    \b
      pcap-analyzer db grants
      pcap-analyzer db grants --app pcap_app --owner pcap_owner | psql "$DATABASE_DIRECT_URL"
    """
    urls = settings.load().database_urls()
    service, owning = app or _user(urls.main), owner or _user(urls.direct)
    if service is None or owning is None:
        raise UsageError("DATABASE_URL and DATABASE_DIRECT_URL name no two roles of PostgreSQL: use --app and --owner.")
    if service == owning:
        raise UsageError(f"{service} cannot be both the owner and the service: name another with --app or --owner.")
    outputs.write_standard_output(_script(service, owning, urls.direct))


def _user(url: DatabaseUrl) -> str | None:
    return url.user if isinstance(url, PostgresUrl) else None


def _script(app: str, owner: str, url: DatabaseUrl) -> str:
    lines = [
        f"-- Rights of {_one_line(app)}, which serves, on what {_one_line(owner)} owns, now and later.",
        f"-- Run it as {_one_line(owner)} in the service's database, after the first `pcap-analyzer db upgrade`:",
        *([f"-- The database: {_one_line(url.shown)}"] if isinstance(url, PostgresUrl) else []),
        '--   psql --set ON_ERROR_STOP=1 --file grants.sql "$DATABASE_DIRECT_URL"',
        "-- Both roles must be there: CREATE ROLE ... LOGIN PASSWORD '...'; it may be run again at any time.",
        "BEGIN;",
        *(f"{statement};" for statement in statements(app, owner)),
        "COMMIT;",
    ]
    return "\n".join(lines) + "\n"


def _one_line(name: str) -> str:
    """A name in a comment, which a newline would end."""
    return " ".join(name.split())
