"""The API's reference: a page for every type, the OpenAPI document, and Swagger UI where its files are installed.

Swagger UI comes from the package `fastapi-offline`, from this server's own address, so that it works without a network.
"""

from __future__ import annotations

import gzip
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from fhir_server.fhir.outcome import NotFound
from fhir_server.http import openapi
from fhir_server.http.negotiation import takes_gzip
from fhir_server.interactions import statement
from fhir_server.site.rendering import Pages

# Swagger UI sets styles from its own script and draws icons from data addresses.
_SWAGGER_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def router(pages: Pages) -> APIRouter:
    """`/openapi.json`, `/docs` and, where its files are installed, `/docs/swagger`."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/openapi.json")
    async def description(request: Request) -> Response:
        packs = takes_gzip(request.headers.get("accept-encoding", ""))
        body = _described(_served(request.query_params.get("type")), packs)
        headers = {"Vary": "Accept-Encoding"} | ({"Content-Encoding": "gzip"} if packs else {})
        return Response(body, media_type="application/json", headers=headers)

    @routes.get("/docs")
    async def reference(request: Request) -> HTMLResponse:
        type = _served(request.query_params.get("type"))
        values = {
            "types": sorted(statement.resources()),
            "type": type or "",
            "operations": openapi.operations(type) if type else [],
            "swagger": assets() is not None,
        }
        return HTMLResponse(pages.rendered("reference.html", request, values))

    if (files := assets()) is not None:

        @routes.get("/docs/swagger")
        async def swagger(request: Request) -> HTMLResponse:
            headers = {"Content-Security-Policy": _SWAGGER_POLICY}
            return HTMLResponse(pages.rendered("swagger.html", request, {"type": ""}), headers=headers)

        routes.mount("/docs/assets", StaticFiles(directory=files), name="swagger-assets")
    return routes


@cache
def assets() -> Path | None:
    """The folder of Swagger UI's files; None when they are not installed."""
    found = find_spec("fastapi_offline")
    folder = Path(found.origin).parent / "static" if found and found.origin else None
    return folder if folder is not None and (folder / "swagger-ui-bundle.js").is_file() else None


def _served(type: str | None) -> str | None:
    if type and not statement.supports(type):
        raise NotFound("There is no such resource type.", "http.type")
    return type or None


@cache
def _described(type: str | None, packed: bool) -> bytes:
    body = openapi.document(type)
    return gzip.compress(body, compresslevel=6, mtime=0) if packed else body
