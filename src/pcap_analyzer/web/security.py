"""The gate that every route lies behind, the check of where a request comes from, the headers of every answer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from fastapi import Request, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pcap_analyzer.errors import DatabaseUnreachable, Forbidden, NotAuthenticated
from pcap_analyzer.services import accounts
from pcap_analyzer.services.accounts import Identity
from pcap_analyzer.settings import Settings
from pcap_analyzer.store.session import AsyncSession
from pcap_analyzer.web.runtime import Runtime

PUBLIC = frozenset(
    {"/login", "/logout", "/register", "/waiting", "/setup/{token}", "/health/live", "/health/ready", "/metrics"}
)
"""Every route that answers somebody who was not let in; all others are closed to them."""

WITHOUT_RUNTIME = frozenset({"/health/live", "/health/ready", "/metrics"})
"""Of those, what machines ask, also while the service waits for its database; nobody is recognised there."""

RECEIPT_LIFE_S = 30 * 86_400
ADMIN_PREFIX = "/admin/"
ADMIN_ROUTES = frozenset({"/api/v1/users"})
"""What administrators alone may ask outside of ADMIN_PREFIX."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)


async def gate(request: Request) -> None:
    """Deny by default: who was let in may pass, others reach the public routes alone.

    The status is read from the database on every request. Raises Forbidden or NotAuthenticated.
    """
    runtime: Runtime | None = request.app.state.runtime
    request.state.identity, request.state.pending_count = None, 0
    path = request.scope["route"].path
    if path in WITHOUT_RUNTIME:
        return
    if runtime is None:
        raise DatabaseUnreachable(f"The service is not ready yet. {request.app.state.opening.waits_for}")
    if request.method not in SAFE_METHODS and not comes_from_here(request, runtime.settings):
        raise Forbidden("This request came from another site, or does not say where it comes from.")
    identity = await recognise(request)
    if path in PUBLIC:
        return
    if identity is None:
        raise NotAuthenticated("Log in to see this.")
    if not identity.is_active:
        raise Forbidden(f"Your account is {identity.status.word}: an administrator has to let you in.")
    is_for_admins = path in ADMIN_ROUTES or request.url.path.startswith(ADMIN_PREFIX)
    if is_for_admins and not identity.is_admin:
        raise Forbidden("Only administrators may see this.")


async def recognise(request: Request) -> Identity | None:
    """Who asks, noted for the frame of the page, with the number of people who wait where that is theirs to know."""
    request.state.identity, request.state.pending_count = None, 0
    runtime: Runtime | None = request.app.state.runtime
    if runtime is not None:
        request.state.identity = await _identify(request, runtime)
    identity: Identity | None = request.state.identity
    return identity


async def _identify(request: Request, runtime: Runtime) -> Identity | None:
    token = request.cookies.get(cookie_name(runtime.settings))
    if not token:
        return None
    now = datetime.now(UTC)

    async def look(session: AsyncSession) -> tuple[tuple[Identity, bool] | None, int]:
        found = await accounts.identify(session, token, now)
        asks_an_admin = found is not None and found[0].is_admin
        return found, await accounts.count_pending(session) if asks_an_admin else 0

    found, request.state.pending_count = await runtime.database.read(look)
    if found is None:
        return None
    identity, stale = found
    if stale:
        await _touch(runtime, identity, now)
    return identity


async def _touch(runtime: Runtime, identity: Identity, now: datetime) -> None:
    async def touch(session: AsyncSession) -> bool:
        await accounts.touch(session, identity, now)
        return True

    await runtime.database.write(touch, landed=touched)


async def touched(_session: AsyncSession) -> bool:
    """A minute later it is noted again, so nobody has to know whether it was this time."""
    return True


def comes_from_here(request: Request, settings: Settings) -> bool:
    """Whether a browser says that this site's own page, or the person's own hand, sent the request.

    Sec-Fetch-Site cannot be set by script; browsers leave it out on plain HTTP to other hosts, where Origin decides.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin, host = request.headers.get("origin"), request.headers.get("host")
    if not origin or not host:
        return False
    return origin in (settings.public_url, f"http://{host}", f"https://{host}")


def cookie_name(settings: Settings) -> str:
    """`__Host-` binds the cookie to this host over TLS or loopback; without TLS browsers would drop it silently."""
    return "session" if settings.insecure_http else "__Host-session"


def set_session_cookie(response: Response, token: str, settings: Settings) -> None:
    response.set_cookie(
        cookie_name(settings), token, path="/", secure=not settings.insecure_http, httponly=True, samesite="lax"
    )


def clear_session_cookie(response: Response, settings: Settings) -> None:
    response.delete_cookie(
        cookie_name(settings), path="/", secure=not settings.insecure_http, httponly=True, samesite="lax"
    )


def receipt_name(settings: Settings) -> str:
    return "request" if settings.insecure_http else "__Host-request"


def set_receipt_cookie(response: Response, receipt: str, settings: Settings) -> None:
    """A cookie that tells /waiting whose request this browser sent."""
    response.set_cookie(
        receipt_name(settings),
        receipt,
        max_age=RECEIPT_LIFE_S,
        path="/",
        secure=not settings.insecure_http,
        httponly=True,
        samesite="lax",
    )


def security_headers(settings: Settings) -> Mapping[str, str]:
    headers = {
        "Content-Security-Policy": POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    }
    if settings.public_url.startswith("https://"):
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return headers


class Headers:
    """Adds the security headers to every answer, and no-store to every answer that does not say how it is cached."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._headers = [(name.lower().encode(), value.encode()) for name, value in security_headers(settings).items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", []))
                present = {name for name, _ in headers}
                headers += [header for header in self._headers if header[0] not in present]
                if b"cache-control" not in present:
                    headers.append((b"cache-control", b"no-store"))
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, sending if scope["type"] == "http" else send)
