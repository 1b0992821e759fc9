"""Whether what is posted is a resource, or content: what a Binary is to hold, or a document that an operation is given.

https://hl7.org/fhir/R4/binary.html#rest: content in FHIR's own types is content too, unless it is a Binary resource.
An operation on a document (IHE MHD ITI-106) takes the document alone as its body, as it takes a resource alone: XML
that is not FHIR's, known by its root element.
"""

from __future__ import annotations

from xml.parsers import expat

from fhir_server.http.negotiation import FORMATS, GENERIC
from fhir_server.interactions.binary import is_binary

_FHIR = "http://hl7.org/fhir"
_XML = frozenset({"application/xml", "text/xml"})
#: Bytes of an XML document looked at before its root element; a longer prolog is no resource's.
PROLOG = 65_536


def is_content(method: str, path: tuple[str, ...], media_type: str, body: bytes) -> bool:
    """Whether a body is content.

    Args:
        method: of HTTP.
        path: decoded segments under the FHIR base.
        media_type: of the body, without parameters; "" where it is not said, and the body is then looked at.
        body: all of it.
    """
    if path[:1] != ("Binary",) or method not in ("POST", "PUT") or len(path) > 2 or path[-1][:1] in "_$":
        return False
    # What was sent as FHIR's own and cannot be read is a resource with a mistake in it, which is to be told.
    unread = media_type not in GENERIC
    match FORMATS.get(media_type, "html"):
        case "json":
            return not is_binary(body, unread)
        case "xml":
            return not _is_xml_binary(body, unread)
    return media_type != ""


def is_document(method: str, path: tuple[str, ...], media_type: str, body: bytes) -> bool:
    """Whether a body posted to an operation is an XML document of another standard than FHIR; arguments as above."""
    if method != "POST" or path[-1:] == () or path[-1][:1] != "$" or not _is_xml(media_type):
        return False
    root = _root(body)
    return root is not None and " " in root and not root.startswith(f"{_FHIR} ")


def _is_xml(media_type: str) -> bool:
    """Whether a body of that type may be XML of another standard (RFC 7303 §4.2: `application/hl7-v3+xml`)."""
    return media_type in ("", *_XML) or (media_type.endswith("+xml") and media_type not in FORMATS)


class _Root(Exception):
    """The root element, as namespace and name; "" for a document type, which FHIR does not allow."""


def _is_xml_binary(body: bytes, unread: bool) -> bool:
    root = _root(body)
    return unread if root is None else root == f"{_FHIR} Binary"


def _root(body: bytes) -> str | None:
    """The root element of XML as "namespace name"; "" for a document type; None where none can be read."""
    parser = expat.ParserCreate(namespace_separator=" ")

    def start(name: str, _: object) -> None:
        raise _Root(name)

    def doctype(*_: object) -> None:
        raise _Root("")

    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(body[:PROLOG], len(body) <= PROLOG)
    except _Root as found:
        return str(found.args[0])
    except (expat.ExpatError, LookupError, ValueError):
        return None
    return None
