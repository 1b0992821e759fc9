"""Attachments whose content is kept here as a Binary: where each type may hold some, and the index rows they leave.

https://hl7.org/fhir/R4/datatypes.html#Attachment. Which elements are attachments is read from the definitions of R4,
so that no type is forgotten. Extensions (`valueAttachment`) are followed on the way to them and at the root.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from fhir_server.fhir.definitions import resource_types, types
from fhir_server.fhir.fhirpath.shapes import shape
from fhir_server.fhir.references import parse

#: Index row of a resource for each Binary of this server that one of its attachments names: `Binary/1`.
ATTACHMENT = "_attachment"

#: A JSON key → path of the shape that stands there, on the way to an attachment; "" where the attachment itself is.
_Ways = Mapping[str, str]
_EXTENSION = {"valueAttachment": "", "extension": "Extension"}
_ROOT = {"extension": "Extension", "modifierExtension": "Extension", "contained": "Resource"}


def attached(tree: dict[str, Any], base: str = "") -> Iterator[str]:
    """`Binary/1` for each attachment of a resource, or of one that it contains, kept here; some twice.

    Args:
        tree: the resource.
        base: the server's own base, under which absolute URLs are local.
    """
    pending: list[tuple[Any, str]] = [(tree, "Resource")]
    while pending:
        node, path = pending.pop()
        if isinstance(node, list):
            pending += [(one, path) for one in node]
        elif isinstance(node, dict):
            if path == "":
                yield from _kept_here(node.get("url"), base)
                continue
            ways = _ways(_kind(node)) if path == "Resource" else _ways(path)
            pending += [(node[key], way) for key, way in ways.items() if key in node]


def _kind(node: dict[str, Any]) -> str:
    """The type of a resource; of anything else one that has no attachments."""
    type = node.get("resourceType")
    return type if isinstance(type, str) and type in resource_types() else "Resource"


@cache
def _ways(path: str) -> _Ways:
    if path == "Extension":
        return _EXTENSION
    if path.partition(".")[0] not in types():
        return {}
    found = dict(_ROOT) if path in resource_types() else {"extension": "Extension"}
    found.update((key, way) for key, way in _children(path) if way == "" or _leads(way, frozenset({path})))
    return found


def _children(path: str) -> Iterator[tuple[str, str]]:
    """JSON key → where it leads: "" for an attachment, the path of an element that has elements of its own."""
    for key, (_, child) in shape(path).keys.items():
        if child.name == "Attachment":
            yield key, ""
        elif child.name != "Extension" and not (child.system or child.primitive or child.resource):
            yield key, child.path


def _leads(path: str, passed: frozenset[str]) -> bool:
    """Whether an attachment stands somewhere below."""
    below = [way for _, way in _children(path)]
    return "" in below or any(_leads(way, passed | {path}) for way in below if way not in passed and way != path)


def _kept_here(url: object, base: str) -> Iterator[str]:
    if isinstance(url, str) and "Binary/" in url:
        reference = parse(url, base)
        if reference.local and reference.type == "Binary":
            yield reference.target
