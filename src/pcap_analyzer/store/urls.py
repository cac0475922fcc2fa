"""The only place that reads a database's URL: which database it names, how to reach it, and no password shown."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from sqlalchemy import URL

from pcap_analyzer.errors import UsageError

POSTGRES_PORT = 5432
QUERY = ("host", "sslmode", "ssl", "sslrootcert")
POSTGRES_SCHEMES = frozenset({"postgres", "postgresql"})


class SslMode(StrEnum):
    """How a connection is encrypted, in the words of libpq (PostgreSQL documentation, "SSL Support")."""

    DISABLE = "disable"
    PREFER = "prefer"
    REQUIRE = "require"
    VERIFY_CA = "verify-ca"
    VERIFY_FULL = "verify-full"


@dataclass(frozen=True)
class SqliteUrl:
    """A database in a file; `path` is absolute."""

    path: Path

    def engine_url(self, driver: Literal["sqlite+aiosqlite", "sqlite+pysqlite"] = "sqlite+aiosqlite") -> URL:
        return URL.create(driver, database=str(self.path))

    @property
    def shown(self) -> str:
        """The URL as people may read it."""
        return f"sqlite:///{self.path}"


@dataclass(frozen=True)
class PostgresUrl:
    """A database on a server; `host` that begins with a slash is the folder of a Unix socket."""

    host: str
    port: int
    database: str
    user: str | None
    password: str | None = field(repr=False)
    ssl_mode: SslMode = SslMode.PREFER
    ssl_root_cert: Path | None = None

    def engine_url(self) -> URL:
        return URL.create(
            "postgresql+asyncpg",
            username=self.user,
            password=self.password,
            host=None if self.is_socket else self.host,
            port=None if self.is_socket else self.port,
            database=self.database,
        )

    @property
    def shown(self) -> str:
        """The URL as people may read it: without the password."""
        secret = "" if self.password is None else ":***"
        who = "" if self.user is None else f"{self.user}{secret}@"
        host = f"[{self.host}]" if ":" in self.host else self.host
        where = f"/{self.database}?host={self.host}" if self.is_socket else f"{host}:{self.port}/{self.database}"
        return f"postgresql://{who}{where}"

    @property
    def is_socket(self) -> bool:
        return self.host.startswith("/")

    @property
    def is_local(self) -> bool:
        """Whether the connection stays on this machine."""
        if self.is_socket or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def warning(self) -> str | None:
        """What somebody on the way could do to this connection, in a sentence; None when nothing."""
        if self.is_local or self.ssl_mode is SslMode.VERIFY_FULL:
            return None
        if self.ssl_mode in (SslMode.DISABLE, SslMode.PREFER):
            danger = "may travel in clear text, passwords and all"
        else:
            danger = "is encrypted, but whoever is on the way can pose as the server"
        return (
            f"The connection to the database on {self.host} {danger} (sslmode {self.ssl_mode.value}): "
            "set DATABASE_SSL_MODE=verify-full."
        )

    def ssl(self) -> ssl.SSLContext | str | bool:
        """What asyncpg takes as `ssl`. Raises UsageError for a root certificate that cannot be read."""
        match self.ssl_mode:
            case SslMode.DISABLE:
                return False
            case SslMode.PREFER:
                return "prefer"
        try:
            context = ssl.create_default_context(cafile=None if self.ssl_root_cert is None else str(self.ssl_root_cert))
        except OSError as error:
            raise UsageError(f"The root certificate {self.ssl_root_cert} cannot be read: {error}.") from error
        context.check_hostname = self.ssl_mode is SslMode.VERIFY_FULL
        # libpq verifies the chain with `require` too where a root certificate is named.
        if self.ssl_mode is SslMode.REQUIRE and self.ssl_root_cert is None:
            context.verify_mode = ssl.CERT_NONE
        return context


DatabaseUrl = SqliteUrl | PostgresUrl


@dataclass(frozen=True)
class DatabaseUrls:
    """Where the database is: for requests, past any pooler for migrations and locks, and a copy to read from."""

    main: DatabaseUrl
    direct: DatabaseUrl
    replica: PostgresUrl | None = None


def parse_url(text: str, *, data_dir: Path, ssl_mode: str = "", name: str = "DATABASE_URL") -> DatabaseUrl:
    """`sqlite:///relative`, `sqlite:////absolute`, `postgres://…`, `postgresql://…`, with or without a driver.

    Empty: the file in the data folder. `ssl_mode` holds where the URL says nothing. Raises UsageError, in which
    `name` is the setting and no password occurs.
    """
    if not text:
        return SqliteUrl((data_dir / "pcap_analyzer.db").absolute())
    scheme, separator, rest = text.partition("://")
    backend = scheme.lower().partition("+")[0]
    if not separator:
        raise UsageError(f"{name} is no database URL; write sqlite:///path/to/file.db or postgresql://user@host/name")
    if backend == "sqlite":
        return _sqlite(rest, name)
    if backend in POSTGRES_SCHEMES:
        return _postgres(_split(rest, name), ssl_mode, name)
    raise UsageError(f"{name} begins with neither sqlite:// nor postgresql://, which this program works with")


def parse_urls(main: str, direct: str, replica: str, *, data_dir: Path, ssl_mode: str = "") -> DatabaseUrls:
    """The three settings together; raises UsageError where they do not fit."""
    first = parse_url(main, data_dir=data_dir, ssl_mode=ssl_mode)
    if isinstance(first, SqliteUrl):
        if direct or replica:
            raise UsageError("DATABASE_DIRECT_URL and DATABASE_REPLICA_URL go with a DATABASE_URL of PostgreSQL alone")
        return DatabaseUrls(first, first)
    past = parse_url(direct, data_dir=data_dir, ssl_mode=ssl_mode, name="DATABASE_DIRECT_URL") if direct else first
    copy = parse_url(replica, data_dir=data_dir, ssl_mode=ssl_mode, name="DATABASE_REPLICA_URL") if replica else None
    if isinstance(past, SqliteUrl) or isinstance(copy, SqliteUrl):
        raise UsageError("DATABASE_DIRECT_URL and DATABASE_REPLICA_URL name the same PostgreSQL as DATABASE_URL")
    return DatabaseUrls(first, past, copy)


def _sqlite(rest: str, name: str) -> SqliteUrl:
    path = unquote(rest.partition("?")[0].removeprefix("/"))
    if path in ("", ":memory:"):
        raise UsageError(f"{name} names no file; write sqlite:///path/to/file.db")
    return SqliteUrl(Path(path).absolute())


def _split(rest: str, name: str) -> SplitResult:
    try:
        return urlsplit(f"postgresql://{rest}")
    except ValueError:
        raise UsageError(f"{name} cannot be read; quote # / ? [ ] in its password") from None


def _postgres(parts: SplitResult, ssl_mode: str, name: str) -> PostgresUrl:
    query = _query(parts, name)
    # The last @ ends the password, so that one which holds @ or : unquoted still works.
    credentials, _, _ = parts.netloc.rpartition("@")
    user, colon, password = credentials.partition(":")
    try:
        host = query.get("host") or (unquote(parts.hostname) if parts.hostname else "localhost")
        port = parts.port or POSTGRES_PORT
    except ValueError:
        raise UsageError(f"{name} names no port between 0 and 65535; quote # / ? [ ] in its password") from None
    database = unquote(parts.path.removeprefix("/"))
    if not database:
        raise UsageError(f"{name} names no database; write postgresql://user@host/name")
    root = query.get("sslrootcert")
    return PostgresUrl(
        host=host,
        port=port,
        database=database,
        user=unquote(user) or None,
        password=unquote(password) if colon else None,
        ssl_mode=_ssl_mode(query.get("sslmode") or query.get("ssl") or ssl_mode, name),
        ssl_root_cert=None if root is None else Path(root),
    )


def _query(parts: SplitResult, name: str) -> Mapping[str, str]:
    if parts.fragment:
        raise UsageError(f"{name} has a # in it: quote it in the password as %23")
    query = dict(parse_qsl(parts.query))
    if query.keys() - set(QUERY):
        # They are not named: after a ? that is not quoted they are pieces of the password.
        raise UsageError(f"{name} has parameters besides {', '.join(QUERY)}; write a ? in its password as %3F")
    return query


def _ssl_mode(word: str, name: str) -> SslMode:
    try:
        return SslMode(word) if word else SslMode.PREFER
    except ValueError:
        raise UsageError(f"{name}: sslmode {word!r} is none of {', '.join(SslMode)}") from None
