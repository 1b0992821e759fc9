"""How JSON property names stand for elements: one table per type that schema, messages and invariants all read.

https://hl7.org/fhir/R4/json.html: a choice `value[x]` is written `valueQuantity`, and a primitive's id and extensions
stand beside it under its name with an underscore.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from fhir_server.fhir import definitions
from fhir_server.fhir.definitions import Element, TypeReference

STRING = "System.String"


@dataclass(frozen=True, slots=True)
class Step:
    """One JSON property of an object.

    Attributes:
        name: the element's name in FHIRPath: `value` for `valueQuantity` and for `_valueString`.
        path: where its children are defined: a type's name, or an element's path for backbone elements.
        element: its definition.
        type: the type reference this property is for; None for a backbone element or contentReference.
        sibling: it carries the id and extensions of a primitive.
    """

    name: str
    path: str
    element: Element
    type: TypeReference | None = None
    sibling: bool = False

    @property
    def repeats(self) -> bool:
        """Whether JSON carries an array here."""
        return self.element.repeats


@cache
def steps(path: str) -> Mapping[str, Step]:
    """The JSON properties of a type or backbone element, by their names, without `resourceType`.

    Args:
        path: a type's name (`Patient`, `HumanName`) or an element's path (`Patient.contact`).

    Raises:
        KeyError: nothing of that name is defined.
    """
    if path == STRING:
        return {}
    if "." not in path and definitions.types()[path].kind == "primitive-type":
        return {k: v for k, v in steps("Element").items()}
    table: dict[str, Step] = {}
    for element in definitions.children(path).values():
        for step in _properties(element):
            table[step[0]] = step[1]
    return table


@cache
def choices(path: str) -> Mapping[str, tuple[str, ...]]:
    """The choice elements of `path` by name (`value`), each with the JSON names it may take, siblings left out."""
    table: dict[str, tuple[str, ...]] = {}
    for element in definitions.children(path).values():
        if element.name.endswith("[x]"):
            table[element.name[:-3]] = tuple(k for k, s in _properties(element) if not s.sibling)
    return table


def is_primitive(type: str) -> bool:
    """Whether `type` is written as a JSON string, number or boolean."""
    return type == STRING or definitions.types()[type].kind == "primitive-type"


def _properties(element: Element) -> list[tuple[str, Step]]:
    if element.max == "0":
        return []
    if element.content:
        return [(element.name, Step(element.name, element.content, element))]
    if definitions.children(element.path):
        return [(element.name, Step(element.name, element.path, element))]
    if element.name.endswith("[x]"):
        base = element.name[:-3]
        return [p for t in element.types for p in _typed(base + t.code[0].upper() + t.code[1:], base, element, t)]
    return _typed(element.name, element.name, element, _exact(element))


def _exact(element: Element) -> TypeReference:
    # R4 states the ids of resources as strings, and writes in prose that they are of type id (resource.html#id).
    owner, _, name = element.path.rpartition(".")
    if name == "id" and "." not in owner:
        return TypeReference("id" if definitions.types()[owner].kind == "resource" else STRING)
    return TypeReference(STRING) if element.path.endswith(".id") and element.xml == "xmlAttr" else element.types[0]


def _typed(key: str, name: str, element: Element, type: TypeReference) -> list[tuple[str, Step]]:
    found = [(key, Step(name, type.code, element, type))]
    if has_sibling(element, type):
        found.append(("_" + key, Step(name, "Element", element, type, sibling=True)))
    return found


def has_sibling(element: Element, type: TypeReference) -> bool:
    """Whether the primitive may have an id and extensions: XML attributes, resource ids and narratives cannot."""
    plain = type.code == "xhtml" or element.xml is not None or element.path.endswith(".id")
    return is_primitive(type.code) and not plain
