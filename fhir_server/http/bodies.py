"""Request bodies: read up to a limit, unpacked up to the same limit, turned into JSON.

https://hl7.org/fhir/R4/http.html#mime-type, https://hl7.org/fhir/R4/binary.html#rest, RFC 9110 §8.4
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from fhir_server.fhir.outcome import FhirError, Unavailable, UnsupportedMediaType
from fhir_server.fhir.xml import to_json
from fhir_server.http.binary_content import is_content, is_document
from fhir_server.http.compression import too_large, unpacked
from fhir_server.http.long_bodies import conversion
from fhir_server.http.negotiation import FORM, FORMATS, JSON_PATCH, MERGE_PATCH, XML_PATCH, content
from fhir_server.interactions.exchange import FHIR_JSON
from fhir_server.interactions.patch import ACCEPT_PATCH

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

#: From this size on, in bytes, a conversion runs in a thread so that others are served meanwhile.
LONG = 200_000


class Disconnected(Exception):
    """The client went away before its body was whole: nothing is owed to it."""


class Late(FhirError):
    """The body did not come in time."""

    status = 408
    code = "timeout"


class Shelf:
    """The bodies that a worker holds at once, so that many large ones do not take its memory.

    Attributes:
        held: bytes.
    """

    def __init__(self, most: int) -> None:
        """`most`: bytes it holds."""
        self.held = 0
        self._most = most

    def take(self, size: int) -> None:
        """Hold so many bytes more; a negative number lets go.

        Raises:
            Unavailable: there is no room now.
        """
        if size > 0 and self.held + size > self._most:
            raise Unavailable("Too much is being sent at once.", headers={"Retry-After": "2", "Connection": "close"})
        self.held += size


class Part:
    """What one request holds of a shelf.

    Attributes:
        size: bytes.
    """

    __slots__ = ("_shelf", "size")

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self.size = 0

    def take(self, size: int) -> None:
        """As `Shelf.take`."""
        self._shelf.take(size)
        self.size += size

    def leave(self) -> None:
        """Let go of all."""
        self._shelf.take(-self.size)
        self.size = 0


async def whole(receive: Receive, headers: Mapping[str, str], limit: int, part: Part) -> bytes:
    """The request's body, unpacked if it came compressed; `part` holds it.

    Raises:
        TooLarge: more than `limit` bytes, as sent or unpacked.
        UnsupportedMediaType: a content coding other than gzip.
        Malformed: not the gzip it says it is.
        Unavailable: the worker holds too much already.
        Disconnected: the client went away.
    """
    declared = headers.get("content-length", "0")
    if declared.isdigit() and (len(declared) > 18 or int(declared) > limit):
        raise too_large(limit)
    body = await _received(receive, limit, part)
    coding = headers.get("content-encoding", "").strip().lower()
    if not body or coding in ("", "identity"):
        return body
    if coding not in ("gzip", "x-gzip"):
        raise UnsupportedMediaType("The content coding is not gzip.", "http.Content-Encoding")
    found = await unpacked(body, limit)
    part.take(len(found))
    return found


async def _received(receive: Receive, limit: int, part: Part) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise too_large(limit)
        part.take(len(chunk))
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks) if len(chunks) > 1 else chunk


async def as_json(method: str, path: tuple[str, ...], body: bytes, header: str, max_depth: int) -> tuple[bytes, str]:
    """The body as handlers take it, and its media type: XML becomes JSON, content and a patch stay.

    Raises:
        UnsupportedMediaType: a type this interaction does not read, or a charset that is not UTF-8.
        Malformed: XML that is not FHIR.
    """
    if not body:
        return body, ""
    media_type, charset = content(header)
    kept = await _kept(method, path, media_type, body)
    if kept is not None:
        return body, kept or header.strip()
    if charset not in ("", "utf-8", "utf8", "us-ascii"):
        raise UnsupportedMediaType("FHIR is written in UTF-8.", "http.Content-Type")
    match FORMATS.get(media_type) if "/" in media_type else _guessed(media_type, body):
        case "json":
            return body, JSON_PATCH if method == "PATCH" and body.lstrip()[:1] == b"[" else FHIR_JSON
        case "xml" if len(body) > LONG:
            return await conversion(to_json, body, max_depth), FHIR_JSON
        case "xml":
            return to_json(body, max_depth), FHIR_JSON
    raise UnsupportedMediaType(
        f"A body is application/fhir+json or application/fhir+xml{_besides(method, path)}.",
        "http.Content-Type",
        headers=ACCEPT_PATCH if method == "PATCH" else None,
    )


async def _kept(method: str, path: tuple[str, ...], media_type: str, body: bytes) -> str | None:
    """The type of a body that stays as it came: a patch's own, "" for what the header says; None for a resource."""
    looked_at = (method, path, media_type, body)
    long = len(body) > LONG and path[:1] == ("Binary",)
    if await conversion(is_content, *looked_at) if long else is_content(*looked_at):
        return ""
    if is_document(*looked_at):
        return media_type or "application/xml"
    if method == "PATCH" and media_type == MERGE_PATCH:
        raise UnsupportedMediaType(_NO_MERGE, "http.Content-Type", headers=ACCEPT_PATCH)
    return media_type if method == "PATCH" and media_type in (JSON_PATCH, XML_PATCH) else None


_NO_MERGE = (
    "A merge patch (RFC 7396) is not offered, since it cannot say which of several elements is meant: JSON Patch in "
    f"{JSON_PATCH}, XML Patch in {XML_PATCH}, or FHIRPath Patch in application/fhir+json or application/fhir+xml."
)


def _besides(method: str, path: tuple[str, ...]) -> str:
    if method == "PATCH":
        return f" (FHIRPath Patch), {JSON_PATCH} or {XML_PATCH}"
    return f" or {FORM}" if path[-1:] == ("_search",) else ""


def _guessed(media_type: str, body: bytes) -> str | None:
    # A client that says nothing of its body may have it looked at (RFC 9110 §8.3).
    return None if media_type else {b"{": "json", b"[": "json", b"<": "xml"}.get(body.lstrip()[:1])
