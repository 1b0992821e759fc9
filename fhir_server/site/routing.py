"""Every route that is not FHIR's own, put together: imported when the first is asked for, or soon after a start."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from fhir_server.fhir.outcome import FhirError
from fhir_server.http import metrics_access
from fhir_server.http.health import PROBES
from fhir_server.http.metrics import Metrics
from fhir_server.http.routes import Routes
from fhir_server.site import api_reference, home
from fhir_server.site.failing import Failing
from fhir_server.site.rendering import Pages


def assembled(pages: Pages, counted: Metrics, token: str, routers: Iterable[Routes]) -> Starlette:
    """The routes: pages for people, the reference, `/metrics` for `token`, and `routers`."""
    probed = Routes()
    for path in PROBES:
        # Front answers what may be asked of them; here stands what else they are asked: 405.
        probed.add(path, _nothing)
    parts = (probed, home.router(pages), api_reference.router(pages), *routers, metrics_access.router(counted, token))
    failing = Failing(pages)
    made = Starlette(
        routes=[route for part in parts for route in part.listed],
        exception_handlers=dict.fromkeys((FhirError, HTTPException, Exception), failing),
    )
    made.router.redirect_slashes = False
    return made


async def _nothing(_: Request) -> Response:
    return Response(status_code=204)
