"""Who may read the counts: whoever holds the token of the settings; without one, this machine alone.

What was asked how often is no one's business but the operator's. A proxy on this machine is not this machine: what it
passes on carries a header of its own (`peers.FORWARDING`).
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request
from fastapi.responses import Response

from fhir_server.fhir.outcome import Forbidden, Unauthorized
from fhir_server.http.forwarded import forwarded
from fhir_server.http.metrics import CONTENT_TYPE, Metrics
from fhir_server.settings import is_loopback
from fhir_server.smart.bearer import bearer


async def nothing() -> None:
    """Nothing has to be looked at first."""


def router(counted: Metrics, token: str, look: Callable[[], Awaitable[None]] = nothing) -> APIRouter:
    """`/metrics`; `token` of the settings, "" for none; `look` is done before each scrape, for gauges that need it."""
    routes = APIRouter()

    @routes.get("/metrics", response_class=Response)
    async def scrape(request: Request) -> Response:
        """Counts and latencies for Prometheus."""
        _admit(request, token)
        await look()
        return Response(counted.text(), media_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"})

    return routes


def _admit(request: Request, token: str) -> None:
    """Let the operator pass.

    Raises:
        Unauthorized: a token is set, and it is not the one that is sent.
        Forbidden: none is set, and it is not this machine that asks.
    """
    if token:
        given = bearer(request.headers.get("authorization", "")) or ""
        if not hmac.compare_digest(given.encode(), token.encode()):
            raise Unauthorized(
                "Metrics are for whoever holds their token.", headers={"WWW-Authenticate": 'Bearer realm="metrics"'}
            )
        return
    peer = request.client.host if request.client else ""
    if not is_loopback(peer) or forwarded(request.headers):
        raise Forbidden("Metrics are told to this machine alone, or to the token of FHIR_METRICS_TOKEN.")
