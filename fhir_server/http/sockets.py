"""Websockets on the wire: who is let in, over ASGI. What is said on them is the business of whoever holds them.

RFC 6455 §4.2.2, §10.2 (origin). A token is in the Authorization header of the handshake or in a message, never in the
URL, which logs keep.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Protocol

from fhir_server.access.grant import Grant
from fhir_server.fhir.outcome import FhirError, Forbidden
from fhir_server.http.answers import Answer, failure
from fhir_server.http.calls import Incoming
from fhir_server.http.connection_limits import place as network
from fhir_server.http.cors import Cors
from fhir_server.http.logs import logger
from fhir_server.http.protocol import SOCKETS
from fhir_server.http.wire import place
from fhir_server.subscriptions.sockets.link import UNSUPPORTED, Link, Over

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
#: The caller of a handshake, by its headers and the FHIR base; None where it has no token yet.
Admits = Callable[[Mapping[str, str], str], Awaitable[Grant | None]]


class Holds(Protocol):
    """What talks with clients."""

    def enter(self, grant: Grant | None, address: str) -> str | None:
        """Take a place for a caller; its name, or None where there is none."""

    def leave(self, who: str) -> None:
        """Give a place back in which nobody talked."""

    async def hold(self, link: Link, grant: Grant | None, who: str) -> None:
        """Talk until either side has had enough; the place `who` is given back then."""


class Full(FhirError):
    """There are as many sockets as there may be: RFC 6585 §4."""

    status = 429
    code = "throttled"


class UpgradeRequired(FhirError):
    """What is asked for without a websocket's handshake: RFC 9110 §15.5.22."""

    status = 426
    code = "not-supported"


class Sockets:
    """Lets websockets in, or refuses them."""

    def __init__(self, base: str, cors: Cors, admits: Admits, holds: Callable[[], Holds]) -> None:
        """`base` is the FHIR base, "" for the request's own Host; `holds` gives who talks with whom it lets in."""
        self._base = base.rstrip("/")
        self._cors = cors
        self._admits = admits
        self._holds = holds
        self._log = logger("http")

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Send) -> None:
        """Serve one ASGI connection of type "websocket"."""
        incoming = Incoming(as_http(scope))
        try:
            grant, who = await self._admitted(incoming)
        except FhirError as error:
            self._note(incoming, error.status)
            await refused(error, send)
            return
        except Exception as error:
            # What went wrong may quote what the client sent: only its kind and place are logged.
            self._log.error("unexpected", request_id=incoming.request_id, error=place(error))
            await refused(FhirError("The server failed."), send)
            return
        try:
            await receive()
            await send({"type": "websocket.accept"})
        except OSError:
            self._holds().leave(who)
            return
        self._note(incoming, 101)
        await self._holds().hold(_Socket(receive, send, _address(scope)), grant, who)

    async def _admitted(self, incoming: Incoming) -> tuple[Grant | None, str]:
        """The caller, and the place that they have.

        Raises:
            Forbidden: the page of another origin opens it (403).
            Unauthorized: the token is not valid (401).
            Full: there is no place (429).
        """
        origin = incoming.headers.get("origin")
        if origin is not None and not await self._cors.admits(origin):
            raise Forbidden("Pages of this origin may not open sockets here: FHIR_CORS_ORIGINS lists others.")
        grant = await self._admits(incoming.headers, incoming.call(self._base, True).base)
        who = self._holds().enter(grant, _address(incoming.scope))
        if who is None:
            raise Full("There are too many sockets.", headers={"Retry-After": "10"})
        return grant, who

    def _note(self, incoming: Incoming, status: int) -> None:
        self._log.info("socket", request_id=incoming.request_id, path=SOCKETS, status=status)


class _Socket:
    """A `Link` over ASGI."""

    def __init__(self, receive: Any, send: Send, address: str) -> None:
        self._receive = receive
        self._send = send
        self.address = address

    async def heard(self) -> str | None:
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            return None
        if message.get("text") is None:
            raise Over("Messages are text.", UNSUPPORTED)
        return str(message["text"])

    async def tell(self, text: str) -> None:
        try:
            await self._send({"type": "websocket.send", "text": text})
        except (OSError, RuntimeError):
            raise Over("The client has gone.") from None

    async def end(self, code: int, words: str) -> None:
        try:
            await self._send({"type": "websocket.close", "code": code, "reason": words})
        except (OSError, RuntimeError):
            return


async def refused(error: FhirError, send: Send) -> None:
    """Answer a handshake that is refused: with an OperationOutcome, as every refusal is."""
    found = failure(error)
    headers = [(b"content-type", b"application/fhir+json; charset=utf-8"), (b"content-length", b"%d" % len(found.body))]
    headers += [(name.lower().encode(), value.encode("latin-1")) for name, value in found.headers.items()]

    async def over(message: MutableMapping[str, Any]) -> None:
        await send({**message, "type": f"websocket.{message['type']}"})

    await Answer(found.status, headers, found.body).send(over, head=False)


async def without_handshake(scope: MutableMapping[str, Any], send: Send) -> None:
    """Answer what asks for the address of websockets as if it were a page."""
    found = failure(UpgradeRequired("Here are websockets: RFC 6455."))
    headers = [
        (b"content-type", b"application/fhir+json; charset=utf-8"),
        (b"content-length", b"%d" % len(found.body)),
        (b"upgrade", b"websocket"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await Answer(found.status, headers, found.body).send(send, scope["method"] == "HEAD")


def as_http(scope: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The handshake as the HTTP request that it is."""
    return {**scope, "method": "GET", "scheme": "https" if scope.get("scheme") == "wss" else "http"}


def _address(scope: Mapping[str, Any]) -> str:
    client = scope.get("client")
    return network(str(client[0])) if client else ""
