"""Whether a narrative is the safe XHTML that R4 allows: a `div` of basic formatting, with nothing active in it.

https://hl7.org/fhir/R4/narrative.html#xhtml (invariants txt-1 and txt-2): chapters 7 to 11 (but section 4 of 9) and 15
of HTML 4.0, `a`, images and style attributes; no scripts, forms, frames, objects, event attributes or entities of HTML.
"""

from __future__ import annotations

import re
from typing import Any
from xml.parsers import expat

#: What `problem` says of a narrative that breaks txt-2; all else is txt-1.
EMPTY = "it holds no text and no image"
XHTML = "http://www.w3.org/1999/xhtml"

_ELEMENTS = frozenset(
    (
        "a abbr acronym address area b bdo big blockquote br caption cite code col colgroup dd del dfn div dl dt em "
        "h1 h2 h3 h4 h5 h6 hr i img ins kbd li map ol p pre q samp small span strong sub sup table tbody td tfoot th "
        "thead tr tt ul var"
    ).split()
)
#: The same as the parser names them, with their namespace.
_NAMES = frozenset(f"{XHTML} {name}" for name in _ELEMENTS)
_ROOT, _IMAGE = f"{XHTML} div", f"{XHTML} img"
_ATTRIBUTES = frozenset(
    (
        "abbr accesskey align alt axis bgcolor border cellhalign cellpadding cellspacing cellvalign char charoff "
        "charset cite class clear color colspan compact coords datetime dir face frame halign headers height href "
        "hreflang hspace id ismap lang longdesc name nowrap noshade rel rev rowspan rules scope shape size span src "
        "start style summary tabindex title type usemap valign value vspace width xml:lang xml:space"
    ).split()
)
#: Attributes that hold a URL, and the schemes that can run something.
_LINKS = frozenset(("href", "src", "cite", "longdesc", "usemap"))
_ACTIVE = re.compile(r"[\s\x00-\x20]*(?:javascript|vbscript|livescript)[\s]*:|\s*data:(?!\s*image/)", re.IGNORECASE)
_ACTIVE_STYLE = re.compile(r"expression\s*\(|javascript:|vbscript:|@import|behaviou?r\s*:|-moz-binding", re.IGNORECASE)


class _Unsafe(Exception):
    """Raised inside the parser; its text says what is not allowed."""


def problem(div: object) -> str | None:
    """What is wrong with the narrative `div`, in words without any of its text; None when it is safe XHTML."""
    if not isinstance(div, str):
        return None
    reader = _Reader()
    try:
        reader.parse(div)
    except _Unsafe as unsafe:
        return str(unsafe)
    except (expat.ExpatError, ValueError) as error:
        code = getattr(error, "code", 0)
        return f"not well-formed XML ({expat.ErrorString(code) if code else 'unreadable'})"
    return None if reader.content else EMPTY


def is_safe(div: object) -> bool:
    """Whether `div` is safe XHTML; anything but a string is left to the type's own rule."""
    return problem(div) is None


class _Reader:
    def __init__(self) -> None:
        self.begun = False
        self.content = False
        self.parser = expat.ParserCreate(namespace_separator=" ")

    def parse(self, div: str) -> None:
        parser = self.parser
        parser.StartElementHandler = self._start
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._doctype
        parser.ProcessingInstructionHandler = self._instruction
        # surrogatepass: a lone surrogate is refused by the parser as malformed, like any other byte salad.
        parser.Parse(div.encode("utf-8", "surrogatepass"), True)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name not in _NAMES:
            self._refuse(name)
        if not self.begun:
            if name != _ROOT:
                raise _Unsafe("its root is not a div")
            self.begun = True
        if name == _IMAGE:
            self.content = True
        for attribute, value in attributes.items():
            _judge(attribute, value)

    def _refuse(self, name: str) -> None:
        space, _, local = name.rpartition(" ")
        if space != XHTML:
            raise _Unsafe(f"the element {local[:20]} is not in the namespace {XHTML}")
        raise _Unsafe(f"the element {local[:20]} is not allowed")

    def _text(self, text: str) -> None:
        if not text.isspace():
            self.content = True
            # One character is enough: the rest of the text is not asked for.
            self.parser.CharacterDataHandler = None

    def _doctype(self, *_: Any) -> None:
        raise _Unsafe("a document type declaration is not allowed")

    def _instruction(self, *_: Any) -> None:
        raise _Unsafe("a processing instruction is not allowed")


def _judge(attribute: str, value: str) -> None:
    name = attribute
    if name not in _ATTRIBUTES:
        name = attribute.replace("http://www.w3.org/XML/1998/namespace ", "xml:")
    if name not in _ATTRIBUTES:
        raise _Unsafe(f"the attribute {name[:20]} is not allowed")
    if name in _LINKS and _ACTIVE.match(value):
        raise _Unsafe(f"the attribute {name} holds a URL that can run a script")
    if name == "style" and _ACTIVE_STYLE.search(value):
        raise _Unsafe("the style can run or fetch something")
