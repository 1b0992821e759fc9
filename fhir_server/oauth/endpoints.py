"""The routes that software calls: token, introspection, revocation, who signed in.

https://hl7.org/fhir/smart-app-launch/app-launch.html, RFC 6749 §3.2, RFC 7009, RFC 7662, OpenID Connect Core §5.3
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from fhir_server.fhir.outcome import Unauthorized
from fhir_server.smart.addresses import FHIR, Addresses
from fhir_server.smart.authorization import Authorization

if TYPE_CHECKING:
    from fhir_server.smart.authlib_requests import Reply

FORM = "application/x-www-form-urlencoded"
#: The largest form any endpoint takes, in bytes.
LARGEST = 64 * 1024

Endpoint = Callable[[list[tuple[str, str]], dict[str, str], Addresses], Awaitable["Reply"]]


def addresses(request: Request, base_url: str) -> Addresses:
    """Where the request was made: the setting, or the request's own Host."""
    return Addresses(base_url.rstrip("/") or f"{request.url.scheme}://{request.url.netloc}{FHIR}")


async def form(request: Request) -> list[tuple[str, str]] | None:
    """The pairs of a form; None when the body is not one, or too large."""
    body = await body_of(request, FORM)
    if body is None:
        return None
    try:
        return parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError:
        return None


async def body_of(request: Request, kind: str) -> bytes | None:
    """The body, of that media type; None when it is of another, or too large."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != kind:
        return None
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST:
            return None
    return body


def router(authorization: Authorization) -> APIRouter:
    """The routes that apps call themselves: those of tokens, and userinfo."""
    routes = APIRouter(include_in_schema=False)
    base_url = authorization.settings.base_url

    @routes.api_route("/auth/userinfo", methods=["GET", "POST"])
    async def userinfo(request: Request) -> JSONResponse:
        where = addresses(request, base_url)
        try:
            claims = await authorization.userinfo(request.headers.get("authorization", ""), where)
        except Unauthorized as error:
            return JSONResponse({"error": "invalid_token"}, 401, {**error.headers, "Cache-Control": "no-store"})
        if claims is None:
            said = f'Bearer realm="{where.issuer}", error="insufficient_scope", scope="openid"'
            return JSONResponse(
                {"error": "insufficient_scope"}, 403, {"WWW-Authenticate": said, "Cache-Control": "no-store"}
            )
        return JSONResponse(claims, headers={"Cache-Control": "no-store"})

    for name, endpoint in (
        ("token", authorization.token),
        ("introspect", authorization.introspect),
        ("revoke", authorization.revoke),
    ):
        routes.add_api_route(f"/auth/{name}", _posted(endpoint, base_url), methods=["POST"])
    return routes


def _posted(endpoint: Endpoint, base_url: str) -> Callable[[Request], Awaitable[Response]]:
    async def answered(request: Request) -> Response:
        pairs = await form(request)
        if pairs is None:
            return refused("invalid_request", "The body is a form in application/x-www-form-urlencoded.")
        reply = await endpoint(pairs, dict(request.headers), addresses(request, base_url))
        # The length and type are the answer's own; the library's are for another framework.
        headers = {name: value for name, value in reply.headers.items() if name.lower() != "content-type"}
        return JSONResponse(reply.body, reply.status, headers)

    return answered


def refused(error: str, description: str, status: int = 400) -> JSONResponse:
    """An error of the protocol (RFC 6749 §5.2)."""
    body: dict[str, Any] = {"error": error, "error_description": description}
    return JSONResponse(body, status, {"Cache-Control": "no-store", "Pragma": "no-cache"})
