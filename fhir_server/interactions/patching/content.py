"""The value a FHIRPath Patch puts somewhere: a data type, a resource, or the parts of a backbone element.

https://hl7.org/fhir/R4/fhirpatch.html, https://hl7.org/fhir/R4/parameters.html
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from fhir_server.fhir import definitions
from fhir_server.fhir.fhirpath.shapes import Shape, shape
from fhir_server.fhir.outcome import Invalid, Malformed


@dataclass(frozen=True, slots=True)
class Content:
    """What is to stand in a place.

    Attributes:
        key: the JSON key it stands under (`valueQuantity` of `value[x]`).
        value: its JSON value; None for a primitive with extensions alone.
        extra: id and extensions of a primitive, for the `_name` sibling; None for none.
    """

    key: str
    value: Any
    extra: Any = None


def content_of(part: dict[str, Any], shapes: Mapping[str, Shape], where: str) -> Content:
    """What the part `value` holds, under the JSON key of `shapes` whose type it has.

    Args:
        part: an element of `Parameters.parameter.part`.
        shapes: JSON key → shape, for each type the place may hold.
        where: FHIRPath of the part, for the error.

    Raises:
        Malformed: the part has no value, or several (400).
        Invalid: the place does not hold that type (422).
    """
    if isinstance(part.get("part"), list):
        [(key, expected), *others] = shapes.items()
        # Backbone elements and extensions cannot be a value[x] of Parameters; parts can make any complex type.
        if others or expected.primitive:
            raise Invalid("The place holds a primitive or a choice, which has no parts.", where, code="processing")
        return Content(key, _backbone(part["part"], expected, where))
    if "resource" in part:
        return _resource(part["resource"], shapes, where)
    key, value, extra = _value(part, where)
    given = _types()[key]
    # A choice is of the very type where it has it: `string` would also fit an earlier `code`.
    for name, expected in sorted(shapes.items(), key=lambda item: item[1].name != given):
        if _fits(given, expected):
            return Content(name, deepcopy(value), deepcopy(extra))
    raise Invalid(f"A {given} cannot stand there.", where, code="processing")


def _value(part: dict[str, Any], where: str) -> tuple[str, Any, Any]:
    keys = {key.removeprefix("_") for key in part if key.removeprefix("_").startswith("value")}
    if len(keys) != 1:
        raise Malformed("The part has no value, or several.", where, code="required")
    [key] = keys
    if key not in _types():
        raise Malformed(f"{key} is not a value[x] of Parameters.", where, code="value")
    return key, part.get(key), part.get("_" + key)


def _types() -> dict[str, str]:
    """`valueHumanName` → "HumanName", for each type a parameter may have."""
    element = definitions.elements("Parameters")["Parameters.parameter.value[x]"]
    return {"value" + type.code[0].upper() + type.code[1:]: type.code for type in element.types}


def _fits(given: str, expected: Shape) -> bool:
    # A `code` is a kind of `string`, and senders write either: the result is validated as what it must be. Parameters
    # have no xhtml, so a narrative comes as a string.
    if expected.name == "xhtml":
        return given == "string"
    return expected.derives_from(given) or shape(given).derives_from(expected.name)


def _resource(tree: Any, shapes: Mapping[str, Shape], where: str) -> Content:
    for key, expected in shapes.items():
        if expected.polymorphic and isinstance(tree, dict):
            return Content(key, deepcopy(tree))
    raise Invalid("A resource cannot stand there.", where, code="processing")


def _backbone(parts: list[Any], expected: Shape, where: str) -> dict[str, Any]:
    """The element whose children the parts name: anonymous types are written part by part."""
    found: dict[str, Any] = {}
    for n, part in enumerate(parts):
        at = f"{where}.part[{n}]"
        name = part.get("name") if isinstance(part, dict) else None
        if not isinstance(name, str):
            raise Malformed("The part has no name.", at, code="required")
        shapes = shapes_of(expected, name)
        if not shapes:
            raise Invalid("There is no such element there.", at, code="processing")
        _put(found, content_of(part, shapes, at), repeats(expected, name), at)
    return found


def _put(found: dict[str, Any], content: Content, many: bool, where: str) -> None:
    if not many:
        if content.key in found:
            raise Invalid("The element stands once only.", where, code="processing")
        found[content.key] = content.value
        if content.extra is not None:
            found["_" + content.key] = content.extra
        if content.value is None:
            del found[content.key]
        return
    values = found.setdefault(content.key, [])
    values.append(content.value)
    if content.extra is not None or "_" + content.key in found:
        extras = found.setdefault("_" + content.key, [])
        extras.extend([None] * (len(values) - 1 - len(extras)))
        extras.append(content.extra)


def shapes_of(holder: Shape, name: str) -> dict[str, Shape]:
    """JSON key → shape of the element called `name` (`value`, `value[x]`, `valueQuantity`); empty for none."""
    child = holder.children.get(name.removesuffix("[x]"))
    if child is not None:
        return dict(child.choice) if child.choice is not None else {child.key: child.shape}
    named = holder.keys.get(name)
    return {name: named[1]} if named is not None else {}


def repeats(holder: Shape, name: str) -> bool:
    """Whether the element called `name` is an array in JSON."""
    stem = name.removesuffix("[x]")
    children = definitions.children(holder.path)
    element = children.get(stem) or children.get(stem + "[x]")
    return element is not None and element.repeats
