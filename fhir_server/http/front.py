"""What every answer that is not FHIR's own gets: request id, safe headers, CORS, a count, no detail when it fails."""

from __future__ import annotations

from collections.abc import MutableMapping
from time import perf_counter
from typing import Any

from fhir_server.fhir.outcome import FhirError
from fhir_server.http.answers import Answer, failure
from fhir_server.http.calls import Incoming
from fhir_server.http.cors import Cors
from fhir_server.http.health import Readiness
from fhir_server.http.logs import logger
from fhir_server.http.metrics import Metrics
from fhir_server.http.wire import place

#: Content-Security-Policy of every page: no inline script or style, nothing from elsewhere, never inside another page.
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_SAFE = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"vary", b"Origin"),
]
#: Paths that probes and scrapers ask for every few seconds: not logged.
_QUIET = ("/health/", "/metrics", "/static/", "/docs/assets/")


class Front:
    """Stands before FastAPI's routes."""

    def __init__(self, routes: Any, metrics: Metrics, cors: Cors, readiness: Readiness) -> None:
        """`routes`: the ASGI application behind; `readiness` answers probes before it."""
        self._routes = routes
        self._readiness = readiness
        self._metrics = metrics
        self._cors = cors
        self._log = logger("http")

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Answer one request that is not FHIR's: for a page, a token, or whether the server is ready."""
        started = perf_counter()
        incoming = Incoming(scope)
        cors = await self._cors.headers(incoming.headers.get("origin"), scope["path"])
        if incoming.method == "OPTIONS" and (preflight := await self._cors.preflight(incoming.headers, scope["path"])):
            await Answer(204, [*preflight, *cors], b"").send(send, head=False)
            return
        status = 0

        async def sent(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if incoming.method == "HEAD" and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *_own(incoming, message.get("headers", ())), *cors]
            await send(message)

        routed = {**scope, "method": "GET"} if incoming.method == "HEAD" else scope
        try:
            # RFC 9110 §9.3.2: whatever can be got has a head, whether or not its route says so.
            await self._answered(routed, receive, sent)
        except Exception as error:
            if _has_left(error):
                return
            self._log.error("unexpected", request_id=incoming.request_id, error=place(error))
            if not status:
                status = 500
                failed = failure(FhirError("The server failed."))
                headers = [(b"content-type", b"application/fhir+json"), *_own(incoming, ()), *cors]
                await Answer(500, headers, failed.body).send(send, incoming.method == "HEAD")
        self._note(routed, incoming, status, perf_counter() - started)

    async def _answered(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        probed = await self._readiness.answered(scope["path"]) if scope["method"] == "GET" else None
        if probed is None:
            await self._routes(scope, receive, send)
            return
        status, body = probed
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await Answer(status, headers, body).send(send, head=False)

    def _note(self, scope: MutableMapping[str, Any], incoming: Incoming, status: int, seconds: float) -> None:
        # The route's own path, never the address: what follows it may name someone.
        path = getattr(scope.get("route"), "path", "other")
        self._metrics.answered("page", "", status, seconds)
        if not scope["path"].startswith(_QUIET):
            self._log.info(
                "request", request_id=incoming.request_id, path=path, status=status, ms=round(seconds * 1000, 2)
            )


def _has_left(error: Exception) -> bool:
    """Whether the client went away before its body was whole."""
    from starlette.requests import ClientDisconnect

    return isinstance(error, ClientDisconnect)


def _own(incoming: Incoming, given: Any) -> list[tuple[bytes, bytes]]:
    """The headers of every answer, but for those `given` by the route itself."""
    names = {name.lower() for name, _ in given}
    own = [*_SAFE, (b"content-security-policy", POLICY.encode()), (b"x-request-id", incoming.request_id.encode())]
    # Of Vary each line counts.
    return [pair for pair in own if pair[0] == b"vary" or pair[0] not in names]
