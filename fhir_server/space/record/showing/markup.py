"""The only way by which a document becomes HTML: elements and attributes of two short lists, and text that is escaped.

https://cheatsheetseries.owasp.org/cheatsheets/Cross_Site_Scripting_Prevention_Cheat_Sheet.html. Nothing of a document
is ever copied as markup, so there is nothing to be filtered out of it: no script, style, frame, form, event handler
or address that a browser would load by itself can be written here.
"""

from __future__ import annotations

import re
from html import escape
from typing import Literal

from fhir_server.fhir.outcome import Invalid
from fhir_server.work.budget import spend

Tag = Literal[
    "a",
    "br",
    "caption",
    "dd",
    "del",
    "div",
    "dl",
    "dt",
    "em",
    "figcaption",
    "figure",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "img",
    "ins",
    "li",
    "ol",
    "p",
    "pre",
    "section",
    "span",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "u",
    "ul",
]
_EMPTY = frozenset({"br", "img"})
#: Attribute → what its value must be; one that is not is left out.
_ATTRIBUTES: dict[str, re.Pattern[str]] = {
    "alt": re.compile(r"[^\x00-\x1f]*"),
    "aria-label": re.compile(r"[^\x00-\x1f]+"),
    "class": re.compile(r"wide|words|hidden"),
    "colspan": re.compile(r"[1-9]\d{0,2}"),
    "href": re.compile(r"(?:https?://|mailto:)[^\x00-\x20\x7f]+|#[a-z]+-\d+", re.IGNORECASE),
    "id": re.compile(r"[a-z]+-\d+"),
    "lang": re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*"),
    "rel": re.compile(r"noopener noreferrer nofollow"),
    "role": re.compile(r"region"),
    "rowspan": re.compile(r"[1-9]\d{0,2}"),
    "scope": re.compile(r"row|col|rowgroup|colgroup"),
    "src": re.compile(r"data:image/(?:png|gif|jpeg);base64,[A-Za-z0-9+/=]+"),
    "tabindex": re.compile(r"0"),
    "type": re.compile(r"[1iIaA]"),
}
#: Characters of one document, pictures apart; a thousand pages of text are a tenth of it.
MOST_CHARACTERS = 20_000_000
#: Of text, which is looked through for what no page may hold.
_UNSHOWN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_TURN = 200


class Page:
    """What has been written of one document."""

    __slots__ = ("_length", "_parts")

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0

    def open(self, tag: Tag, **attributes: str) -> None:
        """Begin an element. An attribute whose name has a hyphen is given with "_" for it, `class` as `class_`."""
        said = "".join(_attribute(name, value) for name, value in attributes.items())
        self._add(f"<{tag}{said}>")

    def close(self, tag: Tag) -> None:
        """End an element; one that is always empty has no end."""
        if tag not in _EMPTY:
            self._add(f"</{tag}>")

    def words(self, text: str) -> None:
        """Text, escaped; characters that cannot be shown are replaced."""
        self._add(escape(_UNSHOWN.sub("\ufffd", text), quote=False))

    def whole(self, tag: Tag, text: str, **attributes: str) -> None:
        """An element that holds text alone."""
        self.open(tag, **attributes)
        self.words(text)
        self.close(tag)

    def trusted(self, html: str) -> None:
        """Markup that the server's own reader of narratives has made."""
        self._add(html)

    def __str__(self) -> str:
        return "".join(self._parts)

    def _add(self, part: str) -> None:
        self._parts.append(part)
        self._length += 0 if part.startswith("<img") else len(part)
        if len(self._parts) % _TURN == 0:
            spend(_TURN // 4)
        if self._length > MOST_CHARACTERS:
            raise Invalid("The document is too long to be shown.", code="too-costly")


def _attribute(name: str, value: str) -> str:
    name = name.rstrip("_").replace("_", "-")
    allowed = _ATTRIBUTES[name]
    return f' {name}="{escape(value)}"' if allowed.fullmatch(value) else ""
