"""A server whose interactions are canned, to test the wire alone; the real interactions have tests of their own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx

from fhir_server.fhir.outcome import NotFound
from fhir_server.http.application import Application, build
from fhir_server.http.calls import Call
from fhir_server.interactions.exchange import FHIR_JSON, Context, Request, Response
from fhir_server.interactions.pipeline import Pipeline
from fhir_server.settings import Settings
from fhir_server.site.rendering import Pages
from fhir_server.site.routing import assembled

PATIENT = {
    "resourceType": "Patient",
    "id": "1",
    "meta": {"versionId": "3", "lastUpdated": "2026-01-31T12:00:00.123Z"},
    "text": {
        "status": "generated",
        "div": '<div xmlns="http://www.w3.org/1999/xhtml"><p onclick="x()">Jeanne <b>Durand</b></p><script>x()</script></div>',
    },
    "name": [{"family": "Durand", "given": ["Jeanne"]}],
    "managingOrganization": {"reference": "Organization/o1"},
    "extension": [{"url": "urn:u", "valueDecimal": 1}],
}
BODY = json.dumps(PATIENT).replace('"valueDecimal": 1', '"valueDecimal": 1.10').encode()
AT = 1_769_860_800_123


class Stub:
    """Canned interactions, remembering what they were asked.

    Attributes:
        requests: each request dispatched, in order.
        calls: each call a context was made for, in order.
        answer: what is answered; by default a Patient, or what was sent.
    """

    def __init__(self, answer: Callable[[Request], Awaitable[Response]] | None = None, **settings: Any) -> None:
        self.requests: list[Request] = []
        self.calls: list[Call] = []
        self.answer = answer or _canned
        self.settings = Settings(**settings)
        pages = Pages(self.settings)
        self.app: Application = build(
            self.settings,
            self._dispatch,
            self._context,
            pages.page,
            lambda counted: assembled(pages, counted, self.settings.metrics_token.get_secret_value(), ()),
        )

    async def _dispatch(self, request: Request, context: Context) -> Response:
        self.requests.append(request)
        return await self.answer(request)

    async def _context(self, call: Call) -> Context:
        self.calls.append(call)
        no_store: Any = None  # the stub's interactions touch none
        return Context(no_store, self.settings, call.base, Pipeline(()), call.strict, call.prefer, call.request_id)

    @asynccontextmanager
    async def client(self, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
        """A client of this server that sends `headers` and nothing of its own."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://fhir.test") as client:
            for name in ("accept", "accept-encoding"):
                del client.headers[name]
            client.headers.update(headers)
            yield client

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request."""
        async with self.client() as client:
            return await client.request(method, path, **options)

    async def raw(
        self,
        target: bytes,
        method: str = "GET",
        headers: list[tuple[bytes, bytes]] | None = None,
        chunks: tuple[bytes, ...] = (),
    ) -> tuple[int, dict[bytes, bytes], bytes]:
        """What an ASGI server would pass on, without the tidying a client does."""
        path, _, query = target.partition(b"?")
        scope = {
            "type": "http",
            "method": method,
            "path": path.decode("latin-1"),
            "raw_path": path,
            "query_string": query,
            "headers": headers if headers is not None else [(b"host", b"fhir.test")],
            "scheme": "http",
            "client": None,
        }
        pending = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return pending.pop(0) if pending else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        if not sent:
            return 0, {}, b""
        return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


async def _canned(request: Request) -> Response:
    if request.path[-1:] == ("missing",):
        raise NotFound("Not found.", "Patient.id")
    if request.method in ("POST", "PUT", "PATCH") and request.body:
        return Response(201, request.body, version=1, at=AT, location="Patient/1/_history/1")
    return Response(200, BODY, FHIR_JSON, 3, AT, "Patient/1/_history/3")
