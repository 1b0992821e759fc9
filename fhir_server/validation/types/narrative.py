"""Whether a narrative is the safe XHTML that R4 allows: a `div` of basic formatting, with nothing active in it.

https://hl7.org/fhir/R4/narrative.html#xhtml (invariants txt-1 and txt-2): chapters 7 to 11 (but section 4 of 9) and 15
of HTML 4.0, `a`, images and style attributes; no scripts, forms, frames, objects, event attributes or entities of HTML.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any
from xml.parsers import expat

import jsonschema_rs

#: Characters of a narrative of which it is remembered for a while whether it is safe.
SHORT = 4096
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
_ACTIVE = re.compile(
    r"(?:[a-z-]{1,20}:){0,4}(?:javascript|vbscript|livescript|mocha):|(?:blob|filesystem|data):", re.IGNORECASE
)
_PICTURE = re.compile(r"data:image/[a-z0-9.+-]+[;,]", re.IGNORECASE)
#: Browsers pass over these wherever they stand in a URL (https://url.spec.whatwg.org/#url-parsing).
_PASSED_OVER = re.compile(r"[\x00-\x20\x7f-\xa0]+")
_ACTIVE_STYLE = re.compile(
    r"expression\(|(?:java|vb)script:|@import|behaviou?r:|-moz-binding|url\(['\"]?data:(?!image/)", re.IGNORECASE
)
_CSS_COMMENT = re.compile(r"/\*.*?(?:\*/|$)", re.DOTALL)


class _Unsafe(Exception):
    """Raised inside the parser; its text says what is not allowed."""


#: Narratives as nearly all are written, as a grammar of their tags: nothing in them can be active. Whether every tag is
#: closed is left to the parser, which then has nothing to tell. What this does not match may be as right.
_VALUE = r"""(?:"[^"<>]*"|'[^'<>]*')"""
_LINK = r'"(?:https?://|mailto:|tel:)?(?:[^"<>:&]|&amp;)*"'
_LENGTHS = r"(?:[A-Za-z0-9 .,#%!-]|rgb\([0-9 ,]*\))*"
_STYLES = (
    "background background-color border border-bottom border-collapse border-color border-left border-radius "
    "border-right border-spacing border-style border-top border-width clear color display float font font-family "
    "font-size font-style font-variant font-weight height letter-spacing line-height list-style list-style-type margin "
    "margin-bottom margin-left margin-right margin-top max-height max-width min-height min-width overflow padding "
    "padding-bottom padding-left padding-right padding-top position text-align text-decoration text-indent "
    "text-transform vertical-align white-space width word-break word-wrap"
).split()
_STYLE = rf"(?:\s*(?:{'|'.join(_STYLES)})\s*:{_LENGTHS};)*(?:\s*(?:{'|'.join(_STYLES)})\s*:{_LENGTHS})?\s*"
_PLAIN = "|".join(sorted(_ATTRIBUTES - _LINKS - {"style"}))
_ATTRIBUTE = rf'\s+(?:(?:{_PLAIN})\s*=\s*{_VALUE}|(?:{"|".join(sorted(_LINKS))})={_LINK}|style="{_STYLE}")'
_TAG = rf"<(?:{'|'.join(sorted(_ELEMENTS))})(?:{_ATTRIBUTE})*\s*/?>|</[a-z0-9]+\s*>"
_USUAL = rf"""^\s*<div xmlns="{XHTML}"(?:{_ATTRIBUTE})*\s*>(?:[^<]|{_TAG})*$"""
#: Text that can be seen: the first character of it is enough.
_INK = re.compile(r">\s*[^\s<>&\x00-\x20\x7f-\uffff]")


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
    if not isinstance(div, str):
        return True
    return _is_known_safe(div) if len(div) <= SHORT else _is_safe(div)


def _is_safe(div: str) -> bool:
    if "-moz-" not in div and _is_usual()(div) and _INK.search(div):
        return _is_well_formed(div)
    return problem(div) is None


#: Narratives come again: a resource is validated and then written, or updated with its text unchanged.
_is_known_safe = lru_cache(maxsize=512)(_is_safe)


@cache
def _is_usual() -> Callable[[str], bool]:
    # In Rust: time linear in the text's length, at a nanosecond or two a character.
    options = jsonschema_rs.RegexOptions()
    return jsonschema_rs.Draft202012Validator({"pattern": _USUAL}, pattern_options=options).is_valid


def _is_well_formed(div: str) -> bool:
    try:
        expat.ParserCreate().Parse(div.encode("utf-8", "surrogatepass"), True)
    except expat.ExpatError:
        return False
    return True


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
    if name in _LINKS:
        url = _PASSED_OVER.sub("", value)
        if _ACTIVE.match(url) and not (name == "src" and _PICTURE.match(url)):
            raise _Unsafe(f"the attribute {name} holds a URL that can run a script")
    if name == "style" and _is_active(value):
        raise _Unsafe("the style can run or fetch something")


def _is_active(style: str) -> bool:
    """Whether a style can run something; a backslash spells characters otherwise, and no usual style has one."""
    plain = _PASSED_OVER.sub("", _CSS_COMMENT.sub("", style))
    return "\\" in style or _ACTIVE_STYLE.search(plain) is not None
