"""Runs the service until it is told to stop: its own socket, its own signals, sentences instead of tracebacks."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import signal
import socket
from urllib.parse import urlsplit

import uvicorn
from fastapi import FastAPI

from pcap_analyzer.errors import UsageError
from pcap_analyzer.settings import Settings
from pcap_analyzer.web.app import announce, create_app
from pcap_analyzer.web.opening import Opening
from pcap_analyzer.web.runtime import keep_files_private

GRACE_S = 15  # longer than anybody waits for a connection to the database
log = logging.getLogger(__name__)


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
    # A container listens on every address of its own and is reached through a port of its host's loopback.
    hosts = (settings.listen_host, urlsplit(settings.public_url).hostname or "")
    if any(map(is_loopback, hosts)) or settings.public_url.startswith("https://") or settings.insecure_http:
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
    async with Opening(settings) as opening:
        # The folder comes before the port: who starts the service twice by mistake needs no other port.
        runtime = await opening.in_order()
        with _listen(settings.listen_host, settings.listen_port) as listener:
            host = f"[{settings.listen_host}]" if ":" in settings.listen_host else settings.listen_host
            address = settings.public_url or f"http://{host}:{listener.getsockname()[1]}"
            app = create_app(settings, runtime, opening)
            config = uvicorn.Config(
                app,
                access_log=False,
                log_config=None,
                server_header=False,
                timeout_graceful_shutdown=GRACE_S,
            )
            # The server repeats a signal after its own shutdown; the default action would end the process before
            # running analyses are put back.
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda _number, _frame: None)
            server = uvicorn.Server(config)
            if runtime is not None:
                announce(runtime, address)
                await server.serve(sockets=[listener])
            else:
                log.warning("answering at %s that the database is waited for", address)
                await _serve_while_waiting(server, listener, app, address)


async def _serve_while_waiting(server: uvicorn.Server, listener: socket.socket, app: FastAPI, address: str) -> None:
    """Answer that the service waits until it does not; raises AppError, with the server ended, if it waits in vain."""
    opening: Opening = app.state.opening
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    opened = asyncio.create_task(opening.opened())
    await asyncio.wait([serving, opened], return_when=asyncio.FIRST_COMPLETED)
    if opened.done() and opened.exception() is None:
        app.state.runtime = opened.result()
        announce(opened.result(), address)
    elif opened.done():
        server.should_exit = True
    else:
        opened.cancel()
    await serving
    if opened.done():
        opened.result()


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
