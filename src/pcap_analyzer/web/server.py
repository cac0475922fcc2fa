"""Runs the service until it is told to stop: its own socket, its own signals, sentences instead of tracebacks."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import signal
import socket

import uvicorn

from pcap_analyzer.errors import UsageError
from pcap_analyzer.settings import Settings
from pcap_analyzer.web.app import announce, create_app
from pcap_analyzer.web.runtime import keep_files_private, open_runtime

GRACE_S = 5


def run(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C; returns then. Raises AppError with what prevents it."""
    refuse_unknown_host(settings.listen_host)
    refuse_clear_text(settings)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    # It warns of every malformed form that a stranger sends.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    keep_files_private()
    asyncio.run(_serve(settings))


def refuse_unknown_host(host: str) -> None:
    """Raise UsageError for a name that leads nowhere, before anything is said about serving it."""
    try:
        socket.getaddrinfo(host, None)
    except (OSError, UnicodeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise UsageError(
            f"There is no address for the host {host!r}: {reason}. --host takes an address of this machine."
        ) from error


def refuse_clear_text(settings: Settings) -> None:
    """Raise UsageError where browsers would drop the login cookie, because it may travel over TLS or loopback alone.

    The ways out are the error's notes, one each.
    """
    if is_loopback(settings.listen_host) or settings.public_url.startswith("https://") or settings.insecure_http:
        return
    port = settings.listen_port
    error = UsageError(
        f"{settings.listen_host} is not served without TLS: passwords and captures would travel in clear text, and "
        "browsers would refuse the login. Ways out:"
    )
    error.add_note("For a team: a reverse proxy with TLS; keep --host 127.0.0.1 and set PUBLIC_URL=https://your.name")
    error.add_note(f"For yourself: an SSH tunnel to this machine; ssh -L {port}:127.0.0.1:{port} this-server")
    error.add_note("Among people you trust: --insecure-http; whoever is on the way can read and change everything")
    raise error


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def _serve(settings: Settings) -> None:
    # The folder comes before the port: who starts the service twice by mistake needs no other port.
    async with open_runtime(settings) as runtime:
        with _listen(settings.listen_host, settings.listen_port) as listener:
            config = uvicorn.Config(
                create_app(settings, runtime),
                access_log=False,
                log_config=None,
                server_header=False,
                timeout_graceful_shutdown=GRACE_S,
            )
            # The server repeats a signal after its own shutdown; the default action would end the process before
            # running analyses are put back.
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda _number, _frame: None)
            host = f"[{settings.listen_host}]" if ":" in settings.listen_host else settings.listen_host
            announce(runtime, settings.public_url or f"http://{host}:{listener.getsockname()[1]}")
            await uvicorn.Server(config).serve(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Naming TCP lets asyncio switch Nagle's algorithm off: with it each small answer waits 40 ms for an ACK.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"{host}:{port} cannot be listened on: {reason}. Choose another with --port.") from error
    return listener
