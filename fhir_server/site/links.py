"""What in a resource can be followed, and how it looks as a link.

https://hl7.org/fhir/R4/references.html
"""

from __future__ import annotations

import re
from html import escape

from markupsafe import Markup

from fhir_server.fhir.definitions import resource_types

_RELATIVE = re.compile(r"([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?")
_CONTAINED = re.compile(r"#[A-Za-z0-9\-.]{1,64}")
_WEB = re.compile(r"https?://[^\s\"<>]{1,2000}")
_IN_JSON = re.compile(r'("(?:reference|url|fullUrl)" ?: ?)"([^"\\]{1,2000})"')
_IN_XML = re.compile(r'(<(?:reference|url|fullUrl) value=)"([^"&]{1,2000})"')
#: Longer values (a PDF in base64) are shown by their beginning, in characters.
_SHOWN = 400


def target(value: str, base: str) -> str | None:
    """The address a reference or URL leads to; None when it leads nowhere a person can go."""
    found = _RELATIVE.fullmatch(value)
    if found and found[1] in resource_types():
        return f"{base}/{value}"
    if _CONTAINED.fullmatch(value):
        return f"#contained-{value[1:]}"
    return value if _WEB.fullmatch(value) else None


def linked(value: str, name: str, base: str) -> Markup:
    """A primitive's text, as a link where `name` is an element that holds one."""
    shown = value if len(value) <= _SHOWN else value[:_SHOWN] + "…"
    address = target(value, base) if name in ("reference", "url", "fullUrl") or value.startswith(base + "/") else None
    return _anchor(address, shown, base) if address else Markup(escape(shown))  # noqa: S704 - escaped


def preformatted(text: str, base: str, xml: bool) -> Markup:
    """JSON or XML source with its references as links."""
    pattern = _IN_XML if xml else _IN_JSON
    parts: list[str] = []
    at = 0
    for found in pattern.finditer(text):
        address = target(found[2], base)
        if address and not address.startswith("#"):
            parts += [escape(text[at : found.start(2)]), str(_anchor(address, found[2], base))]
            at = found.end(2)
    return Markup("".join([*parts, escape(text[at:])]))  # noqa: S704 - every part is escaped above


def _anchor(address: str, shown: str, base: str) -> Markup:
    own = address.startswith((base, "#"))
    rel = "" if own else ' rel="noopener noreferrer"'
    return Markup(f'<a href="{escape(address)}"{rel}>{escape(shown)}</a>')  # noqa: S704 - both are escaped
