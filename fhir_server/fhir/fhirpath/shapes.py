"""What FHIRPath knows of a type: its children by element name and by JSON key, its ancestors, what a primitive means.

https://hl7.org/fhir/R4/fhirpath.html#types, http://hl7.org/fhirpath/N1/#types-and-reflection
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import cache, cached_property
from typing import Any

from fhir_server.fhir import definitions
from fhir_server.fhir.fhirpath import temporal
from fhir_server.fhir.fhirpath.quantities import Quantity, from_fhir

#: FHIR primitive type → the System type it is converted to without asking.
SYSTEM_OF = {
    "boolean": "Boolean",
    "string": "String",
    "uri": "String",
    "url": "String",
    "canonical": "String",
    "oid": "String",
    "uuid": "String",
    "code": "String",
    "id": "String",
    "markdown": "String",
    "base64Binary": "String",
    "xhtml": "String",
    "integer": "Integer",
    "unsignedInt": "Integer",
    "positiveInt": "Integer",
    "decimal": "Decimal",
    "date": "Date",
    "dateTime": "DateTime",
    "instant": "DateTime",
    "time": "Time",
}
SYSTEM_TYPES = frozenset({"Any", *SYSTEM_OF.values(), "Quantity"})
_SYSTEM_NAMES = {name.lower(): name for name in SYSTEM_TYPES}
_QUANTITIES = frozenset({"Quantity", "Age", "Count", "Distance", "Duration"})


class Child:
    """One element of a shape: where it stands in the JSON object, and the shape of what stands there."""

    __slots__ = ("choice", "key", "name", "shape", "sibling")

    def __init__(self, name: str, key: str, shape: Shape, choice: dict[str, Shape] | None) -> None:
        self.name = name  #: as FHIRPath says it: `value`
        self.key = key  #: as JSON says it: `value`; of a choice unused
        self.sibling = "_" + key  #: where the id and extensions of a primitive stand
        self.shape = shape  #: of the element; of a choice unused
        self.choice = choice  #: JSON key → shape (`valueQuantity` → Quantity), None when there is one type


class Shape:
    """A type or backbone element. There is one object per shape, so `is` compares identities."""

    def __init__(self, path: str, name: str, ancestors: frozenset[str]) -> None:
        self.path = path  #: `Patient`, `Patient.contact`, `System.String`
        self.name = name  #: the type as seen from outside: `Patient`, `BackboneElement`, `System.String`
        self.ancestors = ancestors  #: qualified names of itself and all it derives from
        self.primitive = name in SYSTEM_OF
        self.system = name.startswith("System.")
        self.polymorphic = path in ("Resource", "DomainResource")
        self.resource = "FHIR.Resource" in ancestors
        self.quantity = name in _QUANTITIES
        self.means = "System." + SYSTEM_OF[name] if self.primitive else ""  #: System type of a primitive
        self.convert = _converter(name)  #: JSON value → System value; None where they are the same

    def __repr__(self) -> str:
        return f"Shape({self.path})"

    @cached_property
    def children(self) -> dict[str, Child]:
        """By the name FHIRPath uses."""
        if self.system:
            return {}
        if self.path == "TypeInfo":
            return {name: Child(name, name, system_shape("String"), None) for name in ("namespace", "name")}
        found = definitions.children(self.path)
        if self.primitive:
            found = {name: element for name, element in found.items() if name in ("id", "extension")}
        return {name.removesuffix("[x]"): _child(name, element) for name, element in found.items()}

    @cached_property
    def keys(self) -> dict[str, tuple[Child, Shape]]:
        """JSON key → the child that stands there and its shape."""
        return {
            key: (child, shape)
            for child in self.children.values()
            for key, shape in (child.choice or {child.key: child.shape}).items()
        }

    def derives_from(self, type: str) -> bool:
        """Whether this is the FHIR type `type` or a specialisation of it."""
        return "FHIR." + type in self.ancestors


@cache
def shape(path: str) -> Shape:
    """The shape of a FHIR type or of a backbone element's path.

    Raises:
        KeyError: R4 has no such type or element.
    """
    if path == "TypeInfo":
        return Shape(path, path, frozenset())
    if path in definitions.types():
        return Shape(path, path, _ancestors(path))
    element = definitions.elements(path.partition(".")[0])[path]
    if element.content:
        return shape(element.content)
    type = element.types[0].code
    return Shape(path, type, _ancestors(type))


@cache
def system_shape(name: str) -> Shape:
    """The shape of a System type: `String`, `Quantity`."""
    return Shape("System." + name, "System." + name, frozenset({"System." + name, "System.Any"}))


def named(type: str) -> frozenset[str] | None:
    """The qualified names a type specifier may mean, or None when there is no such type.

    An unqualified name is a FHIR type before it is a System type; `Quantity` is both. R4 writes `System.string` too.
    """
    namespace, _, name = type.rpartition(".")
    if namespace == "System":
        name = _SYSTEM_NAMES.get(name.lower(), name)
    fhir = namespace in ("", "FHIR") and name in definitions.types()
    system = namespace in ("", "System") and name in SYSTEM_TYPES and (not fhir or name == "Quantity")
    found = frozenset(([f"FHIR.{name}"] if fhir else []) + ([f"System.{name}"] if system else []))
    return found or None


def _ancestors(type: str) -> frozenset[str]:
    found = []
    name: str | None = type
    while name:
        found.append("FHIR." + name)
        name = definitions.types()[name].base
    return frozenset(found)


def _child(name: str, element: definitions.Element) -> Child:
    if element.content:
        return Child(name, name, shape(element.content), None)
    if name.endswith("[x]"):
        stem = name[:-3]
        keys = {stem + type.code[0].upper() + type.code[1:]: shape(type.code) for type in element.types}
        return Child(stem, stem, shape("Element"), keys)
    code = element.types[0].code
    if code in ("BackboneElement", "Element"):
        return Child(name, name, shape(element.path), None)
    type = definitions.types().get(element.path.removesuffix(".id"))
    if name == "id" and type is not None and type.kind == "resource":
        # The published definitions say string, the specification (https://hl7.org/fhir/R4/resource.html#id) an id.
        code = "id"
    return Child(name, name, shape(code if code in definitions.types() else "string"), None)


def _decimal(value: Any) -> Any:
    return Decimal(value) if value.__class__ is int else value


def _read(reader: Callable[[str], temporal.Temporal | None]) -> Callable[[Any], Any]:
    return lambda value: reader(value) if value.__class__ is str else None


_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "decimal": _decimal,
    "date": _read(temporal.date),
    "dateTime": _read(temporal.datetime),
    "instant": _read(temporal.datetime),
    "time": _read(temporal.time),
}


def _converter(name: str) -> Callable[[Any], Any] | None:
    if name in _QUANTITIES:
        return from_fhir
    return _CONVERTERS.get(name)


#: Python class of a System value → its shape.
SYSTEM_SHAPES: dict[type, Shape] = {
    bool: system_shape("Boolean"),
    str: system_shape("String"),
    int: system_shape("Integer"),
    Decimal: system_shape("Decimal"),
    temporal.Date: system_shape("Date"),
    temporal.DateTime: system_shape("DateTime"),
    temporal.Time: system_shape("Time"),
    Quantity: system_shape("Quantity"),
}
