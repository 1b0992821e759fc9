"""Every route that is not FHIR's own, put together: imported when the first is asked for, or soon after a start."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute

from fhir_server.fhir.outcome import FhirError
from fhir_server.http import metrics_access
from fhir_server.http.health import PROBES
from fhir_server.http.metrics import Metrics
from fhir_server.site import api_reference, home
from fhir_server.site.failing import Failing
from fhir_server.site.rendering import Pages


def assembled(
    pages: Pages,
    counted: Metrics,
    token: str,
    routers: Iterable[APIRouter],
    look: Callable[[], Awaitable[None]] = metrics_access.nothing,
    cast: home.Cast = home.nobody,
) -> FastAPI:
    """The routes: pages for people, the reference, `/metrics` for `token` after a `look`, and `routers`.

    The home page lists a `cast`, where somebody is of it.
    """
    fastapi = FastAPI(title="FHIR server", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    for path in PROBES:
        # Front answers what may be asked of them; here stands what else they are asked: 405.
        fastapi.add_route(path, _nothing, methods=["GET"])
    for one in (
        home.router(pages, cast),
        api_reference.router(pages),
        *routers,
        metrics_access.router(counted, token, look),
    ):
        for route in one.routes:
            _add(fastapi, route)
    for kind in (FhirError, HTTPException, Exception):
        fastapi.add_exception_handler(kind, Failing(pages))
    return fastapi


def _add(fastapi: FastAPI, route: BaseRoute) -> None:
    """Add a route that reads its request itself: with nothing to inject or to check, a page costs half as much."""
    if isinstance(route, APIRoute):
        fastapi.add_route(route.path, route.endpoint, methods=sorted(route.methods or ()))
    else:
        fastapi.router.routes.append(route)


async def _nothing(_: Request) -> Response:
    return Response(status_code=204)
