"""A narrative made safe to show in our own page: the elements FHIR allows, harmless links, nothing else.

https://hl7.org/fhir/R4/narrative.html#xhtml
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from typing import Any

from fhir_server.fhir.xml_narrative import hardened

_ELEMENTS = frozenset(
    "a abbr acronym b big blockquote br caption cite code col colgroup dd dfn div dl dt em h1 h2 h3 h4 h5 h6 hr i img "
    "li ol p pre q samp small span strong sub sup table tbody td tfoot th thead tr tt ul var".split()
)
_VOID = frozenset({"br", "hr", "img", "col"})
#: Headings of a narrative come under those of the page.
_RENAMED = {"h1": "h3", "h2": "h4", "h3": "h5", "h4": "h6", "h5": "h6", "big": "span", "tt": "code", "acronym": "abbr"}
#: Attribute → what its value must be. No id or class: they would meet the page's own.
_ATTRIBUTES = {
    "title": re.compile(r"[^\x00-\x1f]*"),
    "lang": re.compile(r"[A-Za-z-]{1,20}"),
    "dir": re.compile(r"ltr|rtl|auto"),
    "alt": re.compile(r"[^\x00-\x1f]*"),
    "colspan": re.compile(r"\d{1,3}"),
    "rowspan": re.compile(r"\d{1,3}"),
    "scope": re.compile(r"row|col|rowgroup|colgroup"),
    "headers": re.compile(r"[\w -]*"),
    "href": re.compile(r"(?:https?://|mailto:)[^\x00-\x20]*", re.IGNORECASE),
    "src": re.compile(r"data:image/(?:png|gif|jpeg|webp);base64,[A-Za-z0-9+/=\s]*"),
}


def safe(div: str) -> str:
    """HTML of the `div`, "" when it is not well-formed. Of elements not allowed the text stays; scripts go."""
    from lxml import etree

    try:
        root = etree.fromstring(div.encode(), hardened())
    except (etree.XMLSyntaxError, UnicodeEncodeError, ValueError):
        return ""
    return "".join(_written(root, etree.QName))


def _written(element: Any, named: Any) -> Iterator[str]:
    if not isinstance(element.tag, str):
        return
    name = named(element).localname.lower()
    if name in ("script", "style", "object", "iframe", "template"):
        return
    shown = _RENAMED.get(name, name) if name in _ELEMENTS else ""
    if shown:
        yield f"<{shown}{''.join(_attributes(element, shown))}>"
    if shown in _VOID:
        return
    yield escape(element.text or "")
    for child in element:
        yield from _written(child, named)
        yield escape(child.tail or "")
    if shown:
        yield f"</{shown}>"


def _attributes(element: Any, shown: str) -> Iterator[str]:
    for name, value in element.attrib.items():
        allowed = _ATTRIBUTES.get(name)
        if allowed is not None and allowed.fullmatch(value):
            yield f' {name}="{escape(value)}"'
    if shown == "a":
        yield ' rel="noopener noreferrer nofollow"'
    if shown == "img" and "alt" not in element.attrib:
        yield ' alt=""'
