"""The XHTML of a narrative, as it passes between XML and the string that JSON holds.

https://hl7.org/fhir/R4/narrative.html, https://hl7.org/fhir/R4/json.html#xhtml. The characters are kept as written
wherever they can stand alone; only a `div` that leans on its surroundings (a prefix declared further out, a CDATA
section, a processing instruction) is written anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pyexpat import ExpatError, ParserCreate
from typing import TYPE_CHECKING, Any

from fhir_server.fhir.outcome import Malformed
from fhir_server.fhir.xml_shapes import XHTML

if TYPE_CHECKING:
    from lxml import etree

_OWN_NAMESPACE = re.compile(rb"""<div(?=\s)[^>]*?\sxmlns\s*=\s*(["'])http://www\.w3\.org/1999/xhtml\1""")
_RETURN = "&#13;"
_TEXT = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}
_VALUE = {**_TEXT, ord('"'): "&quot;", ord("\t"): "&#9;", ord("\n"): "&#10;", ord("\r"): "&#13;"}


def hardened() -> etree.XMLParser:
    """A parser that expands no entity, reads no DTD, opens no file or address, and drops comments and instructions."""
    from lxml import etree

    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )


def standalone(source: bytes, document: bytes, start: int, prefixed: bool) -> str:
    """The `div` cut out of `document`, as a string that is XHTML by itself.

    Args:
        source: its bytes, b"" for an empty-element tag.
        document: the whole well-formed body, without a document type declaration.
        start: where in `document` the `div` starts, in bytes.
        prefixed: whether a prefix is declared outside the `div`.
    """
    if source and not prefixed and b"<![" not in source and b"<?" not in source and _OWN_NAMESPACE.match(source):
        # XML reads every line ending as a line feed; a carriage return that was meant is written as a reference.
        return source.decode().replace("\r\n", "\n").replace("\r", "\n").replace(_RETURN, "\r")
    # Few narratives lean on their surroundings, and only they wait for lxml.
    from lxml import etree

    try:
        divs = etree.fromstring(document, hardened()).iter(f"{{{XHTML}}}div")
    except etree.XMLSyntaxError:
        # libxml2's own limits on the size of a text and on depth.
        raise Malformed("The narrative cannot be read apart from the rest of the body.", key="txt-1") from None
    ordinal = _ordinal(document, start)
    div = next(found for index, found in enumerate(divs) if index == ordinal)
    return "".join(_written(div, root=True))


def checked(div: str) -> str:
    """`div` as it can be written into XML, if it is one well-formed XHTML `div`.

    Raises:
        Malformed: it is not.
    """
    text = div.strip(" \t\r\n")
    if not text.startswith("<") or text.startswith(("<?", "<!")):
        raise Malformed("The narrative is not an XHTML div.", key="txt-1")
    if "\r" in text:
        kept = text.replace("\r", _RETURN)
        # Between two attributes a reference cannot stand, and there the character means nothing.
        return _checked(kept) if _well_formed(kept) else _checked(text)
    return _checked(text)


def _well_formed(text: str) -> bool:
    try:
        ParserCreate("utf-8").Parse(text.encode(), True)
    except (ExpatError, UnicodeEncodeError):
        return False
    return True


def _checked(text: str) -> str:
    roots: list[str] = []
    parser = ParserCreate("utf-8", " ")
    parser.StartDoctypeDeclHandler = _refuse
    parser.StartElementHandler = lambda name, _: roots.append(name) if not roots else None
    try:
        parser.Parse(text.encode(), True)
    except (ExpatError, UnicodeEncodeError):
        raise Malformed("The narrative is not well-formed XHTML.", key="txt-1") from None
    if roots != [f"{XHTML} div"]:
        raise Malformed(f"The narrative is not a div in the namespace {XHTML}.", key="txt-1")
    return text


def _refuse(*_: Any) -> None:
    raise Malformed("A document type declaration is not allowed.", key="txt-1")


def _ordinal(document: bytes, start: int) -> int:
    """How many XHTML `div` elements open before byte `start`."""
    count = 0
    parser = ParserCreate("utf-8", " ")

    def opened(name: str, _: Any) -> None:
        nonlocal count
        count += name == f"{XHTML} div" and parser.CurrentByteIndex < start

    parser.StartElementHandler = opened
    parser.Parse(document, True)
    return count


def _written(element: Any, root: bool = False) -> Iterator[str]:
    from lxml import etree

    name = etree.QName(element)
    namespace = f' xmlns="{name.namespace}"' if root or name.namespace != XHTML else ""
    attributes = "".join(
        f' {_prefixed(etree.QName(key))}="{value.translate(_VALUE)}"' for key, value in element.attrib.items()
    )
    yield f"<{name.localname}{namespace}{attributes}>"
    yield (element.text or "").translate(_TEXT)
    for child in element:
        yield from _written(child)
        yield (child.tail or "").translate(_TEXT)
    yield f"</{name.localname}>"


def _prefixed(name: Any) -> str:
    return f"xml:{name.localname}" if name.namespace == "http://www.w3.org/XML/1998/namespace" else str(name.localname)
