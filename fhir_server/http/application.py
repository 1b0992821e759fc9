"""The ASGI application: FHIR under `/fhir` by the wire itself, everything else by FastAPI's routes.

https://hl7.org/fhir/R4/http.html
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.exceptions import HTTPException

from fhir_server.fhir.outcome import FhirError
from fhir_server.http import health, metrics, scraping
from fhir_server.http.calls import MakeContext
from fhir_server.http.cors import Cors, Registered
from fhir_server.http.front import Front
from fhir_server.http.metrics_shared import Folder
from fhir_server.http.pages import reference
from fhir_server.http.pages.routes import Pages, router
from fhir_server.http.peers import Peers
from fhir_server.http.wire import PREFIX, Wire
from fhir_server.interactions.exchange import Handler
from fhir_server.settings import Settings

Scope = MutableMapping[str, Any]
WELL_KNOWN = PREFIX + "/.well-known/"
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


class Application:
    """What the ASGI server runs.

    Attributes:
        fastapi: every route that is not FHIR's own.
        wire: FHIR's.
        readiness: set its `stopping` when the process is asked to stop.
    """

    def __init__(self, fastapi: FastAPI, wire: Wire, readiness: health.Readiness, cors: Cors, peers: Peers) -> None:
        """Join the parts that `build` makes."""
        self.fastapi = fastapi
        self.wire = wire
        self.readiness = readiness
        self._front = Front(fastapi, wire.metrics, cors)
        self._peers = peers

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """One ASGI connection."""
        if scope["type"] == "http":
            scope = self._peers.seen(scope)
            path: str = scope["path"]
            # SMART's discovery is under the FHIR base (RFC 8615) and is no interaction of FHIR's.
            own = path.startswith(PREFIX) and path[len(PREFIX) : len(PREFIX) + 1] in ("", "/")
            if own and not path.startswith(WELL_KNOWN):
                await self.wire(scope, receive, send)
            else:
                await self._front(scope, receive, send)
        else:
            await self.fastapi(scope, receive, send)


def build(
    settings: Settings,
    dispatch: Handler,
    make_context: MakeContext,
    *,
    routers: Sequence[APIRouter] = (),
    lifespan: Lifespan | None = None,
    check: health.Check | None = None,
    gauges: Mapping[str, Callable[[], float]] | None = None,
    counts: Callable[[], Awaitable[Mapping[str, int]]] | None = None,
    demo: Sequence[tuple[str, str]] = (),
    registered: Registered | None = None,
) -> Application:
    """The application.

    Args:
        settings: limits, base URL, CORS.
        dispatch: runs an interaction.
        make_context: makes the context of a call, or raises `Unauthorized`.
        routers: further routes, such as those of authorization.
        lifespan: opened before the first request and closed after the last.
        check: says what is wrong with the store, for `/health/ready`; None when nothing is.
        gauges: values for `/metrics` by name, such as the writes waiting for the store.
        counts: resources by type, for the home page; None to leave them out.
        demo: (login, who that is) of demonstration accounts, for the home page.
        registered: origins of registered apps, which may call from a browser.
    """
    shared = Folder(settings.data / "metrics", os.getppid(), os.getpid()) if settings.workers > 1 else None
    counted = metrics.Metrics(gauges, shared)
    readiness = health.Readiness(check)
    pages = Pages(settings, counts, demo)
    cors = Cors(settings.cors_origins, registered)
    wire = Wire(settings, dispatch, make_context, counted, pages.page, cors)
    fastapi = FastAPI(
        title="FHIR server", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan, redirect_slashes=False
    )
    fastapi.include_router(health.router(readiness))
    fastapi.include_router(router(pages))
    fastapi.include_router(reference.router(pages))
    for one in routers:
        fastapi.include_router(one)
    fastapi.include_router(scraping.router(counted, settings.metrics_token.get_secret_value()))
    fastapi.add_exception_handler(FhirError, pages.failed)
    fastapi.add_exception_handler(Exception, pages.failed)
    fastapi.add_exception_handler(HTTPException, pages.failed)
    return Application(fastapi, wire, readiness, cors, Peers(settings.trusted_proxies, settings.forwarded_header))
