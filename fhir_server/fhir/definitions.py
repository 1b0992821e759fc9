"""What R4 4.0.1 says of its own types, search parameters and compartments, read once from `profiles/hl7.fhir.r4.core`.

https://hl7.org/fhir/R4/ — the files are written by `profiles/build_r4_core.py`, which names their source.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

FHIR_VERSION = "4.0.1"
SPECIFICATION = "http://hl7.org/fhir/StructureDefinition/"


class TypeReference(msgspec.Struct, frozen=True):
    """One type an element may have: its code, and what a Reference, canonical or profiled type is limited to."""

    code: str
    targets: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    regex: str | None = None


class Binding(msgspec.Struct, frozen=True):
    """The value set an element's code comes from. `valueSet` is a canonical, often with `|4.0.1`."""

    strength: Literal["required", "extensible", "preferred", "example"]
    valueSet: str | None = None


class Constraint(msgspec.Struct, frozen=True):
    """An invariant: FHIRPath `expression` that must be true of the element it stands on."""

    key: str
    severity: Literal["error", "warning"]
    human: str
    expression: str | None = None


class Element(msgspec.Struct, frozen=True):
    """One element of a type, by its `path` (`Patient.deceased[x]`), as the snapshot states it."""

    path: str
    min: int
    max: str
    types: tuple[TypeReference, ...] = ()
    content: str | None = None  #: the path of the element whose children this one shares (contentReference)
    binding: Binding | None = None
    constraints: tuple[Constraint, ...] = ()
    modifier: bool = False
    summary: bool = False
    xml: Literal["xmlAttr", "xhtml", "typeAttr"] | None = None
    maxLength: int | None = None
    inherited: bool = False  #: defined by the parent type

    @property
    def name(self) -> str:
        """The last step of the path: `deceased[x]`."""
        return self.path.rpartition(".")[2]

    @property
    def repeats(self) -> bool:
        """Whether JSON carries the element as an array."""
        return self.max not in ("0", "1")


class Type(msgspec.Struct, frozen=True, rename={"snapshot": "elements"}):
    """A resource type, complex type or primitive type; `snapshot` is the JSON of its elements."""

    kind: Literal["primitive-type", "complex-type", "resource"]
    snapshot: msgspec.Raw
    abstract: bool = False
    base: str | None = None

    @property
    def elements(self) -> tuple[Element, ...]:
        """Its elements in snapshot order (the root first), read anew each time."""
        return msgspec.json.decode(self.snapshot, type=tuple[Element, ...])


class Component(msgspec.Struct, frozen=True):
    """One part of a composite search parameter: which parameter it is judged as (canonical), and where it is found."""

    definition: str
    expression: str


class SearchParameter(msgspec.Struct, frozen=True):
    """A search parameter as the standard (or a loaded `SearchParameter` resource) defines it."""

    url: str
    code: str
    type: Literal["number", "date", "string", "token", "reference", "composite", "quantity", "uri", "special"]
    base: tuple[str, ...] = ()
    name: str = ""
    expression: str | None = None
    target: tuple[str, ...] = ()
    component: tuple[Component, ...] = ()
    comparator: tuple[str, ...] = ()
    modifier: tuple[str, ...] = ()
    multipleOr: bool | None = None
    multipleAnd: bool | None = None


def folder(name: str) -> Path:
    """A data folder of the project (`profiles`, `capability`, `seed`), in a checkout or in an installed wheel."""
    package = Path(__file__).parent.parent
    checkout = package.parent / name
    return checkout if checkout.is_dir() else package / "_data" / name


@cache
def types() -> dict[str, Type]:
    """Every type by its name: 148 resource types (two abstract), complex and primitive types."""
    return msgspec.json.decode(_file("types.json"), type=dict[str, Type])


@cache
def resource_types() -> frozenset[str]:
    """The names of the 146 resource types that can be instantiated."""
    return frozenset(name for name, type in types().items() if type.kind == "resource" and not type.abstract)


@cache
def lineage(type: str) -> tuple[str, ...]:
    """A type and those it specializes, the most general last: `Patient`, `DomainResource`, `Resource`."""
    found = types().get(type)
    return (type, *lineage(found.base.removeprefix(SPECIFICATION))) if found and found.base else (type,)


@cache
def elements(type: str) -> dict[str, Element]:
    """The elements of `type` by path.

    Raises:
        KeyError: there is no such type.
    """
    return {element.path: element for element in types()[type].elements}


@cache
def children(path: str) -> dict[str, Element]:
    """The direct children of a type or of a backbone element, by name (`deceased[x]`), following contentReference.

    Args:
        path: a type's name (`Patient`, `HumanName`) or an element's path (`Patient.contact`).
    """
    element = elements(path.partition(".")[0])[path]
    if element.content:
        return children(element.content)
    own = elements(path.partition(".")[0])
    start = path + "."
    return {p[len(start) :]: e for p, e in own.items() if p.startswith(start) and "." not in p[len(start) :]}


@cache
def search_parameters() -> tuple[SearchParameter, ...]:
    """The standard's 1,400 search parameters, as published; those of the examples' own extensions included."""
    return tuple(msgspec.json.decode(_file("search-parameters.json"), type=list[SearchParameter]))


@cache
def compartments() -> dict[str, dict[str, tuple[str, ...]]]:
    """Compartment → resource type → the search parameters that put a resource in it (`{def}` is the owner itself)."""
    return msgspec.json.decode(_file("compartments.json"), type=dict[str, dict[str, tuple[str, ...]]])


def _file(name: str) -> bytes:
    return (folder("profiles") / "hl7.fhir.r4.core" / name).read_bytes()
