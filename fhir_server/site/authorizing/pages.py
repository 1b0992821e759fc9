"""The pages of authorization: sign in, choose an exercise and a patient, say why, consent, open an app, one's account.

Whole without JavaScript. Each page is a file here and a template in `site/templates/smart`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request
from fastapi.responses import Response

from fhir_server.site.authorizing import (
    account,
    authorize,
    consent,
    context,
    identity_providers,
    launch,
    own_space,
    purpose_of_use,
    sign_in,
)
from fhir_server.site.visit import Entrance, Handler, Route, Visit

ROUTES: tuple[Route, ...] = (
    ("GET", "/auth/authorize", authorize.authorize),
    ("POST", "/auth/authorize", authorize.authorize),
    ("GET", "/auth/continue", authorize.go_on),
    ("GET", "/auth/sign-in", sign_in.show),
    ("POST", "/auth/sign-in", sign_in.sign_in),
    ("POST", "/auth/activate", sign_in.activate),
    ("POST", "/auth/sign-out", sign_in.sign_out),
    ("POST", "/auth/role", context.role),
    ("POST", "/auth/find", context.look_for),
    ("POST", "/auth/patient", context.patient),
    ("POST", "/auth/encounter", context.encounter),
    ("GET", "/auth/purpose", purpose_of_use.show),
    ("POST", "/auth/purpose", purpose_of_use.choose),
    ("POST", "/auth/consent", consent.decide),
    ("POST", "/auth/launch", launch.launch),
    *identity_providers.ROUTES,
    *account.ROUTES,
    *own_space.ROUTES,
)


def router(entrance: Entrance) -> APIRouter:
    """The routes of all pages of this room, by the table above."""
    routes = APIRouter(include_in_schema=False)
    for method, path, handler in ROUTES:
        routes.add_api_route(path, _visited(entrance, handler), methods=[method])
    return routes


def _visited(entrance: Entrance, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def answered(request: Request) -> Response:
        return await handler(Visit(entrance, request))

    return answered
