"""Puts the application together: routes behind the gate, headers on every answer, one place for failures."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from fastapi import Depends, FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.responses import Response
from starlette.types import Scope

from pcap_analyzer import settings as entry_point
from pcap_analyzer.errors import AppError
from pcap_analyzer.settings import Settings
from pcap_analyzer.web import errors, templating
from pcap_analyzer.web.api import health, users
from pcap_analyzer.web.api import metrics as figures
from pcap_analyzer.web.api import tasks as tasks_api
from pcap_analyzer.web.metrics import Measured
from pcap_analyzer.web.opening import Opening
from pcap_analyzer.web.pages import accounts, admin, tasks
from pcap_analyzer.web.runtime import Runtime, keep_files_private, noticing_the_end
from pcap_analyzer.web.security import Headers, gate

MAX_BODY_BYTES = 65_536  # forms and JSON are small; the upload of a capture has a limit of its own
STATIC = Path(__file__).with_name("static")
log = logging.getLogger(__name__)


class Static(StaticFiles):
    """Built files under fixed names: browsers ask each time whether they have changed."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response


def create_app(settings: Settings, runtime: Runtime | None = None, opening: Opening | None = None) -> FastAPI:
    """The application around a runtime or one that is on its way; without either it opens and closes its own."""
    its_own = Opening(settings) if runtime is None and opening is None else None
    known = runtime or opening or its_own
    assert known is not None

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            async with AsyncExitStack() as stack:
                if its_own is not None:
                    await stack.enter_async_context(its_own)
                    await stack.enter_async_context(_admitting(app, its_own, settings))
                with noticing_the_end(known.stopping):
                    yield
        except AppError as error:
            log.error("The service cannot start: %s", error)
            raise

    app = FastAPI(
        title="PCAP Analyzer",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=lifespan,
        dependencies=[Depends(gate)],
        max_body_size=MAX_BODY_BYTES,
    )
    app.state.settings, app.state.runtime, app.state.opening = settings, runtime, opening or its_own
    app.state.metrics = known.metrics
    app.state.templates = templating.environment()
    for part in (accounts, tasks, admin, tasks_api, users, health, figures):
        app.include_router(part.router)
    app.mount("/static", Static(directory=STATIC, check_dir=False))
    errors.register(app)
    app.add_middleware(Headers, settings=settings)
    app.add_middleware(Measured, metrics=known.metrics)
    return app


@asynccontextmanager
async def _admitting(app: FastAPI, opening: Opening, settings: Settings) -> AsyncIterator[None]:
    """Let people in when the runtime is there: before the server listens, or, where that takes long, while it does."""
    runtime = await opening.in_order()
    if runtime is not None:
        app.state.runtime = runtime
        announce(runtime, settings.public_url)  # the server listens later, and elsewhere than our settings say
        yield
        return
    later = asyncio.create_task(_admit_later(app, opening, settings))
    try:
        yield
    finally:
        later.cancel()


async def _admit_later(app: FastAPI, opening: Opening, settings: Settings) -> None:
    try:
        app.state.runtime = await opening.opened()
    except AppError as error:
        log.error("The service cannot start: %s", error)
        os.kill(os.getpid(), signal.SIGTERM)  # the server is not ours: it ends, and with it the process, by the signal
        return
    announce(app.state.runtime, settings.public_url)


def announce(runtime: Runtime, base_url: str) -> None:
    """Say on standard output where the service is, and how the first administrator comes into being.

    An empty `base_url` is one that only the server knows, which names it itself.
    """
    where = f": {base_url}" if base_url else " at the address that uvicorn names"
    print(f"PCAP Analyzer is ready{where}", flush=True)  # noqa: T201
    if runtime.setup_link_path is not None:
        link = "link" if base_url else "path there"
        print(  # noqa: T201
            f"\nNobody can log in yet. Open this {link} once, within 24 hours, to become the first administrator:\n\n"
            f"    {base_url}{runtime.setup_link_path}\n",
            flush=True,
        )


def application() -> FastAPI:
    """What `python -m uvicorn app.main:app` serves: settings from the environment alone."""
    keep_files_private()
    return create_app(entry_point.load())
