"""The one place that turns a failure into an answer: a page for people, problem+json (RFC 9457) for programs."""

from __future__ import annotations

import logging
import secrets
from contextlib import suppress
from http import HTTPStatus
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.exceptions import HTTPException

from pcap_analyzer.errors import (
    AppError,
    Conflict,
    DatabaseUnavailable,
    Forbidden,
    NotAuthenticated,
    NotFound,
    StorageFull,
    StorageUnavailable,
    UsageError,
)
from pcap_analyzer.web.security import recognise, security_headers
from pcap_analyzer.web.templating import render
from pcap_analyzer.web.views import ErrorView

RETRY_AFTER_S = 5
log = logging.getLogger(__name__)

#: Where to look for what was not found, by the beginning of its address.
WHERE_TO_LOOK = (
    ("/tasks/", "Look for it in the list of analyses."),
    ("/admin/users/", "Look at the list of users how it stands now."),
    ("/setup/", "If an administrator exists already, log in, or ask for access."),
    ("", "Check the address: it may have been cut or mistyped."),
)
WHAT_TO_DO: tuple[tuple[type[AppError], str], ...] = (
    (Forbidden, "If you think that you should see this, ask an administrator."),
    (Conflict, "Load the page again to see how it stands now."),
    (StorageFull, "Delete analyses that nobody needs any more, or ask an administrator for more room."),
    (StorageUnavailable, "Ask an administrator to look at the data folder of the server."),
    (DatabaseUnavailable, "Try again in a minute; if it stays, ask an administrator."),
    (UsageError, "Go back, change it and try again."),
)


def register(app: FastAPI) -> None:
    app.add_exception_handler(AppError, on_app_error)
    app.add_exception_handler(HTTPException, on_http_exception)
    app.add_exception_handler(RequestValidationError, on_invalid_request)
    app.add_exception_handler(Exception, on_mistake)


async def on_app_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, AppError):
        raise error
    elsewhere = _way_in(request, error)
    if elsewhere is not None:
        return RedirectResponse(elsewhere, HTTPStatus.SEE_OTHER)
    error_id = secrets.token_hex(4)
    if error.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("%s %s: %s (error %s)", request.method, _route(request), error, error_id)
    hints = WHERE_TO_LOOK if isinstance(error, NotFound) else ()
    advice = next((text for beginning, text in hints if request.url.path.startswith(beginning)), None)
    advice = advice or next((text for kind, text in WHAT_TO_DO if isinstance(error, kind)), None)
    kept = "Everything that was uploaded and analysed before is kept." if error.http_status >= 500 else None
    return await _answer(request, ErrorView(error.http_status, error.title, str(error), kept, advice, error_id))


def _way_in(request: Request, error: AppError) -> str | None:
    """Where somebody is sent who only has to log in, or to wait; None for programs and for everything else."""
    if not _wants_page(request):
        return None
    if isinstance(error, NotAuthenticated):
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        back = "" if request.method != "GET" or path == "/" else f"?next={quote(path, safe='/')}"
        return f"/login{back}"
    identity = getattr(request.state, "identity", None)
    if isinstance(error, Forbidden) and identity is not None and not identity.is_active:
        return "/waiting"
    return None


async def on_http_exception(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    status = HTTPStatus(error.status_code)
    if status is HTTPStatus.NOT_FOUND:
        return await on_app_error(request, NotFound("There is no page at this address."))
    sentence = error.detail if error.detail != status.phrase else f"{status.phrase}: {status.description}."
    response = await _answer(request, ErrorView(status, status.phrase, sentence, None, None, secrets.token_hex(4)))
    response.headers.update(error.headers or {})
    return response


async def on_invalid_request(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"][1:]) or "the request"
    return await on_app_error(request, UsageError(f"{name}: {first['msg']}."))


async def on_mistake(request: Request, error: Exception) -> Response:
    """A mistake of this program. The answer names an id that the log has too, and nothing of the inside."""
    error_id = secrets.token_hex(4)
    log.error("%s %s failed (error %s)", request.method, _route(request), error_id, exc_info=error)
    view = ErrorView(
        status=500,
        title="Something went wrong",
        sentence="The server made a mistake while it answered this.",
        kept="Everything that was uploaded and analysed before is kept.",
        what_to_do=f"Try again; if it stays, tell an administrator the id {error_id}.",
        error_id=error_id,
    )
    response = await _answer(request, view)
    # This handler answers outside of the middleware that adds them everywhere else.
    response.headers.update(security_headers(request.app.state.settings))
    response.headers["Cache-Control"] = "no-store"
    return response


async def _answer(request: Request, view: ErrorView) -> Response:
    response = await _formatted(request, view)
    if view.status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response


async def _formatted(request: Request, view: ErrorView) -> Response:
    if _wants_page(request):
        if not hasattr(request.state, "identity"):  # no route, so it has not been at the gate
            with suppress(AppError):
                await recognise(request)
        return render(request, "error.html", view, status=view.status)
    return JSONResponse(
        {
            "type": "about:blank",
            "title": view.title,
            "status": view.status,
            "detail": view.sentence,
            "error_id": view.error_id,
        },
        status_code=view.status,
        media_type="application/problem+json",
    )


def _route(request: Request) -> str:
    """The route without its parameters: a setup link's token does not belong in a log."""
    return getattr(request.scope.get("route"), "path", "an unknown path")


def _wants_page(request: Request) -> bool:
    if request.url.path.startswith(("/api/", "/health/")):
        return False
    return "text/html" in request.headers.get("accept", "")
