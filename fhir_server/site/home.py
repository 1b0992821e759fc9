"""The home page and what every page uses: `/` and `/static`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from fhir_server.site.rendering import HERE, Pages
from fhir_server.site.service_pages import Words


@dataclass(frozen=True, slots=True)
class Player:
    """Somebody whom a visitor may be, where everybody is invented.

    Attributes:
        login: typed to sign in.
        name: theirs.
        who: what they are; `tries`, what there is to try as them: (French, English).
        page: where they begin: a path of the server.
    """

    login: str
    name: str
    who: Words
    tries: Words
    page: str


#: Gives those whom a visitor may be.
Cast = Callable[[], Awaitable[Sequence[Player]]]


async def nobody() -> Sequence[Player]:
    """The cast of a server whose people are people."""
    return ()


def router(pages: Pages, cast: Cast = nobody) -> APIRouter:
    """The routes of the home page, `/`, and of what pages load, `/static`."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/", response_class=HTMLResponse)
    async def home(request: Request) -> HTMLResponse:
        return HTMLResponse(pages.home(request, await cast()))

    @routes.get("/favicon.ico")
    async def icon(_: Request) -> Response:
        return Response(status_code=204)

    routes.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    return routes
