"""The routes of dynamic registration: RFC 7591 §3, RFC 7592 §2."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from fhir_server.fhir.outcome import Unauthorized
from fhir_server.oauth.endpoints import addresses, body_of, refused
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.bearer import bearer

if TYPE_CHECKING:
    from fhir_server.smart.registration import Outcome, Registrant, Registration

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}

Handled = Callable[[Authorization, "Registration", Request, "Registrant"], Awaitable[Response]]


def router(authorization: Authorization) -> APIRouter:
    """The routes; none when software does not register itself."""
    routes = APIRouter(include_in_schema=False)
    for method, path, handled in _ROUTES if authorization.registers else ():
        routes.add_api_route(path, _asked(authorization, handled), methods=[method])
    return routes


async def _register(
    authorization: Authorization, registration: Registration, request: Request, who: Registrant
) -> Response:
    given = await _object(request)
    if given is None:
        return _no_object()
    grant = None
    if "authorization" in request.headers:
        try:
            grant = await authorization.authenticate(dict(request.headers), who.addresses.base)
        except Unauthorized as error:
            return _answer(401, {"error": "invalid_token"}, dict(error.headers))
    return _said(await registration.register(given, who, grant))


async def _show(_: Authorization, registration: Registration, request: Request, who: Registrant) -> Response:
    return _said(await registration.show(request.path_params["id"], who))


async def _change(_: Authorization, registration: Registration, request: Request, who: Registrant) -> Response:
    given = await _object(request)
    return _no_object() if given is None else _said(await registration.change(request.path_params["id"], given, who))


async def _remove(_: Authorization, registration: Registration, request: Request, who: Registrant) -> Response:
    return _said(await registration.remove(request.path_params["id"], who))


_ONE = "/auth/register/{id}"
_ROUTES: tuple[tuple[str, str, Handled], ...] = (
    ("POST", "/auth/register", _register),
    ("GET", _ONE, _show),
    ("PUT", _ONE, _change),
    ("DELETE", _ONE, _remove),
)


def _asked(authorization: Authorization, handled: Handled) -> Callable[[Request], Awaitable[Response]]:
    async def answered(request: Request) -> Response:
        from fhir_server.smart.registration import Registrant

        registration = authorization.registration
        if registration is None:
            return refused("invalid_request", "Software does not register itself here.", 403)
        source = request.client.host if request.client else ""
        where = addresses(request, authorization.settings.base_url)
        who = Registrant(where, source, bearer(request.headers.get("authorization", "")) or "")
        return await handled(authorization, registration, request, who)

    return answered


async def _object(request: Request) -> dict[str, Any] | None:
    """The JSON object of the body; None when it is none, or too large."""
    body = await body_of(request, "application/json")
    if body is None:
        return None
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        return None


def _no_object() -> Response:
    return refused("invalid_client_metadata", "The body is a JSON object, in application/json.")


def _said(outcome: Outcome) -> Response:
    return _answer(outcome.status, outcome.body, dict(outcome.headers))


def _answer(status: int, body: dict[str, Any], headers: dict[str, str]) -> Response:
    if status == 204:
        return Response(status_code=204, headers=NO_STORE)
    return JSONResponse(body, status, {**NO_STORE, **headers})
