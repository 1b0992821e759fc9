"""`DocumentReference/[id]/$show`: a document as a page that people can read, and the files inside it.

OperationDefinition DocumentReference-show. The page loads nothing and runs nothing: its policy allows the pictures that
stand in it, and forbids all else. https://www.w3.org/TR/CSP3/
"""

from __future__ import annotations

import re
from base64 import b64decode
from typing import Any

from markupsafe import Markup

from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Invalid, InvalidParameter, NotFound
from fhir_server.interactions.binary import RAW
from fhir_server.interactions.exchange import Context, Request, Response
from fhir_server.interactions.routes import dispatch
from fhir_server.operations.invocation import Invocation
from fhir_server.space.record.showing.cda import Shown
from fhir_server.space.record.showing.shown import shown

#: What a browser may do with a page, and with a file out of it.
_PAGE = "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"
_FILE = "default-src 'none'; sandbox"
_HERE = re.compile(r"(?:.*/)?Binary/([A-Za-z0-9\-.]{1,64})", re.ASCII)
_HTML = Markup(
    '<!doctype html><html lang="{}"><head><meta charset="utf-8"><title>{}</title>'
    '<meta name="viewport" content="width=device-width, initial-scale=1"></head>'
    "<body><main><h1>{}</h1>{}</main></body></html>"
)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*", re.ASCII)


async def show(_: Any, call: Invocation, context: Context) -> Response:
    """200 with the document as text/html; with `file`, that file of it (1 is the first) in its own media type.

    Raises:
        NotFound: no such document, or its content is not here, or hidden; or it has no such file (404).
        Invalid: content that is not shown this way, such as a PDF; or more than can be shown (422).
    """
    tree = parse((await call.stored(context)).body, context.settings.max_depth)
    content, media_type = await _content(tree, context)
    zone = str(context.repository.registry.zone)
    found = shown(content, media_type, "fr", zone)
    if found is None:
        words = "The content is no document that this server writes as a page: open it by its address."
        raise Invalid(words, "DocumentReference.content[0].attachment.contentType", code="not-supported")
    number = call.inputs.one("file")
    return _page(found) if number is None else _file(found, number)


async def _content(tree: dict[str, Any], context: Context) -> tuple[bytes, str]:
    """The bytes of a document, as far as whoever asks may read them."""
    attachment: dict[str, Any] = next((one.get("attachment", {}) for one in tree.get("content", ())), {})
    if attachment.get("data"):
        return b64decode(attachment["data"]), str(attachment.get("contentType", ""))
    address = _HERE.fullmatch(str(attachment.get("url", "")))
    if address is None:
        raise NotFound("The content of the document is not here.", "DocumentReference.content[0].attachment.url")
    answer = await dispatch(Request("GET", ("Binary", address[1]), headers={RAW: "1"}), context)
    return answer.body, answer.media_type


def _page(found: Shown) -> Response:
    language = found.language if _LANGUAGE.fullmatch(found.language) else "fr"
    page = _HTML.format(language, found.title, found.title, found.markup)
    headers = {"Content-Security-Policy": _PAGE, "Content-Language": language}
    return Response(200, page.encode(), "text/html; charset=utf-8", headers=headers)


def _file(found: Shown, number: str) -> Response:
    if not (number.isascii() and number.isdigit() and int(number[:6])):
        raise InvalidParameter("A file is named by its number, from 1.", "http.file")
    if int(number[:6]) > len(found.files):
        raise NotFound("The document has no such file.", "http.file")
    file = found.files[int(number[:6]) - 1]
    headers = {"Content-Security-Policy": _FILE, "Content-Disposition": "attachment"}
    return Response(200, file.content, file.media_type, headers=headers)
