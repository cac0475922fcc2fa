"""A real PgBouncer in front of a throwaway cluster."""

import signal
import socket
from types import TracebackType
from typing import Self

from tests import daemons
from tests.needs import program
from tests.postgres import APP, OWNER, Role, Server


class PgBouncer(Server):
    """Transaction mode, SCRAM on both sides; use it by `with`.

    `ignore_startup_parameters` is empty unless a test asks otherwise: a client that sends a parameter which PgBouncer
    does not know is refused. The superuser may ask the database `pgbouncer` for SHOW POOLS and the like.
    """

    def __init__(self, server: Server, *, pool_size: int = 4, ignore_startup_parameters: str = "") -> None:
        """`pool_size`: connections to the server for each database and role."""
        super().__init__("127.0.0.1", daemons.free_port(), server.superuser)
        self._folder = daemons.Folder("pgbouncer-of-tests-")
        roles = (server.superuser, OWNER, APP)
        users = self._folder.write("users.txt", "".join(map(_user_line, roles)))
        configuration = self._folder.write(
            "pgbouncer.ini",
            f"""[databases]
* = host={server.host} port={server.port}
[pgbouncer]
listen_addr = {self.host}
listen_port = {self.port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
admin_users = {server.superuser.name}
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 500
ignore_startup_parameters = {ignore_startup_parameters}
""",
        )
        command = [str(program("pgbouncer")), str(configuration)]
        self._daemon = daemons.Daemon(command, self._folder.path, signal.SIGTERM)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def start(self) -> None:
        """Returns once connections are accepted."""
        self._daemon.start(self._accepts)

    def stop(self) -> None:
        """Ends all connections at once."""
        self._daemon.stop(signal.SIGTERM)

    def remove(self) -> None:
        self._daemon.close(signal.SIGTERM)
        self._folder.remove()

    def log_text(self) -> str:
        return self._daemon.log_text()

    def _accepts(self) -> bool:
        try:
            socket.create_connection((self.host, self.port), timeout=1).close()
        except ConnectionRefusedError:
            return False
        return True


def _user_line(role: Role) -> str:
    quoted = role.password.replace('"', '""')
    return f'"{role.name}" "{quoted}"\n'
