"""Every page of the health space.

The desks are rooms of few people: their modules are read when somebody first comes to them, not when the server starts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import import_module

from fastapi import APIRouter, Request
from fastapi.responses import Response

from fhir_server.site.signed_in import Allowed, Guest, Route, administers, guarded, publishes, staff
from fhir_server.site.signed_in import Handler as Answer
from fhir_server.site.visit import Entrance, Handler, Visit
from fhir_server.space.catalogue.pages import my_apps, public, tools

#: Pages of people who are signed in.
SIGNED_IN: tuple[Route, ...] = (*my_apps.ROUTES, *tools.ROUTES)
#: The desks: method, path, module and function that answer, who may. An address that is named stands before one with a
#: part to fill in.
DESKS: tuple[tuple[str, str, str, str, Allowed], ...] = (
    ("GET", "/referencement", "desk", "show", staff),
    ("GET", "/referencement/nouveau", "submission", "show_new", publishes),
    ("POST", "/referencement/nouveau", "submission", "file_new", publishes),
    ("GET", "/referencement/nouveau/{app}", "submission", "show_version", publishes),
    ("POST", "/referencement/nouveau/{app}", "submission", "file_version", publishes),
    ("GET", "/referencement/{file}/completer", "submission", "show_completing", publishes),
    ("POST", "/referencement/{file}/completer", "submission", "complete", publishes),
    ("GET", "/referencement/{file}", "desk", "show_file", staff),
    ("POST", "/referencement/{file}", "desk", "take", staff),
    ("GET", "/referencement/{file}/analyse-impact", "desk", "assessment", staff),
    ("GET", "/signalements", "reports_desk", "show", administers),
    ("POST", "/signalements/{report}", "reports_desk", "close", administers),
)


def router(entrance: Entrance) -> APIRouter:
    """The routes."""
    routes = APIRouter(include_in_schema=False)
    for path, handler in public.ROUTES:
        routes.add_api_route(path, _open(entrance, handler), methods=["GET"])
    for method, path, answer, allowed in SIGNED_IN:
        routes.add_api_route(path, guarded(entrance, answer, allowed), methods=[method])
    for method, path, module, name, allowed in DESKS:
        desk = guarded(entrance, _late(module, name), allowed, long=True)
        routes.add_api_route(path, desk, methods=[method])
    return routes


def _late(module: str, name: str) -> Answer:
    async def answered(guest: Guest) -> Response:
        found: Answer = getattr(import_module(f"fhir_server.space.catalogue.pages.{module}"), name)
        return await found(guest)

    return answered


def _open(entrance: Entrance, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def answered(request: Request) -> Response:
        return await handler(Visit(entrance, request))

    return answered
