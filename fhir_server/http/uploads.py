"""The content of a Binary taken as it comes, without ever being in memory as a whole.

https://hl7.org/fhir/R4/binary.html#rest. What is short, or may be a resource after all, is read like any other body.
"""

from __future__ import annotations

from typing import NamedTuple

from fhir_server.access.grant import Grant
from fhir_server.http.binary_content import PROLOG, is_content
from fhir_server.http.bodies import Disconnected, Part, Receive
from fhir_server.http.calls import Incoming
from fhir_server.http.compression import too_large
from fhir_server.http.negotiation import FORMATS, content
from fhir_server.interactions.exchange import Context
from fhir_server.settings import Settings
from fhir_server.store.blobs.protocol import Blobs
from fhir_server.store.content import Content

#: Bytes that are looked at before anything is written: by then XML has said what it is.
LOOKED_AT = PROLOG
#: Parameters that shape an answer, which then is made of all of the resource.
_SHAPING = frozenset({"_summary", "_elements"})
_VERBS = {"POST": "c", "PUT": "u"}


class Received(NamedTuple):
    """A body that was looked at: all of it, or what was written of it."""

    body: bytes
    content: Content | None


def is_taken_apart(incoming: Incoming, context: Context) -> bool:
    """Whether a body may be content that is written as it comes.

    Not where its sender may write no Binary: what is refused is not kept meanwhile.
    """
    verb, path = _VERBS.get(incoming.method), incoming.path
    media_type = content(incoming.headers.get("content-type", ""))[0]
    return (
        context.blobs is not None
        and verb is not None
        and path[:1] == ("Binary",)
        and len(path) <= (2 if verb == "u" else 1)
        and FORMATS.get(media_type, "html") != "json"
        and "/" in media_type
        and incoming.headers.get("content-encoding", "identity").strip().lower() == "identity"
        and not any(name in _SHAPING for name, _ in incoming.query)
        and context.repository.allows("Binary", verb)
    )


async def received(incoming: Incoming, receive: Receive, context: Context, held: Part) -> Received:
    """The body, written to where the store keeps long content if that is what it is.

    Raises:
        TooLarge: longer than content, or than a body, may be.
        Disconnected: the client went away.
        InsufficientStorage: the disk is full.
    """
    assert context.blobs is not None
    settings = context.settings
    _refuse_declared(incoming, settings.max_content_bytes)
    head = bytearray()
    more = True
    while more and len(head) <= LOOKED_AT:
        piece, more = await _next(receive)
        held.take(len(piece))
        head += piece
    media_type = content(incoming.headers.get("content-type", ""))[0]
    if not more:
        _refuse_long(len(head), settings.max_content_bytes)
        return Received(bytes(head), None)
    if not is_content(incoming.method, incoming.path, media_type, bytes(head)):
        return Received(await _rest(head, receive, held, settings), None)
    found = await _written(head, receive, context.blobs, _owner(incoming, context.repository.grant), settings)
    held.leave()
    return Received(b"", found)


async def _written(head: bytearray, receive: Receive, blobs: Blobs, owner: str | None, settings: Settings) -> Content:
    upload = blobs.upload(owner)
    try:
        size, piece, more = 0, bytes(head), True
        head.clear()
        while True:
            size += len(piece)
            _refuse_long(size, settings.max_content_bytes)
            await upload.write(piece)
            if not more:
                return await upload.finish()
            piece, more = await _next(receive)
    finally:
        await upload.give_up()


async def _rest(head: bytearray, receive: Receive, held: Part, settings: Settings) -> bytes:
    """All of a body that is a resource after all."""
    more = True
    while more:
        _refuse_long(len(head), settings.max_body_bytes)
        piece, more = await _next(receive)
        held.take(len(piece))
        head += piece
    _refuse_long(len(head), settings.max_body_bytes)
    return bytes(head)


async def _next(receive: Receive) -> tuple[bytes, bool]:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Disconnected
    return message.get("body", b""), message.get("more_body", False)


def _owner(incoming: Incoming, grant: Grant) -> str | None:
    """Whose content it is, where that is known before it is read."""
    context = incoming.headers.get("x-security-context", "")
    if context.startswith("Patient/"):
        return context
    if grant.patient:
        return f"Patient/{grant.patient}"
    return "/".join(incoming.path) if len(incoming.path) == 2 else None


def _refuse_declared(incoming: Incoming, limit: int) -> None:
    declared = incoming.headers.get("content-length", "0")
    if declared.isdigit() and (len(declared) > 18 or int(declared) > limit):
        raise too_large(limit)


def _refuse_long(size: int, limit: int) -> None:
    if size > limit:
        raise too_large(limit)
