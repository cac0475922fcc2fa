"""What else must be known before a database is changed: that both URLs lead to it, and that no service is on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from pcap_analyzer.errors import Conflict, DatabaseUnavailable, UsageError
from pcap_analyzer.store.connections import on_connection, service_connection
from pcap_analyzer.store.engines import APPLICATION, EngineOptions
from pcap_analyzer.store.urls import DatabaseUrl, DatabaseUrls, PostgresUrl

IDENTITY = text(
    """
    SELECT current_database()::text AS name,
           (SELECT oid FROM pg_database WHERE datname = current_database())::bigint AS number,
           pg_postmaster_start_time() AS server_began_at, pg_is_in_recovery() AS is_replica,
           has_function_privilege('pg_control_system()', 'EXECUTE') AS may_ask
    """
)
SYSTEM = text("SELECT system_identifier FROM pg_control_system()")
SERVICES = text(
    """
    SELECT count(*) FILTER (WHERE application_name = :dispatcher), count(*) FILTER (WHERE application_name = :requests)
    FROM pg_stat_activity WHERE datname = current_database()
    """
)


@dataclass(frozen=True)
class Identity:
    """What tells a database of PostgreSQL from every other one, whatever name or address leads to it."""

    name: str
    number: int  # its oid
    cluster: int | None  # copies of a whole server share it; None: not told
    server_began_at: datetime
    is_replica: bool

    def is_of(self, other: Identity) -> bool:
        if (self.name, self.number, self.cluster) != (other.name, other.number, other.cluster):
            return False
        if self.cluster is not None and (self.is_replica or other.is_replica):
            return True  # a pooler may ask a copy that follows
        return self.server_began_at == other.server_began_at


async def refuse_two_databases(urls: DatabaseUrls, options: EngineOptions, *, patient: bool = False) -> None:
    """Raise UsageError where DATABASE_URL and DATABASE_DIRECT_URL lead to two databases.

    `patient`: where one cannot be asked its error is raised. Else names that agree will do: before the first upgrade
    the service's role may have no right to connect yet, and a backup must not need a pooler.
    """
    main, direct = urls.main, urls.direct
    if not isinstance(main, PostgresUrl) or not isinstance(direct, PostgresUrl) or main == direct:
        return
    there = await on_connection(direct, "start", _identity)
    try:
        here = await _of_service(main, options)
    except DatabaseUnavailable:
        if patient:
            raise
        if main.database == direct.database:
            return
        raise _two(main, direct) from None
    # A server that has begun anew between the two questions is none other.
    if not here.is_of(there) and not here.is_of(await on_connection(direct, "start", _identity)):
        raise _two(main, direct)


def _two(main: PostgresUrl, direct: PostgresUrl) -> UsageError:
    return UsageError(
        f"DATABASE_URL and DATABASE_DIRECT_URL lead to two databases, {main.shown} and {direct.shown}: both have to "
        "name the one that the service uses. Nothing was changed."
    )


async def _of_service(url: PostgresUrl, options: EngineOptions) -> Identity:
    async with service_connection(url, options) as connection:
        return await connection.run_sync(_identity)


def _identity(connection: Connection) -> Identity:
    found = connection.execute(IDENTITY).mappings().one()
    cluster = connection.scalar(SYSTEM) if found["may_ask"] else None
    return Identity(found["name"], found["number"], cluster, found["server_began_at"], found["is_replica"])


async def refuse_while_served(url: DatabaseUrl, options: EngineOptions) -> None:
    """Raise Conflict while processes of the service have connections to a database on a server."""
    if isinstance(url, PostgresUrl):
        await on_connection(url, "start", lambda connection: _refuse_services(connection, pooled=options.pgbouncer))


async def refuse_services(connection: AsyncConnection, options: EngineOptions) -> None:
    """The same by a connection that is there; it is in no transaction afterwards."""
    await connection.run_sync(lambda sync: _refuse_services(sync, pooled=options.pgbouncer))


def _refuse_services(connection: Connection, *, pooled: bool) -> None:
    """Each process has one connection of its dispatcher, which passes a pooler by; a pooler keeps the others open."""
    names = {"dispatcher": f"{APPLICATION} dispatcher", "requests": APPLICATION}
    dispatchers, requests = connection.execute(SERVICES, names).one()
    connection.rollback()
    sessions = dispatchers if pooled else dispatchers + requests
    if sessions:
        raise Conflict(
            f"The service runs on this database: {sessions} of its sessions are open. Stop every process of it first. "
            "Nothing was changed."
        )
