"""The pages of authorization: sign in, choose an exercise and a patient, say why, consent, open an app, one's account.

Whole without JavaScript. Each page is a file here and a template in `http/templates/smart`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request
from fastapi.responses import Response

from fhir_server.http.smart import asking, choosing, consenting, federated, launching, me, purposes, signing
from fhir_server.http.smart.visit import Entrance, Handler, Route, Visit

ROUTES: tuple[Route, ...] = (
    ("GET", "/auth/authorize", asking.authorize),
    ("POST", "/auth/authorize", asking.authorize),
    ("GET", "/auth/continue", asking.go_on),
    ("GET", "/auth/sign-in", signing.show),
    ("POST", "/auth/sign-in", signing.sign_in),
    ("POST", "/auth/activate", signing.activate),
    ("POST", "/auth/sign-out", signing.sign_out),
    ("POST", "/auth/role", choosing.role),
    ("POST", "/auth/find", choosing.look_for),
    ("POST", "/auth/patient", choosing.patient),
    ("POST", "/auth/encounter", choosing.encounter),
    ("GET", "/auth/purpose", purposes.show),
    ("POST", "/auth/purpose", purposes.choose),
    ("POST", "/auth/consent", consenting.decide),
    ("POST", "/auth/launch", launching.launch),
    *federated.ROUTES,
    *me.ROUTES,
)


def router(entrance: Entrance) -> APIRouter:
    """The routes."""
    routes = APIRouter(include_in_schema=False)
    for method, path, handler in ROUTES:
        routes.add_api_route(path, _visited(entrance, handler), methods=[method])
    return routes


def _visited(entrance: Entrance, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def answered(request: Request) -> Response:
        return await handler(Visit(entrance, request))

    return answered
