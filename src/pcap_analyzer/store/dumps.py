"""Backups of PostgreSQL by its own programs: pg_dump writes, pg_restore reads, psql puts back in one transaction."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection, text

from pcap_analyzer.errors import Conflict, DatabaseUnavailable, StorageUnavailable, UnknownSchema, UsageError
from pcap_analyzer.store import locks, neighbours, scratch
from pcap_analyzer.store.connections import on_connection, tool_connection
from pcap_analyzer.store.engines import EngineOptions
from pcap_analyzer.store.restoring import appear, check_revision
from pcap_analyzer.store.urls import PostgresUrl, SslMode

MAGIC = b"PGDMP"
CHUNK_BYTES = 1 << 20
#: Owners and rights are those of whoever restores: `db grants` gives the service its rights again.
PORTABLE = ("--no-owner", "--no-privileges", "--no-comments")


async def save(url: PostgresUrl, target: Path) -> None:
    """A dump of the database at `target`, which must not be there, read back whole before it has that name.

    Raises UsageError where the programs are missing or too old, DatabaseUnavailable with what they say, Conflict.
    """
    server = await on_connection(url, "backup", _server_major)
    pg_dump, pg_restore = _program("pg_dump", server), _program("pg_restore", server)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        part.touch(mode=0o600, exist_ok=False)
        _run([pg_dump, "--format=custom", *PORTABLE, "--no-password", "--file", str(part)], environment(url))
        _run([pg_restore, "--file=/dev/null", str(part)], environment(url))
        appear(part, target)
    except OSError as error:
        raise StorageUnavailable(f"{target} cannot be written: {error.strerror}.") from error
    finally:
        part.unlink(missing_ok=True)


async def restore(dump: Path, url: PostgresUrl, options: EngineOptions, *, clean: bool) -> str:
    """Fill an empty database from a dump, or, with `clean`, drop first what is in it; returns the revision.

    All of it is one transaction: a dump that breaks off changes nothing. No upgrade runs meanwhile. Raises Conflict for
    a database that is not empty or that a service uses, UnknownSchema or DatabaseUnavailable for what is no dump of
    ours.
    """
    server = await on_connection(url, "restore", _server_major)
    psql, pg_restore = _program("psql", server), _program("pg_restore", server)
    revision = _revision(pg_restore, dump)
    check_revision(dump, revision)
    async with tool_connection(url, "restore") as alone:
        await locks.take_advisory_lock(alone)
        await neighbours.refuse_services(alone, options)
        there = await scratch.made_in(url)
        if there and not clean:
            raise Conflict(
                f"{url.shown} is not empty ({', '.join(made.name for made in there[:5])}). Restore into an empty "
                "database, or replace what is in this one with --clean, while no service uses it. Nothing was changed."
            )
        drops = [f"DROP {made.word} IF EXISTS {made.called} CASCADE;" for made in there]
        await asyncio.to_thread(_pour, [pg_restore, *PORTABLE, "--file=-", str(dump)], psql, drops, url)
    return revision


def _revision(pg_restore: str, dump: Path) -> str:
    try:
        with dump.open("rb") as file:
            magic = file.read(len(MAGIC))
    except OSError as error:
        raise UsageError(f"{dump} cannot be read: {error.strerror}.") from error
    if magic != MAGIC:
        raise UnknownSchema(f"{dump} is no dump in pg_dump's custom format. Nothing was changed.")
    command = [pg_restore, "--data-only", "--table=alembic_version", "--file=-", str(dump)]
    try:
        said = _run(command, _plain())
    except DatabaseUnavailable as error:
        raise DatabaseUnavailable(f"{dump} is no backup that can be used: {error} Nothing was changed.") from error
    found = re.search(r"^COPY \S*alembic_version .*\n(\w+)$", said, re.MULTILINE)
    if found is None:
        raise UnknownSchema(f"{dump} names no revision of this program. Nothing was changed.")
    return found[1]


def _pour(reader: Sequence[str], psql: str, first: Sequence[str], url: PostgresUrl) -> None:
    """What the reader prints, after `first`, into one transaction that is committed when the reader came to its end."""
    writer = [psql, "-X", "--quiet", "--no-password", "--set", "ON_ERROR_STOP=1", "--file=-"]
    with (
        subprocess.Popen(reader, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=_plain()) as source,
        subprocess.Popen(
            writer,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment(url),
        ) as target,
    ):
        assert source.stdout is not None
        assert source.stderr is not None
        assert target.stdin is not None
        assert target.stderr is not None
        try:
            target.stdin.write("\n".join(["BEGIN;", "SET LOCAL lock_timeout = '10s';", *first, ""]).encode())
            shutil.copyfileobj(source.stdout, target.stdin, CHUNK_BYTES)
            broken_off = source.stderr.read().decode(errors="replace")
            if source.wait() == 0:
                target.stdin.write(b"\nCOMMIT;\n")
            target.stdin.close()
        except BrokenPipeError:  # psql met an error, which it tells
            broken_off = ""
        source.kill()
        refused = target.stderr.read().decode(errors="replace")
        target.wait()
    if target.returncode or source.returncode:
        said = _first_line(refused) or _first_line(broken_off)
        raise DatabaseUnavailable(f"The backup could not be restored: {said}. Nothing was changed.")


def _server_major(connection: Connection) -> int:
    return int(connection.scalar(text("SELECT current_setting('server_version_num')::int / 10000")) or 0)


def _program(name: str, server: int) -> str:
    """Where a client program is that is not older than the server."""
    found = shutil.which(name)
    if found is None:
        raise UsageError(
            f"{name} is not installed: install PostgreSQL's client programs, {server} or newer, and have them in PATH."
        )
    said = re.search(r"\) (\d+)", _run([found, "--version"], _plain()))
    version = int(said[1]) if said else 0
    if version < server:
        raise UsageError(f"{name} is of version {version} and the server of {server}: install one that is not older.")
    return found


def _run(command: Sequence[str], env: dict[str, str]) -> str:
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode:
        said = _first_line(done.stderr.decode(errors="replace"))
        raise DatabaseUnavailable(f"{Path(command[0]).name} failed: {said}.")
    return done.stdout.decode(errors="replace")


def _first_line(said: str) -> str:
    """The first error of a program of PostgreSQL, without its name and place."""
    lines = [line for line in said.splitlines() if "error:" in line.lower() or "fatal:" in line.lower()]
    first = (lines or said.splitlines() or [""])[0]
    return re.sub(r"^.*?(?:error|ERROR|FATAL):\s+", "", first).rstrip(".")


def _plain() -> dict[str, str]:
    """The environment without whatever names another server."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def environment(url: PostgresUrl) -> dict[str, str]:
    """How libpq reaches the database; others can read the arguments of a program, and not its environment."""
    given = {
        "PGHOST": url.host,
        "PGPORT": str(url.port),
        "PGDATABASE": url.database,
        "PGSSLMODE": url.ssl_mode.value,
        "PGAPPNAME": "pcap-analyzer backup",
        "PGCONNECT_TIMEOUT": "5",
        "PGCLIENTENCODING": "UTF8",
    }
    if url.user is not None:
        given["PGUSER"] = url.user
    if url.password is not None:
        given["PGPASSWORD"] = url.password
    root = url.ssl_root_cert or ssl.get_default_verify_paths().cafile
    if root is not None and (url.ssl_root_cert or url.ssl_mode in (SslMode.VERIFY_CA, SslMode.VERIFY_FULL)):
        given["PGSSLROOTCERT"] = str(root)
    return {**_plain(), **given}
