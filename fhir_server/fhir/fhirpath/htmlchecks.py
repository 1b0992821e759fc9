"""Whether a narrative keeps to the XHTML that R4 allows: its elements and attributes, and something to read.

https://hl7.org/fhir/R4/narrative.html#xhtml (txt-1, txt-2)
"""

from __future__ import annotations

import html
import html.entities
import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lxml import etree

_XHTML = "{http://www.w3.org/1999/xhtml}"
#: Chapters 7-11 (but 9.4) and 15 of HTML 4.0, and images and links.
ELEMENTS = frozenset(
    """a abbr acronym address b big blockquote br caption cite code col colgroup dd dfn div dl dt em h1 h2 h3 h4 h5 h6
    hr i img kbd li ol p pre q samp small span strong sub sup table tbody td tfoot th thead tr tt ul var""".split()
)
_ANYWHERE = frozenset("title style class id lang dir accesskey tabindex".split())
#: Element → its further attributes.
ATTRIBUTES = {
    "a": "charset type name href hreflang rel rev shape coords",
    "img": "src alt longdesc height width usemap ismap align border hspace vspace",
    "blockquote": "cite",
    "q": "cite",
    "table": "summary width border frame rules cellspacing cellpadding align bgcolor",
    "col": "span width align valign char charoff",
    "colgroup": "span width align valign char charoff",
    "thead": "align valign char charoff",
    "tfoot": "align valign char charoff",
    "tbody": "align valign char charoff",
    "tr": "align valign char charoff bgcolor",
    "td": "abbr axis headers scope rowspan colspan align valign char charoff nowrap bgcolor width height",
    "th": "abbr axis headers scope rowspan colspan align valign char charoff nowrap bgcolor width height",
    "ol": "start type",
    "ul": "type",
    "li": "value type",
    "pre": "width",
    "hr": "width size align noshade",
    "div": "align",
    "p": "align",
    "caption": "align",
    "br": "clear",
    **{f"h{level}": "align" for level in range(1, 7)},
}
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}"
_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]*);")
_MARKUP = frozenset({"lt", "gt", "amp", "quot", "apos"})


@lru_cache(maxsize=256)
def allowed(div: str) -> bool:
    """Whether `div` is well-formed XHTML of the allowed kind with some text or an image in it."""
    # Imported with the first narrative: a server that is sent none does without three megabytes.
    from lxml import etree

    if "<!DOCTYPE" in div or "<!ENTITY" in div:
        return False
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_pis=True)
    try:
        tree = etree.fromstring(_ENTITY.sub(_character, div), parser)
    except (etree.XMLSyntaxError, ValueError):
        return False
    if tree.tag != f"{_XHTML}div":
        return False
    elements = [element for element in tree.iter() if isinstance(element.tag, str)]
    return all(_keeps(element) for element in elements) and _says_something(tree, elements)


def _character(match: re.Match[str]) -> str:
    name = match[1]
    return match[0] if name in _MARKUP else html.entities.html5.get(name + ";", match[0])


def _keeps(element: etree._Element) -> bool:
    name = str(element.tag).removeprefix(_XHTML)
    if name not in ELEMENTS:
        return False
    allowed_here = _ANYWHERE.union(ATTRIBUTES.get(name, "").split())
    return all(str(key) in allowed_here or str(key).startswith(_LANGUAGE) for key in element.attrib)


def _says_something(tree: etree._Element, elements: list[etree._Element]) -> bool:
    return bool("".join(map(str, tree.itertext())).strip()) or any(e.tag == f"{_XHTML}img" for e in elements)
