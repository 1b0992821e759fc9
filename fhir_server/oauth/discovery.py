"""The routes of what everyone may know: discovery, keys, brands, style.

https://hl7.org/fhir/smart-app-launch/conformance.html, RFC 8414 §3, OpenID Connect Discovery §4, RFC 7517 §5,
https://hl7.org/fhir/smart-app-launch/brands.html#caching-brand-bundles
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from fhir_server.oauth.endpoints import addresses
from fhir_server.smart import discovery
from fhir_server.smart.addresses import FHIR, Addresses
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.brand import STYLE, STYLE_VERSION

#: What anyone may know, and keep for a while; and what never changes at its address.
_PUBLIC = {"Cache-Control": "public, max-age=300"}
_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}

Told = Callable[[Authorization, Addresses, Request], Awaitable[Response]]


def router(authorization: Authorization) -> APIRouter:
    """The routes by which apps find the endpoints and keys, all GET and open to everyone."""
    routes = APIRouter(include_in_schema=False)
    for path, told in _ROUTES:
        routes.add_api_route(path, _asked(authorization, told), methods=["GET"])
    return routes


async def _smart(authorization: Authorization, where: Addresses, _: Request) -> Response:
    brand = authorization.brands.identifier(where)
    told = discovery.configuration(where, brand, authorization.registers, authorization.management)
    return JSONResponse(told, headers=_PUBLIC)


async def _openid(authorization: Authorization, where: Addresses, _: Request) -> Response:
    return JSONResponse(discovery.openid(where, authorization.registers), headers=_PUBLIC)


async def _jwks(authorization: Authorization, _: Addresses, __: Request) -> Response:
    return JSONResponse(await authorization.keys.jwks(), headers=_PUBLIC)


async def _brands(authorization: Authorization, where: Addresses, request: Request) -> Response:
    body, etag = await authorization.brands.bundle(where)
    headers = {**_PUBLIC, "ETag": etag}
    known = [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]
    if "*" in known or etag.removeprefix("W/") in known:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/fhir+json", headers=headers)


async def _style(_: Authorization, __: Addresses, ___: Request) -> Response:
    return JSONResponse(dict(STYLE), headers=_FOR_EVER)


_ROUTES: tuple[tuple[str, Told], ...] = (
    (f"{FHIR}/.well-known/smart-configuration", _smart),
    ("/.well-known/openid-configuration", _openid),
    ("/.well-known/oauth-authorization-server", _openid),
    ("/auth/jwks", _jwks),
    ("/auth/user-access-brands.json", _brands),
    (f"/auth/style/{STYLE_VERSION}/smart-style.json", _style),
)


def _asked(authorization: Authorization, told: Told) -> Callable[[Request], Awaitable[Response]]:
    base_url = authorization.settings.base_url

    async def answered(request: Request) -> Response:
        return await told(authorization, addresses(request, base_url), request)

    return answered
