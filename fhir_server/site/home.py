"""The home page and what every page uses: `/` and `/static`."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from fhir_server.site.rendering import HERE, Pages


def router(pages: Pages) -> APIRouter:
    """The routes of the home page, `/`, and of what pages load, `/static`."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/", response_class=HTMLResponse)
    async def home(request: Request) -> HTMLResponse:
        return HTMLResponse(pages.home(request))

    @routes.get("/favicon.ico")
    async def icon(_: Request) -> Response:
        return Response(status_code=204)

    routes.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    return routes
