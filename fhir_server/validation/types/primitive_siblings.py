"""The one rule of FHIR JSON a schema cannot state: a repeating primitive and its `_` sibling are two arrays in step.

https://hl7.org/fhir/R4/json.html#primitive
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

KEYWORD = "x-aligned"


def misaligned(parent: Mapping[str, Any], name: str) -> Iterator[tuple[int | None, str]]:
    """What is wrong between `parent[name]` and `parent["_" + name]`: position (None for the whole) and words.

    Values that are not arrays, or are empty, are left to the rule that says so.
    """
    siblings = parent.get("_" + name)
    if not isinstance(siblings, list):
        return
    values = parent.get(name, [None] * len(siblings))
    if not isinstance(values, list) or not values:
        return
    if len(values) != len(siblings):
        yield None, "A repeating primitive and its extensions are not arrays of the same length"
        return
    for position, (value, sibling) in enumerate(zip(values, siblings, strict=True)):
        if value is None and sibling is None:
            yield position, "Neither a value nor an extension stands here"
        elif value is None and isinstance(sibling, dict) and "extension" not in sibling:
            yield position, "An element has a value, children or an extension"


class Aligned:
    """The custom keyword `x-aligned` of the compiled schemas, in the shape jsonschema-rs asks for."""

    def __init__(self, parent_schema: dict[str, Any], value: Any, schema_path: list[str | int]) -> None:
        """Hold the property's name."""
        self.name: str = value

    def validate(self, instance: Any) -> None:
        """Raise ValueError when the two arrays are not in step."""
        if isinstance(instance, dict) and next(misaligned(instance, self.name), None):
            raise ValueError("not in step")
