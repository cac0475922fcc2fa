"""The figures of this process, for who has the token."""

import hmac

from fastapi import APIRouter, Request, Response

from pcap_analyzer.errors import NotFound
from pcap_analyzer.settings import Settings
from pcap_analyzer.web.metrics import CONTENT_TYPE, Metrics

router = APIRouter()


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Without METRICS_TOKEN, or with another one, there is no such page."""
    settings: Settings = request.app.state.settings
    figures: Metrics = request.app.state.metrics
    expected = f"Bearer {settings.metrics_token}".encode()
    given = request.headers.get("authorization", "").encode("latin-1", "replace")
    if not settings.metrics_token or not hmac.compare_digest(given, expected):
        raise NotFound("There is no page at this address.")
    return Response(figures.text(), media_type=CONTENT_TYPE)
