"""The simulators over HTTP: discovery, the page where somebody is chosen, and the endpoints that software calls.

OpenID Connect Core §3.1, OpenID Connect RP-Initiated Logout §2. The page is whole without JavaScript.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from fhir_server.simulators.keys import Keys
from fhir_server.simulators.people import TYPES, People, Person
from fhir_server.simulators.provider import Provider, Wrong
from fhir_server.store.protocol import Records

if TYPE_CHECKING:
    from jinja2 import Environment

ROOT = "/simulators/{provider}"
#: The largest form taken, in bytes.
LARGEST = 16_384
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'{outside}; base-uri 'none'; "
    "frame-ancestors 'none'"
)
#: With `no-referrer` a browser would call the origin of these pages' own forms `null`, which is refused as foreign:
#: https://fetch.spec.whatwg.org/#append-a-request-origin-header
_PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "same-origin", "X-Content-Type-Options": "nosniff"}

Answer = Callable[["Simulators", Provider, Request], Awaitable[Response]]


class Simulators:
    """Both providers, over one server's records and data."""

    def __init__(self, records: Records, people: People, issuer: Callable[[Request], str]) -> None:
        """`issuer` gives the issuer of the server itself, as the request sees it."""
        self.people = people
        self._records = records
        self._keys = Keys(records)
        self._issuer = issuer

    def router(self) -> APIRouter:
        """The routes of every provider that is simulated, each under its own id."""
        routes = APIRouter(include_in_schema=False)
        for method, path, answer in _ROUTES:
            routes.add_api_route(ROOT + path, self._answered(answer), methods=[method])
        return routes

    def asgi(self) -> FastAPI:
        """The same routes as an application of their own, to be asked within the process."""
        made = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        made.include_router(self.router())
        return made

    def _answered(self, answer: Answer) -> Callable[[Request], Awaitable[Response]]:
        async def route(request: Request) -> Response:
            id = request.path_params["provider"]
            if id not in TYPES:
                return JSONResponse({"error": "not_found"}, 404)
            provider = Provider(id, f"{self._issuer(request)}/simulators/{id}", self._records, self._keys)
            return await answer(self, provider, request)

        return route


async def _configuration(_: Simulators, provider: Provider, __: Request) -> Response:
    return JSONResponse(provider.configuration())


async def _jwks(_: Simulators, provider: Provider, __: Request) -> Response:
    return JSONResponse(await provider.jwks())


async def _choose(simulators: Simulators, provider: Provider, request: Request) -> Response:
    asked = dict(request.query_params)
    try:
        back = provider.check(asked)
    except Wrong as error:
        return _page(provider, request, {"wrong": str(error)}, status=400)
    words = asked.pop("search", "")[:100]
    people = await simulators.people.of(provider.id, words)
    return _page(provider, request, {"people": people, "search": words, "asked": asked, "wrong": ""}, back)


async def _chosen(simulators: Simulators, provider: Provider, request: Request) -> Response:
    asked, form = dict(request.query_params), await _form(request)
    try:
        if form.get("decision") == "refuse":
            location = provider.answer(asked, error="access_denied")
        else:
            person = await _one(simulators, provider, form.get("person", ""))
            location = await provider.granted(asked, _circumstances(person, form))
    except Wrong as error:
        return _page(provider, request, {"wrong": str(error)}, status=400)
    return RedirectResponse(location, 303, _PRIVATE)


async def _one(simulators: Simulators, provider: Provider, id: str) -> Person:
    found = await simulators.people.of(provider.id, f"id:{id[:200]}")
    if not found:
        raise Wrong("Nobody has this identity.")
    return found[0]


def _circumstances(person: Person, form: dict[str, str]) -> dict[str, Any]:
    """The person's claims; of a professional, with what they say of this sign-in."""
    if "SubjectNameID" not in person.claims:
        return dict(person.claims)
    regulation = "VRAI" if form.get("regulation") == "on" else "FAUX"
    reason = form.get("reason", "")[:200]
    return {**person.claims, "Acces_Regulation_Medicale": regulation, "Mode_Acces_Raison": reason}


async def _token(_: Simulators, provider: Provider, request: Request) -> Response:
    try:
        found = await provider.token(await _form(request), request.headers.get("authorization", ""))
    except Wrong as error:
        status = 401 if error.args[0] == "invalid_client" else 400
        return JSONResponse({"error": str(error)}, status, _PRIVATE)
    return JSONResponse(found, headers=_PRIVATE)


async def _userinfo(_: Simulators, provider: Provider, request: Request) -> Response:
    try:
        found = await provider.userinfo(request.headers.get("authorization", ""))
    except Wrong:
        said = {"WWW-Authenticate": 'Bearer error="invalid_token"', **_PRIVATE}
        return JSONResponse({"error": "invalid_token"}, 401, said)
    if isinstance(found, str):
        return Response(found, 200, _PRIVATE, media_type="application/jwt")
    return JSONResponse(found, headers=_PRIVATE)


async def _end_session(_: Simulators, provider: Provider, request: Request) -> Response:
    asked = request.query_params
    back = asked.get("post_logout_redirect_uri", "")
    if provider.near(back):
        return RedirectResponse(back, 303, _PRIVATE)
    return _page(provider, request, {"wrong": "", "ended": True})


#: (method, path under a provider, answer).
_ROUTES: tuple[tuple[str, str, Answer], ...] = (
    ("GET", "/.well-known/openid-configuration", _configuration),
    ("GET", "/jwks", _jwks),
    ("GET", "/authorize", _choose),
    ("POST", "/authorize", _chosen),
    ("POST", "/token", _token),
    ("GET", "/userinfo", _userinfo),
    ("GET", "/end-session", _end_session),
)


async def _form(request: Request) -> dict[str, str]:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST:
            return {}
    try:
        return dict(parse_qsl(body.decode("ascii"), max_num_fields=50))
    except ValueError:
        return {}


def _page(provider: Provider, request: Request, values: dict[str, Any], back: str = "", status: int = 200) -> Response:
    """A page; its form may lead to where the answer goes."""
    chosen = request.query_params.get("lang") or request.headers.get("accept-language", "fr")
    lang = "en" if chosen.lower().startswith("en") else "fr"
    given = {"root": provider.issuer.partition("/simulators/")[0], "here": str(request.url), "lang": lang}
    body = _environment().get_template("choose.html").render(provider=provider, **given, **values)
    parts = urlsplit(back)
    outside = f" {parts.scheme}://{parts.netloc}" if parts.netloc else ""
    headers = {"Content-Security-Policy": _POLICY.format(outside=outside), "X-Frame-Options": "DENY", **_PRIVATE}
    return HTMLResponse(body, status, {**headers, "Content-Language": lang})


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader

    folder = Path(__file__).parent / "templates"
    return Environment(loader=FileSystemLoader(folder), autoescape=True, trim_blocks=True, lstrip_blocks=True)
