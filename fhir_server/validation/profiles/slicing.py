"""The slices of a list: which items are in each, how many it takes, in what order, and whether others are allowed.

https://hl7.org/fhir/R4/profiling.html#slicing, #resliceing and https://hl7.org/fhir/R4/elementdefinition.html (slicing)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fhir_server.validation.ordering import KEYWORD
from fhir_server.validation.profiles import slices
from fhir_server.validation.profiles.snapshots import Node

Schema = dict[str, Any]
#: The slice of the items that are in no other (https://hl7.org/fhir/R4/profiling.html#default-slice).
DEFAULT = "@default"


@dataclass(frozen=True, slots=True)
class Slice:
    """A slice and what its items satisfy.

    Attributes:
        name: `ins`, or `ins/old` for a slice of the slice `ins`.
        node: what its profile says of its items.
        outer: the slice it is a slice of, "" for one of the list.
        condition: None when the profile leaves open which items are in it.
    """

    name: str
    node: Node
    outer: str
    condition: Schema | None


#: Says which rule a schema is: schema, key, text, element.
Ruled = Callable[[Schema, str, str, str], Schema]


def sliced(child: Node, path: Callable[[Node], str], known: slices.Known) -> list[Slice]:
    """The slices of an element, the outer before those inside it.

    Args:
        child: the sliced element.
        path: where the children of a slice's items are defined.
        known: the other profiles.
    """
    found: dict[str, Slice] = {}
    for name in sorted(child.slices, key=lambda n: n.count("/")):
        node = child.slices[name]
        outer = name.rpartition("/")[0]
        outer = outer if outer in found else ""
        if name.rpartition("/")[2] != DEFAULT:
            found[name] = Slice(name, node, outer, _condition(child, node, found.get(outer), path(node), known))
    for name, node in child.slices.items():
        if name not in found:
            outer = name.rpartition("/")[0] if name.rpartition("/")[0] in found else ""
            found[name] = Slice(name, node, outer, _default(outer, list(found.values())))
    # As they were defined: the order may be asked for.
    return [found[name] for name in child.slices]


def _condition(child: Node, node: Node, outer: Slice | None, path: str, known: slices.Known) -> Schema | None:
    slicing = child.facts.get("slicing") or {}
    if outer is None:
        return slices.condition(node, path, slicing, known)
    inner = slices.condition(node, path, outer.node.facts.get("slicing") or slicing, known)
    return {"allOf": [outer.condition, inner]} if outer.condition is not None and inner is not None else None


def _default(outer: str, others: list[Slice]) -> Schema | None:
    """The condition of what is in none of the other slices."""
    beside = [s.condition for s in others if s.outer == outer]
    if None in beside:
        return None
    rest: Schema = {"not": {"anyOf": beside}} if beside else {}
    around = next((s.condition for s in others if s.name == outer), None)
    return {"allOf": [around, rest]} if around is not None else rest


def rules(child: Node, found: list[Slice], key: str, name: str, ruled: Ruled) -> Iterator[Schema]:
    """What the slicing asks of the list as a whole, as schemas of the object that has it.

    Args:
        child: the sliced element.
        found: its slices.
        key: the JSON key of the list.
        name: the element's name.
        ruled: names the rule.
    """
    for slice in found:
        if slice.condition is not None:
            yield from _count(slice, slice.condition, key, name, ruled)
    for outer in {s.outer: None for s in found}:
        holder = child if not outer else child.slices[outer]
        slicing = holder.facts.get("slicing") or {}
        among = next((s.condition for s in found if s.name == outer), None)
        if not outer or among is not None:
            yield from _others(slicing, [s for s in found if s.outer == outer], among, key, ruled)


def demanded(child: Node) -> str:
    """Which slices must be there, for a text that says that something is missing; "" where none must."""
    names = [name for name, node in child.slices.items() if node.facts.get("min", 0) > 0]
    return f" (slices: {', '.join(names)})" if names else ""


def _count(slice: Slice, condition: Schema, key: str, name: str, ruled: Ruled) -> Iterator[Schema]:
    minimum, maximum = slice.node.facts.get("min", 0), slice.node.facts.get("max", "*")
    if minimum > 0:
        text = f"Fewer items of the slice {slice.name} than its profile asks for"
        enough = {"required": [key], "properties": {key: {"contains": condition, "minContains": minimum}}}
        # `anyOf` one alternative: what fails is the rule, wherever inside the reason is found.
        yield ruled({"anyOf": [enough]}, "cardinality-min", text, name)
    if maximum.isdigit():
        text = f"More items of the slice {slice.name} than its profile allows"
        few = {"properties": {key: {"contains": condition, "minContains": 0, "maxContains": int(maximum)}}}
        yield ruled({"anyOf": [few]}, "cardinality-max", text, name)


def _others(
    slicing: Mapping[str, Any], beside: list[Slice], among: Schema | None, key: str, ruled: Ruled
) -> Iterator[Schema]:
    """Whether items of no slice are allowed, and in which order all stand."""
    conditions = [s.condition for s in beside if s.condition is not None]
    if len(conditions) != len(beside):
        return
    how = slicing.get("rules")
    if how == "closed":
        one = ruled({"anyOf": conditions}, "slice-unknown", "In none of the slices its profile allows", "")
        yield {"properties": {key: {"items": {"if": among, "then": one} if among is not None else one}}}
    if how == "openAtEnd" or slicing.get("ordered"):
        order: Schema = {"slices": conditions, "end": how == "openAtEnd", "ordered": bool(slicing.get("ordered"))}
        if among is not None:
            order["among"] = among
        yield {"properties": {key: ruled({KEYWORD: order}, "slice-order", "Not in the order its profile asks for", "")}}
