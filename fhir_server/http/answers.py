"""Turns a FHIR response into the headers and bytes of an HTTP answer.

https://hl7.org/fhir/R4/http.html#versioning, RFC 9110 §8
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from email.utils import formatdate
from functools import lru_cache, partial
from typing import Any

import msgspec

from fhir_server.fhir.json_positions import positions as positions_in_json
from fhir_server.fhir.outcome import FhirError, Malformed, NotAcceptable
from fhir_server.fhir.xml import positions, to_xml
from fhir_server.http.bodies import LONG
from fhir_server.http.compression import packed
from fhir_server.http.long_bodies import conversion
from fhir_server.http.negotiation import Accepted
from fhir_server.http.streams import Sent, gathered, length, sent
from fhir_server.interactions.exchange import FHIR_JSON, Response
from fhir_server.store.blobs.protocol import Blobs

#: Content that is no longer than so many bytes is packed; what is sent as it is read is not.
PACKED_TO = 1_000_000
#: Smaller answers are sent as they are, in bytes: packing them costs more than it spares.
PACKED_FROM = 1_400
# Fetch, "CORS protocol and HTTP caches": an answer to nobody's page says too that its headers depend on whose it is.
_FIXED = ((b"x-content-type-options", b"nosniff"), (b"vary", b"Accept, Accept-Encoding, Origin"))
# What a health server says of a person is for that person's software alone, and may change at any time.
_PRIVATE = (b"cache-control", b"private, no-cache")
_PACKABLE = ("application/fhir+", "application/json", "application/xml", "text/")


@dataclass(slots=True)
class Answer:
    """Status, headers in order, and the body of an HTTP answer: whole, or made as it is sent."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    sent: Sent | None = None

    async def send(self, send: Any, head: bool) -> None:
        """Send it; without its body when `head`.

        Raises:
            Damaged: what is sent as it is read turned out to be damaged; the answer is not ended, so that nobody takes
                what they have for all of it.
        """
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        if self.sent is not None and not head:
            async for piece in self.sent.pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        elif self.sent is not None:
            self.sent.opened.close()
        await send({"type": "http.response.body", "body": b"" if head else self.body})


async def answer(
    response: Response, wanted: Accepted, pretty: bool, base: str, packs: bool, blobs: Blobs | None = None
) -> Answer:
    """The answer a client gets.

    Args:
        response: FHIR JSON, or bytes of another media type, which are left alone.
        wanted: format of a FHIR body.
        pretty: whether a FHIR body is indented.
        base: for absolute `Location` and `Content-Location`.
        packs: whether the client takes gzip.
        blobs: where content is that is sent as it is read.

    Raises:
        NotAcceptable: XML is wanted and the body cannot be written in it.
        Damaged: such content is not as it was written.
    """
    if response.stream is not None and blobs is not None:
        packable = packs and response.stream.at is None and response.media_type.startswith(_PACKABLE)
        if not packable or response.status == 206 or length(response.stream) > PACKED_TO:
            return await _streamed(response, wanted, pretty, base, blobs)
        response = await gathered(response, blobs)
    body, content_type = response.body, response.media_type
    if body and content_type == FHIR_JSON:
        body, content_type = await _formatted(body, wanted, pretty), wanted.content_type
    headers = [*_FIXED, _PRIVATE]
    if body:
        headers.append((b"content-type", content_type.encode("latin-1")))
    packs = packs and len(body) >= PACKED_FROM and content_type.startswith(_PACKABLE) and response.status != 206
    # Packed, it is other bytes than those that the strong tag promises (RFC 9110 §8.8.3.3).
    _describe(replace(response, strong=False) if packs and response.strong else response, base, headers)
    if packs:
        body = await packed(body)
        headers.append((b"content-encoding", b"gzip"))
    if response.status not in (204, 304):
        headers.append((b"content-length", b"%d" % len(body)))
    return Answer(response.status, headers, body)


async def _streamed(response: Response, wanted: Accepted, pretty: bool, base: str, blobs: Blobs) -> Answer:
    inside = response.media_type == FHIR_JSON
    content_type = wanted.content_type if inside else response.media_type
    found = await sent(response, blobs, partial(_written, wanted=wanted, pretty=pretty))
    headers = [*_FIXED, _PRIVATE, (b"content-type", content_type.encode("latin-1"))]
    _describe(response, base, headers)
    headers.append((b"content-length", b"%d" % found.length))
    return Answer(response.status, headers, b"", found)


def _written(json: bytes, wanted: Accepted, pretty: bool) -> bytes:
    if wanted.format == "xml":
        return _xml(json, pretty)
    return _indented(json) if pretty else json


async def _formatted(body: bytes, wanted: Accepted, pretty: bool) -> bytes:
    if wanted.format == "xml":
        return await conversion(_xml, body, pretty) if len(body) > LONG else _xml(body, pretty)
    if not pretty:
        return body
    return await conversion(_indented, body) if len(body) > LONG else _indented(body)


def _indented(body: bytes) -> bytes:
    return msgspec.json.format(body, indent=2)


def _xml(body: bytes, pretty: bool) -> bytes:
    try:
        return to_xml(body, pretty)
    except Malformed as error:
        raise NotAcceptable(
            "This resource cannot be written in XML; ask for JSON.", error.issues[0].expression
        ) from None


def _describe(response: Response, base: str, headers: list[tuple[bytes, bytes]]) -> None:
    if response.version is not None:
        headers.append((b"etag", (b'"%d"' if response.strong else b'W/"%d"') % response.version))
    if response.at is not None:
        headers.append((b"last-modified", _http_date(response.at // 1000)))
    if response.location is not None:
        location = f"{base}/{response.location}".encode("latin-1", "replace")
        if response.status == 201:
            headers.append((b"location", location))
        headers.append((b"content-location", location))
    for name, value in response.headers.items():
        headers.append((name.lower().encode("latin-1"), value.encode("latin-1", "replace")))


@lru_cache(maxsize=2048)
def _http_date(seconds: int) -> bytes:
    return formatdate(seconds, usegmt=True).encode()


def failure(error: FhirError) -> Response:
    """The response that tells a client of `error`."""
    return Response(error.status, error.body(), headers=error.headers)


#: So long a JSON body is read once more for the places of its issues.
_PLACED_BYTES = 2_000_000
_PLACEABLE = b'{"resourceType":"OperationOutcome"'


def is_placeable(response: Response) -> bool:
    """Whether it is an OperationOutcome with issues that speak of an element."""
    return response.body.startswith(_PLACEABLE) and b'"expression"' in response.body


def placed_in_json(response: Response, json: bytes) -> Response:
    """`response` with the line and column of each issue in the JSON the client sent, if it is an OperationOutcome."""
    if len(json) > _PLACED_BYTES or not is_placeable(response):
        return response
    outcome = msgspec.json.decode(response.body)
    try:
        text = json.decode("utf-8-sig")
        inside = _subject(text)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return response  # it could not be read, which the answer says
    found: dict[int, str] = {}
    for n, issue in enumerate(outcome["issue"]):
        path = next(iter(issue.get("expression", ())), "")
        if "location" not in issue and path[:1].isupper():
            whole = not inside or path.startswith("Parameters")
            found[n] = path if whole else inside + path[len(path.partition(".")[0]) :]
    places = positions_in_json(text, [*found.values()])
    for n, path in found.items():
        line, column = places[path]
        outcome["issue"][n]["location"] = [f"line {line}, column {column}"]
    return replace(response, body=msgspec.json.encode(outcome))


def _subject(json: str) -> str:
    """Where what an operation is asked about stands, when that is in a parameter; "" when it is the body."""
    tree = msgspec.json.decode(json)
    rows = tree.get("parameter") if isinstance(tree, dict) and tree.get("resourceType") == "Parameters" else None
    named = enumerate(rows if isinstance(rows, list) else ())
    at = next((n for n, row in named if isinstance(row, dict) and row.get("name") == "resource"), None)
    return "" if at is None else f"Parameters.parameter[{at}].resource"


_SUBJECT = re.compile(r"Parameters\.parameter\[\d+\]\.resource")


def placed(response: Response, xml: bytes) -> Response:
    """`response` with the line and column of each issue in the XML the client sent, if it is an OperationOutcome."""
    if not is_placeable(response):
        return response
    try:
        places = positions(xml)
    except Malformed:
        return response
    outcome = msgspec.json.decode(response.body)
    # What an operation is asked about may stand in a parameter: its own paths start there.
    inside = next((path for path in places if _SUBJECT.fullmatch(path)), "")
    for issue in outcome["issue"]:
        path = next(iter(issue.get("expression", ())), "")
        if inside and path and not path.startswith("Parameters"):
            path = inside + path[len(path.partition(".")[0]) :]
        while path and path not in places:
            path = path.rpartition(".")[0]
        if path and "location" not in issue:
            line, column = places[path]
            issue["location"] = [f"line {line}, column {column}"]
    return replace(response, body=msgspec.json.encode(outcome))
