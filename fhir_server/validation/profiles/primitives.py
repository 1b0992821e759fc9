"""What a profile says of a primitive's value apart from its id and extensions: of `Coding.display.value`.

https://hl7.org/fhir/R4/types.html#primitive: a primitive is an element with an id, extensions and a value, and JSON
writes the value under the name of the element itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fhir_server.validation.profiles.snapshots import Node
from fhir_server.validation.steps import Step, is_primitive

Schema = dict[str, Any]
#: Says which rule a schema is: schema, key, text, element.
Ruled = Callable[[Schema, str, str, str], Schema]
_MISSING = "A required element is missing"
_NONE = "Not to be given by its profile"
#: What of an element's definition is about how often it stands, and not about what it says.
_ELSEWHERE = frozenset({"min", "max", "type", "sliceName", "slicing"})


def said(node: Node) -> Node:
    """What is asked of the value of a primitive element, by the element itself and by its `value`."""
    value = node.children.get("value")
    if value is None:
        return Node(node.name, node.facts, node.constraints)
    own = {k: v for k, v in value.facts.items() if k not in _ELSEWHERE}
    return Node(node.name, {**node.facts, **own}, {**node.constraints, **value.constraints})


def given(node: Node, key: str, step: Step, name: str, ruled: Ruled) -> Iterator[Schema]:
    """Whether a primitive that is there has a value, where its profile says that it must, or must not.

    Args:
        node: the element.
        key: its JSON name, without underscore.
        step: what stands there.
        name: of the element in FHIRPath.
        ruled: names the rule.
    """
    value = node.children.get("value")
    if value is None or step.sibling or step.type is None or not is_primitive(step.type.code):
        return
    at = f"{name}.value"
    if value.facts.get("min", 0) > 0:
        whole: Schema = {"required": [key]}
        if step.repeats:
            # Nulls stand where there are extensions alone.
            whole["properties"] = {key: {"items": {"not": {"type": "null"}}}}
        yield {"if": {"required": ["_" + key]}, "then": ruled({"anyOf": [whole]}, "cardinality-min", _MISSING, at)}
    if value.facts.get("max") == "0":
        none: Schema = {"properties": {key: {"items": {"type": "null"}} if step.repeats else False}}
        yield ruled({"anyOf": [none]}, "cardinality-max", _NONE, at)
