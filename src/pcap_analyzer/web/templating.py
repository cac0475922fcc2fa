"""Renders a page: the view of the route inside the frame that all pages share."""

from __future__ import annotations

import dataclasses

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader

from pcap_analyzer import __version__
from pcap_analyzer.report import html
from pcap_analyzer.services.accounts import Identity
from pcap_analyzer.web import presenting
from pcap_analyzer.web.views import SiteView


def environment() -> Environment:
    """The service's templates, then the report's: a task's page includes the report's body."""
    return html.environment(PackageLoader("pcap_analyzer.web"))


def render(request: Request, template: str, view: object, *, status: int = 200) -> HTMLResponse:
    """A page as a response. `view` is the dataclass that web/views.py names for the template."""
    if not dataclasses.is_dataclass(view):
        raise TypeError(f"{template} is given {type(view).__name__}, which is no view")
    templates: Environment = request.app.state.templates
    return HTMLResponse(templates.get_template(template).render(site=_site(request), view=view), status_code=status)


def _site(request: Request) -> SiteView:
    """From what the gate found."""
    identity: Identity | None = getattr(request.state, "identity", None)
    known = identity is not None and identity.is_active
    return SiteView(
        user=presenting.identity_view(identity) if identity is not None and known else None,
        pending_count=getattr(request.state, "pending_count", 0),
        path=request.url.path,
        version=__version__,
    )
