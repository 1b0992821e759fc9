"""The ASGI application: FHIR under `/fhir` by the wire itself, everything else by FastAPI's routes.

https://hl7.org/fhir/R4/http.html
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fhir_server.fhir.outcome import NotFound, Unavailable
from fhir_server.http import health, metrics
from fhir_server.http.answers import Answer, failure
from fhir_server.http.calls import MakeContext
from fhir_server.http.cors import Cors, Registered
from fhir_server.http.forwarded import Peers
from fhir_server.http.front import Front
from fhir_server.http.metrics_shared import Folder
from fhir_server.http.protocol import SOCKETS
from fhir_server.http.sockets import Admits, Holds, Sockets, refused, without_handshake
from fhir_server.http.wire import PREFIX, Renders, Wire
from fhir_server.interactions.exchange import Handler
from fhir_server.settings import Settings
from fhir_server.store.blobs.protocol import Blobs

if TYPE_CHECKING:
    from fastapi import FastAPI

Scope = MutableMapping[str, Any]
WELL_KNOWN = PREFIX + "/.well-known/"
#: Makes every route that is not FHIR's own, with `/metrics` of what is counted there; asked once.
MakeRoutes = Callable[[metrics.Metrics], "FastAPI"]


class Application:
    """What the ASGI server runs.

    Attributes:
        wire: FHIR's.
        readiness: set its `stopping` when the process is asked to stop.
    """

    def __init__(
        self,
        make: Callable[[], FastAPI],
        wire: Wire,
        readiness: health.Readiness,
        cors: Cors,
        peers: Peers,
        imports: Sequence[str] = (),
        sockets: Sockets | None = None,
    ) -> None:
        """Join the parts that `build` makes; `make` assembles the routes that are not FHIR's, out of `imports`."""
        self._sockets = sockets
        self._make = make
        self._imports = imports
        self._made: FastAPI | None = None
        self.wire = wire
        self.readiness = readiness
        self._front = Front(self._routed, wire.metrics, cors, readiness)
        self._peers = peers

    @property
    def fastapi(self) -> FastAPI:
        """Every route that is not FHIR's own; made when it is first asked for, since few starts need it at once."""
        if self._made is None:
            self._made = self._make()
        return self._made

    async def _routed(self, scope: Scope, receive: Any, send: Any) -> None:
        if self._made is None:
            # The first visitor waits for them, and nobody else does.
            await asyncio.to_thread(lambda: [import_module(name) for name in self._imports])
        await self.fastapi(scope, receive, send)

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Serve one ASGI connection; a request that a stop ends is told so, where nothing was answered yet."""
        begun = False

        async def sent(message: MutableMapping[str, Any]) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._answered(scope, receive, sent)
        except asyncio.CancelledError:
            if not self.readiness.stopping:
                raise
            # What was waited for takes longer than a stop waits (FHIR_SHUTDOWN_SECONDS).
            if not begun and scope["type"] == "http":
                await _stopped(scope, send)

    async def _answered(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            scope = self._peers.seen(scope)
            path: str = scope["path"]
            # SMART's discovery is under the FHIR base (RFC 8615) and is no interaction of FHIR's.
            own = path.startswith(PREFIX) and path[len(PREFIX) : len(PREFIX) + 1] in ("", "/")
            if own and not path.startswith(WELL_KNOWN):
                await self.wire(scope, receive, send)
            elif path == SOCKETS and self._sockets is not None:
                await without_handshake(scope, send)
            else:
                await self._front(scope, receive, send)
        elif scope["type"] == "websocket":
            scope = self._peers.seen(scope)
            if self._sockets is not None and scope["path"] == SOCKETS:
                await self._sockets(scope, receive, send)
            else:
                await refused(NotFound("There are no websockets here."), send)
        elif scope["type"] == "lifespan":
            await _lifespan(receive, send)


def build(
    settings: Settings,
    dispatch: Handler,
    make_context: MakeContext,
    page: Renders,
    routes: MakeRoutes,
    *,
    check: health.Check | None = None,
    gauges: Mapping[str, metrics.Gauge] | None = None,
    registered: Registered | None = None,
    imports: Sequence[str] = (),
    blobs: Blobs | None = None,
    admits: Admits | None = None,
    holds: Callable[[], Holds] | None = None,
) -> Application:
    """The application.

    Args:
        settings: limits, base URL, CORS.
        dispatch: runs an interaction.
        make_context: makes the context of a call, or raises `Unauthorized`.
        page: makes pages for people of FHIR's answers.
        routes: makes the routes that are not FHIR's own: pages, those of authorization, `/metrics`.
        check: says what is wrong with the store, for `/health/ready`; None when nothing is.
        gauges: values for `/metrics` by name, such as the writes waiting for the store.
        registered: origins of registered apps, which may call from a browser.
        imports: modules that `routes` needs, read when the first such route is asked for: many servers never are.
        blobs: where content is that is sent as it is read.
        admits, holds: who opens a websocket, and who talks with them; None where there are none.
    """
    shared = Folder(settings.data / "metrics", os.getppid(), os.getpid()) if settings.workers > 1 else None
    counted = metrics.Metrics(gauges, shared)
    readiness = health.Readiness(check)
    cors = Cors(settings.cors_origins, registered, _origin(settings.base_url))
    wire = Wire(settings, dispatch, make_context, counted, page, cors, blobs)

    peers = Peers(settings.trusted_proxies, settings.forwarded_header)
    sockets = None if admits is None or holds is None else Sockets(settings.base_url, cors, admits, holds)
    return Application(lambda: routes(counted), wire, readiness, cors, peers, imports, sockets)


async def _stopped(scope: Scope, send: Any) -> None:
    words = "The server is stopping. Writes are whole or not there: look before sending them again."
    failed = failure(Unavailable(words))
    headers = [(b"content-type", b"application/fhir+json; charset=utf-8"), (b"retry-after", b"5")]
    headers += [(b"content-length", b"%d" % len(failed.body)), (b"connection", b"close")]
    await Answer(failed.status, headers, failed.body).send(send, scope["method"] == "HEAD")


async def _lifespan(receive: Any, send: Any) -> None:
    """Nothing is opened here: whoever made the application has."""
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


def _origin(base: str) -> str:
    """Of the server's own pages, as browsers send it; "" when the base is not known."""
    parts = urlsplit(base)
    return f"{parts.scheme}://{parts.netloc.lower()}" if parts.netloc else ""
