"""FHIR over HTTP as one ASGI callable: reads the request, hands it to `dispatch`, answers in what the client accepts.

https://hl7.org/fhir/R4/http.html. It stands beside FastAPI's routes, not among them: every read passes here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from time import perf_counter
from typing import Any, Protocol

from fhir_server.fhir.outcome import (
    Damaged,
    FhirError,
    MethodNotAllowed,
    NotAcceptable,
    Unavailable,
    UnsupportedMediaType,
)
from fhir_server.http import bodies, logs, uploads
from fhir_server.http.answers import Answer, answer, failure, is_placeable, placed, placed_in_json
from fhir_server.http.calls import AS_JSON, Incoming, MakeContext
from fhir_server.http.cors import METHODS, Cors
from fhir_server.http.interaction_names import described
from fhir_server.http.logs import logger
from fhir_server.http.long_bodies import conversion
from fhir_server.http.metrics import Metrics
from fhir_server.http.negotiation import FORM, GENERIC, content, refuse_unless_raw, takes_gzip
from fhir_server.http.streams import gathered, shown_length
from fhir_server.http.uri import pairs
from fhir_server.interactions.exchange import FHIR_JSON, Handler, Request, Response
from fhir_server.interactions.patch import ACCEPT_PATCH
from fhir_server.settings import Settings
from fhir_server.store.blobs.protocol import Blobs

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PREFIX = "/fhir"
#: The longest form of a search, in bytes: as many values as a search may have fit into it.
LONGEST_FORM = 1_000_000
#: The longest body shown to people as a page, in bytes; beyond, they are given the JSON.
LONGEST_PAGE = 2_000_000
_METHODS = frozenset(METHODS.split(", "))
_READING = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
#: Methods answered as another: HEAD is GET without the body, and OPTIONS on the base asks what the server can do.
_MEANT = {"HEAD": "GET", "OPTIONS": "GET"}
#: Number of path segments → methods that some interaction of that shape has; for `Allow` in an answer to OPTIONS.
_ALLOW = {
    0: "GET, HEAD, POST, OPTIONS",
    1: "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
    2: "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
}


class Renders(Protocol):
    """What makes a page for people out of a FHIR answer."""

    async def __call__(self, incoming: Incoming, response: Response, base: str) -> Response:
        """The same response with a body of text/html, `LONGEST_PAGE` bytes of JSON at most.

        Raises:
            Unavailable: too many long pages are being made (503).
            TooCostly: the page takes longer than it may (400).
        """


class Wire:
    """The FHIR endpoint.

    Attributes:
        metrics: what has been answered.
    """

    def __init__(
        self,
        settings: Settings,
        dispatch: Handler,
        make_context: MakeContext,
        metrics: Metrics,
        page: Renders,
        cors: Cors,
        blobs: Blobs | None = None,
    ) -> None:
        """`dispatch` runs an interaction in the context that `make_context` makes; `page` renders for people.

        `blobs` is where content is that is sent as it is read.
        """
        self._blobs = blobs
        self.metrics = metrics
        self._settings = settings
        self._dispatch = dispatch
        self._make_context = make_context
        self._page = page
        self._cors = cors
        self._base = settings.base_url.rstrip("/")
        self._strict = settings.handling == "strict"
        self._log = logger("http")
        self._shelf = bodies.Shelf(max(settings.max_held_bytes, 2 * settings.max_body_bytes))

    async def __call__(self, scope: MutableMapping[str, Any], receive: bodies.Receive, send: Send) -> None:
        """Answer one request whose path starts with `PREFIX`."""
        started = perf_counter()
        incoming = Incoming(scope)
        self.metrics.in_progress += 1
        try:
            found = await self._answer(incoming, receive, scope["path"])
            found.headers.append((b"x-request-id", incoming.request_id.encode()))
            if "origin" in incoming.headers:
                found.headers += await self._cors.headers(incoming.headers["origin"], scope["path"])
            await found.send(send, incoming.method == "HEAD")
        except bodies.Disconnected:
            return
        except Damaged:
            self._log.error("damaged", request_id=incoming.request_id)
            return
        finally:
            self.metrics.in_progress -= 1
            if incoming.held is not None:
                incoming.held.leave()
        seconds = perf_counter() - started
        interaction, type, template = described(incoming.method, incoming.path)
        self.metrics.answered(interaction, type, found.status, seconds)
        method = incoming.method if incoming.method in _METHODS else "other"
        logs.request(incoming.request_id, method, template, interaction, found.status, seconds)

    async def _answer(self, incoming: Incoming, receive: bodies.Receive, path: str) -> Answer:
        base = self._base
        try:
            if incoming.method == "OPTIONS" and (preflight := await self._cors.preflight(incoming.headers, path)):
                return Answer(204, preflight, b"")
            self._admit(incoming)
            incoming.read(len(PREFIX))
            call = incoming.call(base, self._strict)
            base = call.base
            if (short := _without_dispatch(incoming, base)) is not None:
                return await self._rendered(incoming, short, base)
            async with asyncio.timeout(self._settings.request_seconds):
                response = await self._handled(incoming, receive, await self._make_context(call))
            return await self._rendered(incoming, response, base)
        except bodies.Disconnected:
            raise
        except FhirError as error:
            if error.status == 403 and not self._settings.open:
                _challenge(error, incoming, base)
            return await self._refused(incoming, failure(error), base)
        except TimeoutError:
            self._log.warning("timeout", request_id=incoming.request_id)
            return await self._refused(incoming, failure(_late(incoming)), base)
        except Exception as error:
            # What went wrong may quote what the client sent: only its kind and place are logged.
            self._log.error("unexpected", request_id=incoming.request_id, error=place(error))
            return await self._refused(incoming, failure(FhirError("The server failed.")), base)

    def _admit(self, incoming: Incoming) -> None:
        if self.metrics.in_progress > self._settings.max_concurrent:
            raise Unavailable("Too many requests at once.", headers={"Retry-After": "1", "Connection": "close"})
        if incoming.method not in _METHODS:
            raise MethodNotAllowed("FHIR has no such method.", headers={"Allow": METHODS})

    async def _handled(self, incoming: Incoming, receive: bodies.Receive, context: Any) -> Response:
        method, path = incoming.method, incoming.path
        if method in _MEANT:
            method, path = _MEANT[method], path or (("metadata",) if method == "OPTIONS" else ())
        if incoming.wanted.raw != "no" and path[:1] == ("Binary",) and method == "GET" and len(path) in (2, 4):
            return await self._binary(incoming, path, context)
        is_form = method == "POST" and path[-1:] == ("_search",)
        if not is_form:
            refuse_unless_raw(incoming.wanted)
        if method in _READING:
            streams = path[:1] == ("Binary",) and not incoming.query
            headers = incoming.for_handlers()
            return await self._dispatch(
                Request(method, path, incoming.query, headers=headers, streams=streams), context
            )
        if uploads.is_taken_apart(incoming, context):
            return await self._uploaded(incoming, receive, context)
        body = await self._body(incoming, receive, LONGEST_FORM if is_form else self._settings.max_body_bytes)
        header = incoming.headers.get("content-type", "")
        if is_form:
            return await self._search(incoming, body, header, context)
        return await self._written(incoming, body, context)

    async def _uploaded(self, incoming: Incoming, receive: bodies.Receive, context: Any) -> Response:
        incoming.awaited, incoming.held = True, bodies.Part(self._shelf)
        body, found = await uploads.received(incoming, receive, context, incoming.held)
        incoming.awaited = False
        if found is None:
            return await self._written(incoming, body, context)
        header, headers = incoming.headers["content-type"].strip(), incoming.for_handlers()
        request = Request(incoming.method, incoming.path, incoming.query, b"", header, headers, None, found, True)
        return await self._dispatch(request, context)

    async def _written(self, incoming: Incoming, body: bytes, context: Any) -> Response:
        method, path, header = incoming.method, incoming.path, incoming.headers.get("content-type", "")
        json, media_type = await bodies.as_json(method, path, body, header, self._settings.max_depth)
        if media_type == FHIR_JSON and json is not body:
            incoming.xml = body
        elif path[-1:] == ("$validate",):
            incoming.json = body
        request = Request(method, path, incoming.query, json, media_type, incoming.for_handlers())
        return await self._dispatch(request, context)

    async def _body(self, incoming: Incoming, receive: bodies.Receive, limit: int) -> bytes:
        incoming.awaited, incoming.held = True, bodies.Part(self._shelf)
        body = await bodies.whole(receive, incoming.headers, min(limit, self._settings.max_body_bytes), incoming.held)
        incoming.awaited = False
        return body

    async def _search(self, incoming: Incoming, body: bytes, header: str, context: Any) -> Response:
        if body and content(header)[0] != FORM:
            raise UnsupportedMediaType(f"A search is posted as {FORM}.", "http.Content-Type")
        incoming.take(pairs(body.strip(b"\r\n")))
        refuse_unless_raw(incoming.wanted)
        request = Request("POST", incoming.path, incoming.query, headers=incoming.for_handlers())
        return await self._dispatch(request, context)

    async def _binary(self, incoming: Incoming, path: tuple[str, ...], context: Any) -> Response:
        headers = incoming.for_handlers()
        streams, asked = not incoming.query, {**headers, "accept-raw": "1"}
        raw = await self._dispatch(
            Request(incoming.method, path, incoming.query, headers=asked, streams=streams), context
        )
        wanted = incoming.wanted.raw
        if wanted in GENERIC and raw.status in (200, 206) and content(raw.media_type)[0] != wanted:
            # application/xml was asked for and the content is something else: the resource, in XML.
            return await self._dispatch(Request("GET", path, incoming.query, headers=headers, streams=streams), context)
        return raw

    async def _rendered(self, incoming: Incoming, response: Response, base: str) -> Answer:
        if incoming.xml or incoming.json:
            response = await _placed(response, incoming)
        wanted = incoming.wanted
        if wanted.format == "html" and shown_length(response) > LONGEST_PAGE:
            wanted = AS_JSON
        if wanted.format == "html" and self._blobs is not None and response.media_type == FHIR_JSON:
            response = await gathered(response, self._blobs)
        if wanted.format == "html" and response.media_type == FHIR_JSON and response.body:
            response = await self._page(incoming, response, base)
        packs = "accept-encoding" in incoming.headers and takes_gzip(incoming.headers["accept-encoding"])
        try:
            return await answer(response, wanted, incoming.pretty, base, packs, self._blobs)
        except NotAcceptable:
            if incoming.method in ("GET", "HEAD") and response.status < 400:
                raise
            # What was done is done, and what was refused is refused for its own reason: JSON can say either.
            return await answer(response, AS_JSON, incoming.pretty, base, packs, self._blobs)

    async def _refused(self, incoming: Incoming, response: Response, base: str) -> Answer:
        try:
            return await self._rendered(incoming, response, base)
        except Exception as error:
            self._log.error("unexpected", request_id=incoming.request_id, error=place(error))
            return Answer(500, [(b"content-type", b"application/fhir+json")], failure(FhirError("Failed.")).body)


def _without_dispatch(incoming: Incoming, base: str) -> Response | None:
    """The answer to what no interaction is: the methods of an address, and the base seen in a browser."""
    if incoming.method == "OPTIONS" and incoming.path:
        allow = _ALLOW.get(len(incoming.path), "GET, HEAD, POST, OPTIONS")
        return Response(204, headers={"Allow": allow, **(ACCEPT_PATCH if "PATCH" in allow else {})})
    bare = not incoming.path and not incoming.query and incoming.method in ("GET", "HEAD")
    if bare and incoming.wanted.format == "html":
        return Response(303, headers={"Location": base.removesuffix(PREFIX) + "/"})
    return None


async def _placed(response: Response, incoming: Incoming) -> Response:
    if not is_placeable(response):
        return response
    place, sent = (placed, incoming.xml) if incoming.xml else (placed_in_json, incoming.json)
    return await conversion(place, response, sent) if len(sent) > bodies.LONG else place(response, sent)


def _late(incoming: Incoming) -> FhirError:
    """What a request that took too long is told: RFC 9110 §15.5.9 when it was the client that did."""
    if incoming.awaited:
        return bodies.Late("The body took too long to come.", headers={"Connection": "close"})
    return Unavailable("The request took too long and was ended.", code="timeout", headers={"Retry-After": "5"})


def _challenge(error: FhirError, incoming: Incoming, base: str) -> None:
    """RFC 6750 §3: in which realm a token is asked for; whoever sent one that does not reach far enough is told so."""
    realm = f'Bearer realm="{base.removesuffix(PREFIX)}"'
    said = error.headers.get("WWW-Authenticate", 'Bearer error="insufficient_scope"').removeprefix("Bearer ")
    error.headers["WWW-Authenticate"] = f"{realm}, {said}" if "authorization" in incoming.headers else realm


def place(error: BaseException) -> str:
    """The kind of an error and where in the code it arose, without its words."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    where = f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame else "?"
    return f"{type(error).__name__} at {where}"
