"""A Binary in its own media type: bytes on the wire, a resource with base64 `data` in the store.

https://hl7.org/fhir/R4/binary.html#rest. The wire says that the client asked for the bytes themselves with the header
`accept-raw`; `X-Security-Context` names the resource a new Binary is judged by.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from typing import Any

import msgspec

from fhir_server.fhir.outcome import Malformed
from fhir_server.interactions.exchange import FHIR_JSON, Request, Response
from fhir_server.store.protocol import Version

#: Header by which the wire says that the client wants the content, not the resource.
RAW = "accept-raw"

_REFERENCE = re.compile(
    r"(?:https?://\S+/)?[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?", re.ASCII
)
_MEDIA_TYPE = re.compile(r"[\w.+!#$&^-]+/[\w.+!#$&^-]+(?:\s*;.*)?", re.ASCII)


class _Content(msgspec.Struct):
    contentType: str = "application/octet-stream"
    data: str = ""


_decode = msgspec.json.Decoder(_Content).decode


def wants_raw(request: Request) -> bool:
    """Whether the client accepts the content's own media type rather than FHIR's."""
    return RAW in request.headers


def raw(version: Version) -> Response:
    """The content of a stored Binary, in its own media type."""
    content = _decode(version.body)
    # RFC 9110 §5.5: a header value cannot carry line breaks or other control characters.
    declared = content.contentType if _MEDIA_TYPE.fullmatch(content.contentType) else "application/octet-stream"
    if declared == FHIR_JSON:
        # The wire writes a resource of its own in that type as the client wants it; this goes out as it came in.
        declared = f"{FHIR_JSON}; charset=utf-8"
    return Response(
        200,
        b64decode(content.data),
        media_type=declared,
        version=version.version,
        at=version.at,
        location=f"Binary/{version.id}/_history/{version.version}",
        # A stored page must not run with the rights of this server's own pages.
        headers={"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"},
    )


def is_content(request: Request) -> bool:
    """Whether the body is a Binary's content rather than a resource.

    The wire has made JSON of a resource in XML, and calls a resource in any type that may be JSON by FHIR's own.
    """
    if request.resource is not None or not request.content_type:
        return False
    return request.content_type != FHIR_JSON or not is_binary(request.body)


class _Kind(msgspec.Struct):
    resourceType: Any = None


_kind = msgspec.json.Decoder(_Kind).decode


def is_binary(json: bytes, unread: bool = True) -> bool:
    """Whether `json` is a Binary resource; `unread` is the answer for what is no JSON."""
    try:
        return bool(_kind(json.removeprefix(b"\xef\xbb\xbf")).resourceType == "Binary")
    except msgspec.ValidationError:
        return False  # JSON, and no object
    except (msgspec.DecodeError, RecursionError):
        return unread


def wrapped(request: Request, id: str | None) -> dict[str, Any]:
    """The Binary resource whose content is the request's body.

    Raises:
        Malformed: the body is empty, or `X-Security-Context` is not a reference.
    """
    if not request.body:
        raise Malformed("A Binary needs content.", "Binary.data", code="required")
    tree: dict[str, Any] = {"resourceType": "Binary"}
    if id is not None:
        tree["id"] = id
    tree["contentType"] = request.content_type
    context = request.headers.get("x-security-context")
    if context is not None:
        if not _REFERENCE.fullmatch(context):
            raise Malformed("X-Security-Context is not a reference.", "http.X-Security-Context", code="value")
        tree["securityContext"] = {"reference": context}
    tree["data"] = b64encode(request.body).decode()
    return tree
