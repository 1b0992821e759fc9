"""A stored Binary as it is asked for: its content in its own media type, whole or a part, or the resource.

https://hl7.org/fhir/R4/binary.html#rest, RFC 9110 §14 (ranges), IHE MHD ITI-68. Content that is kept outside its
resource is found whole before anything is answered, and sent as it is read.
"""

from __future__ import annotations

import re
from base64 import b64decode
from dataclasses import replace

import msgspec

from fhir_server.interactions import ranges
from fhir_server.interactions.binary import wants_raw
from fhir_server.interactions.exchange import FHIR_JSON, Context, Request, Response, Stream
from fhir_server.interactions.preconditions import unmodified
from fhir_server.interactions.shaping import shown
from fhir_server.store.content import Content
from fhir_server.store.protocol import Version

_MEDIA_TYPE = re.compile(r"[\w.+!#$&^-]+/[\w.+!#$&^-]+(?:\s*;.*)?", re.ASCII)


class _Content(msgspec.Struct):
    contentType: str = "application/octet-stream"
    data: str = ""


_decode = msgspec.json.Decoder(_Content).decode


async def answered(request: Request, context: Context, version: Version) -> Response:
    """A stored Binary as it is asked for: its content, the resource, or that the client has it already."""
    known = unmodified(request, version) if request.headers else None
    if known is not None:
        return replace(known, strong=wants_raw(request))
    if wants_raw(request):
        return await raw(request, context, version)
    return shown(request, version) if version.content is None else await whole(context, version)


async def raw(request: Request, context: Context, version: Version) -> Response:
    """The content of a stored Binary, or the part of it that is asked for, in its own media type.

    Raises:
        Unsatisfiable: the range asked for is outside of it (416).
        Damaged: it is not as it was written (500).
    """
    stored = _decode(version.body)
    data = b64decode(stored.data) if version.content is None else b""
    part = ranges.asked(request, version, len(data) if version.content is None else version.content.size)
    found = Response(
        200 if part is None else 206,
        data if part is None else data[part.first : part.end],
        media_type=_declared(stored.contentType),
        version=version.version,
        at=version.at,
        location=f"Binary/{version.id}/_history/{version.version}",
        headers={**_GUARDED, **disposition(stored.contentType), **({"Content-Range": part.said} if part else {})},
        strong=True,
    )
    if version.content is None:
        return found
    first, end = (part.first, part.end) if part else (0, version.content.size)
    return replace(found, stream=await _opened(context, version.content, first, end))


async def whole(context: Context, version: Version) -> Response:
    """A stored Binary as a resource in JSON, its content sent as it is read.

    Raises:
        Damaged: its content is not as it was written (500).
    """
    found = Response(
        200,
        version.body,
        version=version.version,
        at=version.at,
        location=f"Binary/{version.id}/_history/{version.version}",
    )
    if version.content is None:
        return found
    stream = await _opened(context, version.content, 0, version.content.size)
    return replace(found, stream=replace(stream, at=version.at_data))


async def _opened(context: Context, content: Content, first: int, end: int) -> Stream:
    assert context.blobs is not None
    return Stream(content, first, end, opened=await context.blobs.open(content, first, end))


def _declared(media_type: str) -> str:
    # RFC 9110 §5.5: a header value cannot carry line breaks or other control characters.
    declared = media_type if _MEDIA_TYPE.fullmatch(media_type) else "application/octet-stream"
    # The wire writes a resource of its own in that type as the client wants it; this goes out as it came in.
    return f"{FHIR_JSON}; charset=utf-8" if declared == FHIR_JSON else declared


#: A stored page must not run with the rights of this server's own pages.
_GUARDED = {"Content-Security-Policy": "sandbox", "Accept-Ranges": "bytes"}
#: Types that a browser only shows; whatever else it might run or open is saved under a name that says nothing.
_SHOWN = {
    "application/pdf": "pdf",
    "image/gif": "gif",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/tiff": "tif",
    "text/plain": "txt",
}
_SAVED = {
    "application/rtf": "rtf",
    "text/rtf": "rtf",
    "application/xml": "xml",
    "text/xml": "xml",
    # Other kinds of XML are not: a picture or a page in it runs where it is opened.
    "application/hl7-v3+xml": "xml",
    "application/hl7-cda+xml": "xml",
    "application/cda+xml": "xml",
}


def disposition(media_type: str) -> dict[str, str]:
    """`Content-Disposition` of content of a type (RFC 6266); nothing in it was said by a client."""
    essence = media_type.partition(";")[0].strip().lower()
    how = "inline" if essence in _SHOWN else "attachment"
    ending = _SHOWN.get(essence) or _SAVED.get(essence, "bin")
    return {"Content-Disposition": f'{how}; filename="document.{ending}"'}
