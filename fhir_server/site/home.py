"""The home page and what every page uses: `/` and `/static`."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from fhir_server.http.routes import Routes
from fhir_server.site.rendering import HERE, Pages


def router(pages: Pages) -> Routes:
    """`/` and `/static`."""
    routes = Routes()

    @routes.get("/")
    async def home(request: Request) -> HTMLResponse:
        return HTMLResponse(pages.home(request))

    @routes.get("/favicon.ico")
    async def icon(_: Request) -> Response:
        return Response(status_code=204)

    routes.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    return routes
