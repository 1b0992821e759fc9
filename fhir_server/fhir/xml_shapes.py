"""How each element of R4 is written in XML and in JSON: tables made once per type from its definition.

https://hl7.org/fhir/R4/xml.html, https://hl7.org/fhir/R4/json.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

from fhir_server.fhir.definitions import Element, TypeReference, children, resource_types, types

NAMESPACE = "http://hl7.org/fhir"
XHTML = "http://www.w3.org/1999/xhtml"

Kind = Literal["string", "number", "boolean", "complex", "resource", "xhtml"]

#: JSON types of primitives; any other primitive is a string.
_KINDS: dict[str, Kind] = {
    "boolean": "boolean",
    "decimal": "number",
    "integer": "number",
    "positiveInt": "number",
    "unsignedInt": "number",
    "xhtml": "xhtml",
    "Resource": "resource",
}


@dataclass(frozen=True, slots=True)
class Child:
    """One element or attribute of a type.

    Attributes:
        name: in JSON and XML alike (`valueString`).
        element: its FHIRPath name (`value`).
        kind: what it holds.
        shape: the path whose `shape` describes its content; "" for primitives, resources and xhtml.
        repeats: whether JSON carries an array.
        order: position among its siblings in XML.
    """

    name: str
    element: str
    kind: Kind
    shape: str
    repeats: bool
    order: int


@dataclass(frozen=True, slots=True)
class Shape:
    """What a type or backbone element may hold.

    Attributes:
        elements: child elements by JSON name.
        qualified: the same by "namespace name", as the XML reader meets them.
        attributes: names written as XML attributes (`id`, `url`), whose values are strings.
    """

    elements: dict[str, Child]
    qualified: dict[str, Child]
    attributes: frozenset[str]


@cache
def shape(path: str) -> Shape:
    """The shape of a type (`Patient`, `HumanName`) or of a backbone element (`Patient.contact`)."""
    found = children(path)
    attributes = frozenset(name for name, element in found.items() if element.xml == "xmlAttr")
    elements = [child for name, element in found.items() if name not in attributes for child in _variants(element)]
    ordered = [
        Child(child.name, child.element, child.kind, child.shape, child.repeats, order)
        for order, child in enumerate(elements)
    ]
    return Shape(
        {child.name: child for child in ordered},
        {f"{XHTML if child.kind == 'xhtml' else NAMESPACE} {child.name}": child for child in ordered},
        attributes,
    )


@cache
def resource_names() -> dict[str, str]:
    """Resource types by "namespace name"."""
    return {f"{NAMESPACE} {name}": name for name in resource_types()}


def _variants(element: Element) -> Iterator[Child]:
    if not element.name.endswith("[x]"):
        yield _child(element, element.name, element.types[0] if element.types else None)
        return
    stem = element.name[:-3]
    for type in element.types:
        yield _child(element, stem + type.code[0].upper() + type.code[1:], type)


def _child(element: Element, name: str, type: TypeReference | None) -> Child:
    kind, path = _content(element, type)
    return Child(name, element.name.removesuffix("[x]"), kind, path, element.repeats, 0)


def _content(element: Element, type: TypeReference | None) -> tuple[Kind, str]:
    if type is None:
        return "complex", element.content or element.path
    if type.code in _KINDS:
        return _KINDS[type.code], ""
    if types()[type.code].kind == "primitive-type":
        return "string", ""
    # A backbone element's children are defined under its own path, any other type's under the type.
    return "complex", element.path if type.code in ("BackboneElement", "Element") else type.code
