"""Every page of the health space."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request
from fastapi.responses import Response

from fhir_server.http.smart.visit import Entrance, Handler, Visit
from fhir_server.http.space import catalogue, sharing, tools
from fhir_server.http.space.guest import Route, guarded

#: Pages of people who are signed in.
SIGNED_IN: tuple[Route, ...] = (*sharing.ROUTES, *tools.ROUTES)


def router(entrance: Entrance) -> APIRouter:
    """The routes."""
    routes = APIRouter(include_in_schema=False)
    for path, handler in catalogue.ROUTES:
        routes.add_api_route(path, _open(entrance, handler), methods=["GET"])
    for method, path, answer, allowed in SIGNED_IN:
        routes.add_api_route(path, guarded(entrance, answer, allowed), methods=[method])
    return routes


def _open(entrance: Entrance, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def answered(request: Request) -> Response:
        return await handler(Visit(entrance, request))

    return answered
