"""A Binary in its own media type: bytes on the wire, a resource with base64 `data` in the store.

https://hl7.org/fhir/R4/binary.html#rest. The wire says that the client asked for the bytes themselves with the header
`accept-raw`; `X-Security-Context` names the resource a new Binary is judged by.
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Any

import msgspec

from fhir_server.fhir.outcome import Malformed
from fhir_server.interactions.exchange import FHIR_JSON, Request

#: Header by which the wire says that the client wants the content, not the resource.
RAW = "accept-raw"

_REFERENCE = re.compile(
    r"(?:https?://\S+/)?[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?", re.ASCII
)


def wants_raw(request: Request) -> bool:
    """Whether the client accepts the content's own media type rather than FHIR's."""
    return RAW in request.headers


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
    if not request.body and request.content is None:
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
    if request.content is None:
        tree["data"] = b64encode(request.body).decode()
    return tree
