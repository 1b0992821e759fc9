"""FHIRPath Patch: a Parameters resource whose operations add, insert, delete, replace or move elements.

https://hl7.org/fhir/R4/fhirpatch.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fhir_server.fhir.fhirpath.environment import Allowance
from fhir_server.fhir.fhirpath.expression import Expression, compile
from fhir_server.fhir.fhirpath.nodes import Node
from fhir_server.fhir.outcome import FhirError, Invalid, Malformed
from fhir_server.interactions.patching import places
from fhir_server.interactions.patching.content import Content, content_of

#: The most operations in one patch.
MAX_OPERATIONS = 1000

#: What a patch may hold; without operations it changes nothing, and a member of another name is one misspelt.
_MEMBERS = frozenset({"resourceType", "id", "meta", "implicitRules", "language", "parameter"})

_LAST_STEP = re.compile(r"(.+)\.([A-Za-z][A-Za-z0-9]*)\s*", re.DOTALL | re.ASCII)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation, as far as it can be read without the resource. Members it has no use for are None."""

    kind: str
    path: Expression
    text: str
    where: str
    name: str | None = None
    value: dict[str, Any] | None = None
    index: int | None = None
    source: int | None = None
    destination: int | None = None


#: Is told after each operation of its kind, where it stands in the patch, and the resource as it leaves it.
Watch = Callable[[str, str, dict[str, Any]], None]


def read(tree: dict[str, Any], watch: Watch | None = None) -> Callable[[dict[str, Any]], Any]:
    """The change that `tree`, a Parameters resource, asks for.

    `watch` may refuse what an operation has done.

    Raises:
        Malformed: not a FHIRPath Patch (400).
    """
    if tree.get("resourceType") != "Parameters":
        words = (
            "A patch in FHIR's own types is a Parameters resource (FHIRPath Patch): a merge patch, which gives the"
            " elements to change as they are to be, is not offered."
        )
        raise Malformed(words, "resourceType", code="invalid")
    stray = tree.keys() - _MEMBERS
    if stray:
        raise Malformed("A FHIRPath Patch has operations and no more.", f"Parameters.{min(stray)}", code="structure")
    parameters = tree.get("parameter", [])
    if not isinstance(parameters, list):
        raise Malformed("A FHIRPath Patch is a list of operations.", "Parameters.parameter", code="structure")
    if len(parameters) > MAX_OPERATIONS:
        raise Malformed(f"A patch has at most {MAX_OPERATIONS} operations.", "Parameters.parameter", code="too-long")
    operations = [_operation(parameter, f"Parameters.parameter[{n}]") for n, parameter in enumerate(parameters)]
    return _changing(operations, watch)


def _changing(operations: list[Operation], watch: Watch | None) -> Callable[[dict[str, Any]], Any]:
    def change(resource: dict[str, Any]) -> Any:
        # One for all: a thousand paths may not each cost what one may.
        allowance = Allowance()
        for operation in operations:
            try:
                _KINDS[operation.kind][0](resource, operation, allowance)
            except places.Misfit as misfit:
                raise Invalid(f"{operation.kind}: {misfit}", operation.where, code="processing") from None
            if watch is not None:
                watch(operation.kind, operation.where, resource)
        return resource

    return change


def _add(resource: dict[str, Any], operation: Operation, allowance: Allowance) -> None:
    holder = _single(resource, operation, allowance)
    if holder is None:
        raise places.Misfit("the path gives no element to add to.")
    place = places.child(holder, operation.name or "")
    place.add(_content(operation, place))


def _insert(resource: dict[str, Any], operation: Operation, allowance: Allowance) -> None:
    place = _collection(resource, operation, allowance)
    place.insert(operation.index or 0, _content(operation, place))


def _delete(resource: dict[str, Any], operation: Operation, allowance: Allowance) -> None:
    node = _single(resource, operation, allowance)
    # R4 fhirpatch.html: "if found"; what is not there is deleted already.
    if node is not None:
        places.of(node).delete(node)


def _replace(resource: dict[str, Any], operation: Operation, allowance: Allowance) -> None:
    node = _single(resource, operation, allowance)
    if node is None:
        raise places.Misfit("the path gives no element to replace.")
    place = places.of(node)
    place.replace(node, _content(operation, place))


def _move(resource: dict[str, Any], operation: Operation, allowance: Allowance) -> None:
    _collection(resource, operation, allowance).move(operation.source or 0, operation.destination or 0)


#: Type of operation → (what does it, the parts it needs beside `type` and `path`).
_KINDS: dict[str, tuple[Callable[[dict[str, Any], Operation, Allowance], None], tuple[str, ...]]] = {
    "add": (_add, ("name", "value")),
    "insert": (_insert, ("value", "index")),
    "delete": (_delete, ()),
    "replace": (_replace, ("value",)),
    "move": (_move, ("source", "destination")),
}

#: Part → the `value[x]` it may come in.
_PARTS: dict[str, tuple[str, ...]] = {
    "type": ("valueCode", "valueString"),
    "path": ("valueString",),
    "name": ("valueString", "valueCode"),
    "index": ("valueInteger", "valueUnsignedInt", "valuePositiveInt"),
    "source": ("valueInteger", "valueUnsignedInt", "valuePositiveInt"),
    "destination": ("valueInteger", "valueUnsignedInt", "valuePositiveInt"),
}


def _operation(parameter: Any, where: str) -> Operation:
    parts = _parts(parameter, where)
    kind, path = parts.get("type"), parts.get("path")
    if kind not in _KINDS:
        raise Malformed("An operation's type is add, insert, delete, replace or move.", where, code="value")
    if not isinstance(path, str) or not path.strip():
        raise Malformed("An operation needs a path.", where, code="required")
    missing = [name for name in _KINDS[kind][1] if name not in parts]
    if missing:
        raise Malformed(f"{kind} needs a part {missing[0]}.", where, code="required")
    try:
        expression = compile(path)
    except FhirError as error:
        raise Malformed(f"The path is not FHIRPath: {error}", where, code="invalid") from None
    used = {name: parts[name] for name in _KINDS[kind][1]}
    return Operation(kind, expression, path, where, **used)


def _parts(parameter: Any, where: str) -> dict[str, Any]:
    if not isinstance(parameter, dict) or parameter.get("name") != "operation":
        raise Malformed("Each parameter of a patch is named operation.", where, code="value")
    given = parameter.get("part")
    if not isinstance(given, list):
        raise Malformed("An operation has parts.", where, code="required")
    found: dict[str, Any] = {}
    for n, part in enumerate(given):
        name = part.get("name") if isinstance(part, dict) else None
        if not isinstance(name, str) or (name not in _PARTS and name != "value"):
            raise Malformed("The part is not one of an operation.", f"{where}.part[{n}]", code="value")
        if name in found:
            raise Malformed(f"The part {name} stands twice.", f"{where}.part[{n}]", code="value")
        found[name] = part if name == "value" else _plain(part, name, f"{where}.part[{n}]")
    return found


def _plain(part: dict[str, Any], name: str, where: str) -> str | int:
    value = next((part[key] for key in _PARTS[name] if key in part), None)
    if _PARTS[name][0] == "valueInteger":
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
    elif isinstance(value, str):
        return value
    raise Malformed(f"The part {name} has no usable {_PARTS[name][0]}.", where, code="value")


def _nodes(resource: dict[str, Any], expression: Expression, allowance: Allowance) -> list[Node]:
    try:
        nodes = expression.values(resource, allowance=allowance)
    except FhirError as error:
        raise places.Misfit(f"the path cannot be followed: {error}") from None
    for node in nodes:
        if places.root_of(node) is not resource:
            # R4 fhirpatch.html: a patch alters no other resource than its target.
            raise places.Misfit("the path does not lead to elements of the resource.")
    return nodes


def _single(resource: dict[str, Any], operation: Operation, allowance: Allowance) -> Node | None:
    nodes = _nodes(resource, operation.path, allowance)
    if len(nodes) > 1:
        raise places.Misfit("the path gives several elements, and one is needed.")
    return nodes[0] if nodes else None


def _collection(resource: dict[str, Any], operation: Operation, allowance: Allowance) -> places.Place:
    """The list the path names; an empty one is found through the element that would hold it."""
    nodes = _nodes(resource, operation.path, allowance)
    if nodes:
        found = places.of(nodes[0])
        if not all(places.of(node) == found for node in nodes):
            raise places.Misfit("the path gives elements of several lists.")
        return found
    step = _LAST_STEP.fullmatch(operation.text)
    holders = _nodes(resource, compile(step[1]), allowance) if step else []
    if step is None or len(holders) != 1:
        raise places.Misfit("the path gives no list.")
    return places.child(holders[0], step[2])


def _content(operation: Operation, place: places.Place) -> Content:
    return content_of(operation.value or {}, place.shapes, f"{operation.where}.part")
