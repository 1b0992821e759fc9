"""The order of slices, which a schema cannot state: as they are defined, or the unsliced only at the end.

https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.slicing.ordered
"""

from __future__ import annotations

from typing import Any

import jsonschema_rs

KEYWORD = "x-slices"


class Ordered:
    """The custom keyword `x-slices` of profiles' schemas, in the shape jsonschema-rs asks for.

    Its value has `slices` (their conditions, in order), `ordered`, and `end`: items of no slice stand last.
    """

    def __init__(self, parent_schema: dict[str, Any], value: Any, schema_path: list[str | int]) -> None:
        """Make the conditions ready."""
        self.slices = [
            jsonschema_rs.Draft202012Validator(s, pattern_options=jsonschema_rs.RegexOptions()) for s in value["slices"]
        ]
        self.ordered: bool = value["ordered"]
        self.end: bool = value["end"]

    def validate(self, instance: Any) -> None:
        """Raise ValueError when the items of a list are not in order."""
        if not isinstance(instance, list):
            return
        found = [self._slice(item) for item in instance]
        known = [n for n in found if n is not None]
        if self.ordered and known != sorted(known):
            raise ValueError("not in the order of the slices")
        if self.end and None in found and any(n is not None for n in found[found.index(None) :]):
            raise ValueError("items of no slice stand before the end")

    def _slice(self, item: Any) -> int | None:
        return next((n for n, s in enumerate(self.slices) if s.is_valid(item)), None)
