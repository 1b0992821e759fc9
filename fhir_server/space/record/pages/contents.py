"""The content of a document: what of it a page shows itself, and the file as its author made it.

OWASP ASVS 12.4 and 14.4: what somebody filed never runs with the rights of this server's own pages. A browser shows
alone what it can be trusted with; everything else is a file to keep.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from fastapi.responses import Response, StreamingResponse

from fhir_server.fhir.outcome import FhirError
from fhir_server.site.signed_in import Guest
from fhir_server.site.words import Language
from fhir_server.space.record.content.kinds import plain
from fhir_server.space.record.pages.asking import Asking
from fhir_server.space.record.pages.sheets import Sheet
from fhir_server.space.record.showing.cda import Shown as Document
from fhir_server.space.record.showing.shown import DOCUMENTS, shown_apart
from fhir_server.space.service import Surroundings
from fhir_server.store.blobs.protocol import Opened

#: Media type, by one name → the end of a file's name; what a browser opens by itself, and then what it does not.
_OPENED = {"application/pdf": "pdf", "image/jpeg": "jpg", "image/png": "png", "text/plain": "txt"}
_KEPT = {
    "application/rtf": "rtf",
    "image/tiff": "tif",
    "application/xml": "xml",
    "application/fhir+json": "json",
}
#: Words of a text that a page shows, in bytes.
_LONGEST = 200_000
#: Of a document that a page shows, in bytes.
_LONGEST_DOCUMENT = 20_000_000
#: Of a PDF a browser's own viewer is not let in by "sandbox", and has no rights of this origin anyway.
_POLICY = "default-src 'none'; frame-ancestors 'none'"


@dataclass(frozen=True, slots=True)
class Shown:
    """What a page shows of a content.

    Attributes:
        image: whether it is a picture that a page may have inside.
        opens: whether a browser opens it by itself.
        words: its text; None where it is none.
        missing: whether it is kept nowhere here.
        document: a CDA or FHIR document, to be read on the page; None where it is none, or cannot be read.
    """

    image: bool = False
    opens: bool = False
    words: str | None = None
    missing: bool = False
    document: Document | None = None


async def shown(asking: Asking, one: Sheet, language: Language = "fr") -> Shown:
    """What is shown of a document on its own page; `language` of the words around a CDA or FHIR document."""
    if not one.binary and not _inside(one):
        return Shown(missing=True)
    words = None
    if one.media_type == "text/plain" and one.size <= _LONGEST:
        found = await file(asking, one)
        words = None if found is None else _decoded(found)
    opens = one.media_type in _OPENED
    read = await _document(asking, one, language)
    return Shown(one.media_type.startswith("image/") and opens, opens, words, document=read)


async def given(guest: Guest[Surroundings], asking: Asking, one: Sheet) -> Response:
    """What a browser asks for: the file, or with `fichier` one that stands inside it, by its number from 1."""
    keep, number = bool(guest.query("telecharger")), guest.query("fichier")
    if not number:
        return await _whole(asking, one, keep) or guest.nothing()
    read = await _document(asking, one, guest.visit.language)
    files = () if read is None else read.files
    at = int(number[:4]) if number.isascii() and number.isdigit() else 0
    if not 0 < at <= len(files):
        return guest.nothing()
    inside = files[at - 1]
    return sent(replace(one, media_type=inside.media_type, title=inside.label or one.title), inside.content, keep)


async def _whole(asking: Asking, one: Sheet, keep: bool) -> Response | None:
    """The file, long ones sent as they are read; None where it is not here, or not for this person."""
    if inside := _inside(one):
        return sent(one, b64decode(inside), keep)
    answer = await asking.content(one.binary, streams=True) if one.binary else None
    if answer is None or answer.stream is None or answer.stream.opened is None:
        return None if answer is None else sent(one, answer.body, keep)
    media_type, headers = _described(one, keep)
    headers["Content-Length"] = str(answer.stream.content.size)
    return StreamingResponse(_pieces(answer.stream.opened), media_type=media_type, headers=headers)


async def _pieces(opened: Opened) -> AsyncIterator[bytes]:
    try:
        async for piece in opened.pieces():
            yield piece
    finally:
        # Also where the browser went away.
        opened.close()


async def _document(asking: Asking, one: Sheet, language: Language) -> Document | None:
    """A document that is read on a page; None where it is none, or cannot be read: it is still a file to keep."""
    if one.media_type not in DOCUMENTS or one.size > _LONGEST_DOCUMENT:
        return None
    body = await file(asking, one)
    zone = asking.around.settings.default_timezone
    try:
        return None if body is None else await shown_apart(body, one.media_type, language, zone)
    except FhirError:
        return None


async def file(asking: Asking, one: Sheet) -> bytes | None:
    """The bytes of a document; None where they are not here, or not for this person."""
    inside = _inside(one)
    if inside:
        return b64decode(inside)
    answer = await asking.content(one.binary) if one.binary else None
    return None if answer is None else answer.body


def sent(one: Sheet, body: bytes, keep: bool) -> Response:
    """The file as a browser is given it."""
    media_type, headers = _described(one, keep)
    return Response(body, media_type=media_type, headers=headers)


def _described(one: Sheet, keep: bool) -> tuple[str, dict[str, str]]:
    """Media type and headers of a file: opened, or kept where it is asked to or cannot be opened safely."""
    opened = not keep and one.media_type in _OPENED
    end = {**_OPENED, **_KEPT}.get(plain(one.media_type), "bin")
    media_type = "application/octet-stream" if end == "bin" else one.media_type
    # RFC 6266 §4.3: the title as it is, and a plain name for whoever reads no other.
    named = f"filename=\"document.{end}\"; filename*=UTF-8''{quote(_plain(one.title), safe='')}.{end}"
    return media_type, {
        "Cache-Control": "no-store",
        "Content-Disposition": f"{'inline' if opened else 'attachment'}; {named}",
        "Content-Security-Policy": _POLICY if media_type == "application/pdf" else f"{_POLICY}; sandbox",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
    }


def _inside(one: Sheet) -> str:
    content: Mapping[str, Any] = next(iter(one.tree.get("content", ())), {})
    return str(content.get("attachment", {}).get("data", ""))


def _decoded(body: bytes) -> str:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = body.decode("cp1252", "replace")
    return "".join(c for c in text if c in "\n\t" or c.isprintable())


def _plain(title: str) -> str:
    """A title as a file may be called on any system."""
    return (
        "".join("_" if c in '\\/:*?"<>|' or not c.isprintable() else c for c in title)[:100].strip(". ") or "document"
    )
