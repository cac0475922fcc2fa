"""Renders a page: the view of the route inside the frame that all pages share."""

from __future__ import annotations

import dataclasses

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader

from pcap_analyzer import __version__
from pcap_analyzer.report import html
from pcap_analyzer.services import accounts
from pcap_analyzer.services.accounts import Identity
from pcap_analyzer.web import presenting
from pcap_analyzer.web.deps import get_runtime
from pcap_analyzer.web.views import SiteView


def environment() -> Environment:
    """The service's templates, then the report's: a task's page includes the report's body."""
    return html.environment(PackageLoader("pcap_analyzer.web"))


async def render(request: Request, template: str, view: object, *, status: int = 200) -> HTMLResponse:
    """A page as a response. `view` is the dataclass that web/views.py names for the template."""
    if not dataclasses.is_dataclass(view):
        raise TypeError(f"{template} is given {type(view).__name__}, which is no view")
    templates: Environment = request.app.state.templates
    site = await _site(request)
    return HTMLResponse(templates.get_template(template).render(site=site, view=view), status_code=status)


async def _site(request: Request) -> SiteView:
    identity: Identity | None = getattr(request.state, "identity", None)
    known = identity is not None and identity.is_active
    pending = 0
    if identity is not None and identity.is_admin:
        async with get_runtime(request).database.reading() as session:
            pending = await accounts.count_pending(session)
    return SiteView(
        user=presenting.identity_view(identity) if identity is not None and known else None,
        pending_count=pending,
        path=request.url.path,
        version=__version__,
    )
