"""Whether an attachment says of its content what the content is: its bytes, their digest, their media type.

PDSm, DocumentReference.content.attachment: `hash` is the base64 of the SHA-1 of the bytes, `size` counts them, and
`contentType` is the Binary's. https://hl7.org/fhir/R4/datatypes.html#Attachment
"""

from __future__ import annotations

import asyncio
import hashlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any, NamedTuple

from fhir_server.fhir.outcome import Issue
from fhir_server.interactions.exchange import Context
from fhir_server.space.record.content.kinds import HEAD, agrees
from fhir_server.space.record.content.kinds import plain as one_name
from fhir_server.store.content import Content as Kept

#: From this size on, in characters of base64, content is read in a thread: others are served meanwhile.
_LONG = 400_000


class Content(NamedTuple):
    """What there is to be said of a document's content.

    Attributes:
        media_type: as it is declared, without parameters, lower case.
        size: in bytes.
        sha1: in base64.
        head: its first bytes.
    """

    media_type: str
    size: int
    sha1: str
    head: bytes


async def content_of(media_type: Any, data: Any) -> Content | None:
    """What is to be said of a Binary or an attachment with data; None of what has none, or no base64.

    Args:
        media_type: its `contentType`.
        data: base64.
    """
    if not isinstance(data, str):
        return None
    read = _read(data) if len(data) < _LONG else await asyncio.to_thread(_read, data)
    return None if read is None else Content(plain(media_type), *read)


async def content_outside(context: Context, media_type: Any, kept: Kept) -> Content:
    """What is to be said of a Binary whose content is kept outside it; it is read once, in pieces."""
    assert context.blobs is not None
    digest, head = hashlib.sha1(usedforsecurity=False), b""
    async for piece in (await context.blobs.open(kept)).pieces():
        head = head or piece[:HEAD]
        digest.update(piece)
    return Content(plain(media_type), kept.size, b64encode(digest.digest()).decode(), head)


def _read(data: str) -> tuple[int, str, bytes] | None:
    try:
        found = b64decode(data)
    except ValueError:
        return None
    return len(found), b64encode(hashlib.sha1(found, usedforsecurity=False).digest()).decode(), found[:HEAD]


def plain(media_type: Any) -> str:
    """A media type without its parameters, lower case; "" of what is none."""
    return media_type.partition(";")[0].strip().lower() if isinstance(media_type, str) else ""


def disagreements(attachment: Mapping[str, Any], content: Content, where: str) -> list[Issue]:
    """What an attachment says of its content that is not so.

    Args:
        attachment: as it is written.
        content: what it names, or holds.
        where: its FHIRPath.
    """
    found = []
    said = plain(attachment.get("contentType"))
    if said and content.media_type and one_name(said) != one_name(content.media_type):
        found.append(_issue("The content is of another media type", f"{where}.contentType"))
    elif not agrees(said or content.media_type, content.head):
        found.append(_issue("The content begins as content of another media type", f"{where}.contentType"))
    size, digest = attachment.get("size"), attachment.get("hash")
    if size is not None and size != content.size:
        found.append(_issue("The content is of another size", f"{where}.size"))
    if digest is not None and digest != content.sha1:
        found.append(_issue("The content has another SHA-1 digest (in base64)", f"{where}.hash"))
    return found


def _issue(words: str, where: str) -> Issue:
    return Issue("error", "business-rule", f"{words} than the document says.", where, "document-content")
