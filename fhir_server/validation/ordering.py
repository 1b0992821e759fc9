"""The order of slices, which a schema cannot state: as they are defined, or the unsliced only at the end.

https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.slicing.ordered
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jsonschema_rs

KEYWORD = "x-slices"


class Ordered:
    """The custom keyword `x-slices` of profiles' schemas, in the shape jsonschema-rs asks for.

    Its value has `slices` (their conditions, in order), `ordered`, `end` (items of no slice stand last) and, for slices
    of a slice, `among`: the condition of the items that are looked at.
    """

    #: Makes the conditions ready to run.
    ready: Callable[[dict[str, Any]], jsonschema_rs.Validator]

    def __init__(self, parent_schema: dict[str, Any], value: Any, schema_path: list[str | int]) -> None:
        """Hold the conditions; they are made ready when they are first asked."""
        self._value = value
        self._slices: list[jsonschema_rs.Validator] | None = None
        self._among: jsonschema_rs.Validator | None = None
        self.ordered: bool = value["ordered"]
        self.end: bool = value["end"]

    def validate(self, instance: Any) -> None:
        """Raise ValueError when the items of a list are not in order."""
        if not isinstance(instance, list):
            return
        found = self._found(instance)
        known = [n for n in found if n is not None]
        if self.ordered and known != sorted(known):
            raise ValueError("not in the order of the slices")
        if self.end and None in found and any(n is not None for n in found[found.index(None) :]):
            raise ValueError("items of no slice stand before the end")

    def _found(self, items: list[Any]) -> list[int | None]:
        if self._slices is None:
            self._slices = [self.ready(s) for s in self._value["slices"]]
            self._among = self.ready(self._value["among"]) if "among" in self._value else None
        among = self._among
        return [self._slice(item) for item in items if among is None or among.is_valid(item)]

    def _slice(self, item: Any) -> int | None:
        return next((n for n, s in enumerate(self._slices or ()) if s.is_valid(item)), None)
