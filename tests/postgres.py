"""Throwaway PostgreSQL: clusters that tests start, and databases on them or on a server that was given.

with Cluster() as cluster:
    database = cluster.create_database()
    with cluster.replica(apply_delay_ms=500) as replica:
        there = replica.database(database.name)
"""

import secrets
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self
from urllib.parse import quote, unquote, urlsplit

from tests import daemons
from tests.needs import program

PSQL_WITHIN_S = 120.0
STOP_SIGNALS: Mapping[str, signal.Signals] = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}


@dataclass(frozen=True)
class Role:
    """Passwords hold what URLs, ini files and configuration files quote differently."""

    name: str
    password: str


SUPERUSER = Role("postgres", "super%40@:/p'w")
OWNER = Role("pcap_owner", "own%er@:/25%?#&p w")
APP = Role("pcap_app", "a%pp@:/40%+=p;w")


@dataclass(frozen=True)
class PgDatabase:
    """`postgresql://` URLs of the role that owns the schema and of the app's, which may not alter it."""

    owner_url: str
    app_url: str
    name: str


class Server:
    """A running server that makes databases; the roles of the owner and of the app are on it."""

    def __init__(self, host: str, port: int, superuser: Role) -> None:
        self.host = host
        self.port = port
        self.superuser = superuser

    def url(self, role: Role, database: str) -> str:
        user, password = (quote(part, safe="") for part in (role.name, role.password))
        return f"postgresql://{user}:{password}@{self.host}:{self.port}/{database}"

    def database(self, name: str) -> PgDatabase:
        """The URLs of a database, whether it exists or not: of the primary's on a replica, for example."""
        return PgDatabase(owner_url=self.url(OWNER, name), app_url=self.url(APP, name), name=name)

    def create_database(self, name: str | None = None, template: str | None = None) -> PgDatabase:
        """A database of the owner's; a template must have no connection open."""
        name = name or f"test_{secrets.token_hex(6)}"
        copied = f' TEMPLATE "{template}"' if template else ""
        self.psql(f'CREATE DATABASE "{name}" OWNER {OWNER.name}{copied}')
        return self.database(name)

    def drop_database(self, name: str) -> None:
        """Ends its connections first."""
        self.psql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def psql(self, sql: str, database: str = "postgres", role: Role | None = None) -> str:
        """What the statements print, fields divided by |. They run one by one, outside of a transaction.

        The superuser runs them where no role is given. Raises RuntimeError with the server's sentence.
        """
        role = role or self.superuser
        done = subprocess.run(
            [_binary("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-f", "-"],
            check=False,
            input=sql,
            env={
                "PGHOST": self._psql_host(),
                "PGPORT": str(self.port),
                "PGUSER": role.name,
                "PGPASSWORD": role.password,
                "PGDATABASE": database,
                "PGCLIENTENCODING": "UTF8",
            },
            capture_output=True,
            text=True,
            timeout=PSQL_WITHIN_S,
        )
        if done.returncode:
            raise RuntimeError(done.stderr.strip())
        return done.stdout.strip()

    def create_roles(self) -> None:
        """Make the roles that are missing; raises RuntimeError where one is there with another password."""
        there = self.psql("SELECT rolname FROM pg_roles").splitlines()
        for role in (OWNER, APP):
            if role.name not in there:
                self.psql(f"CREATE ROLE {role.name} LOGIN PASSWORD '{role.password}'")
            self.psql("SELECT 1", role=role)

    def _psql_host(self) -> str:
        return self.host


def given_server(url: str) -> Server:
    """The server of TEST_DATABASE_URL, whose user must be a superuser. The two roles stay on it."""
    parts = urlsplit(url)
    superuser = Role(unquote(parts.username or "postgres"), unquote(parts.password or ""))
    server = Server(parts.hostname or "127.0.0.1", parts.port or 5432, superuser)
    server.create_roles()
    return server


class Cluster(Server):
    """A cluster of its own: on a loopback port and a socket in its folder, both with SCRAM passwords.

    It is made and started by `with` or `create()`, and gone after `with` or `remove()`.
    """

    def __init__(self, *, durable: bool = False, settings: Mapping[str, str] | None = None) -> None:
        """`durable`: commits wait for the disk, as by default on a server; `settings` go over ours."""
        super().__init__("127.0.0.1", daemons.free_port(), SUPERUSER)
        self._folder = daemons.Folder("postgres-of-tests-")
        self.folder = self._folder.path
        self.data = self.folder / "data"
        self._settings = {**_settings(self, durable=durable), **(settings or {})}
        command = [_binary("postgres"), "-D", str(self.data)]
        self._daemon = daemons.Daemon(command, self.folder, STOP_SIGNALS["immediate"])

    def __enter__(self) -> Self:
        try:
            self.create()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    @property
    def pid(self) -> int:
        return self._daemon.pid

    def create(self) -> None:
        self._make_data()
        with (self.data / "postgresql.conf").open("a") as file:
            for name, value in self._settings.items():
                file.write("{} = '{}'\n".format(name, value.replace("'", "''")))
        self.start()
        self._prepare()

    def start(self) -> None:
        """Returns once connections are accepted."""
        self._daemon.start(self._accepts)

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """`fast` ends all connections and writes everything; `immediate` leaves it to recovery at the next start."""
        self._daemon.stop(STOP_SIGNALS[mode])

    def crash(self) -> None:
        self.stop("immediate")

    def restart(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """The port stays."""
        self.stop(mode)
        self.start()

    @contextmanager
    def hung(self) -> Iterator[None]:
        """It accepts connections and answers nobody: all of its processes stand still."""
        pids = [str(self.pid), *self._children()]
        _signal("STOP", pids)
        try:
            yield
        finally:
            _signal("CONT", pids)

    def _children(self) -> list[str]:
        return subprocess.check_output(["ps", "--ppid", str(self.pid), "-o", "pid="], text=True).split()

    def remove(self) -> None:
        self._daemon.close(STOP_SIGNALS["immediate"])
        self._folder.remove()

    def log_text(self) -> str:
        """Everything that the server has logged, lock waits and deadlocks included."""
        return self._daemon.log_text()

    def replica(self, apply_delay_ms: int = 0) -> "Cluster":
        """A streaming replica of this running cluster, which shows a commit when it is that old; use it by `with`."""
        return _Replica(self, apply_delay_ms)

    def _make_data(self) -> None:
        password = self._folder.write("password", SUPERUSER.password)
        command = [_binary("initdb"), "-D", str(self.data), "-U", SUPERUSER.name, "--pwfile", str(password)]
        command += ["-A", "scram-sha-256", "-E", "UTF8", "--no-sync", "--no-instructions"]
        # Texts are ordered as in most deployments, which is not the order of their bytes.
        command += ["--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"]
        daemons.run(command, self.folder, {})

    def _prepare(self) -> None:
        self.create_roles()

    def _accepts(self) -> bool:
        """As pg_ctl does it: the eighth line of the pid file is the server's word."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def _psql_host(self) -> str:
        return str(self.folder)


class _Replica(Cluster):
    def __init__(self, primary: Cluster, apply_delay_ms: int) -> None:
        super().__init__(settings={"recovery_min_apply_delay": f"{apply_delay_ms}ms"})
        self._primary = primary

    def _make_data(self) -> None:
        command = [_binary("pg_basebackup"), "-D", str(self.data), "-R", "-X", "stream", "-c", "fast", "--no-sync"]
        command += ["-h", self._primary.host, "-p", str(self._primary.port), "-U", SUPERUSER.name]
        daemons.run(command, self.folder, {"PGPASSWORD": SUPERUSER.password})

    def _prepare(self) -> None:
        """The roles come from the primary."""


def _settings(cluster: Cluster, *, durable: bool) -> dict[str, str]:
    careless = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    return {
        "listen_addresses": cluster.host,
        "port": str(cluster.port),
        "unix_socket_directories": str(cluster.folder),
        "max_connections": "200",
        "shared_buffers": "32MB",
        "log_lock_waits": "on",
        "deadlock_timeout": "1s",
        "log_min_messages": "warning",
        "log_line_prefix": "%m [%p] %q%u@%d %a ",
        "wal_keep_size": "64MB",  # a replica may be away for a while
        "timezone": "Asia/Kolkata",  # whoever relies on the server's zone being UTC finds out
        **({} if durable else careless),
    }


def _signal(name: str, pids: list[str]) -> None:
    """Some of them may have ended meanwhile."""
    subprocess.run(["kill", f"-{name}", *pids], check=False, stderr=subprocess.DEVNULL)


def _binary(name: str) -> str:
    """A program of the newest PostgreSQL that is installed; psql alone may be there without a server."""
    server = program("postgresql")
    return str(server.with_name(name)) if server else name
