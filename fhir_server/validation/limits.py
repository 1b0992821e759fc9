"""The least and the most that a profile lets a date, time or quantity be, as invariants: no schema knows their order.

https://hl7.org/fhir/R4/elementdefinition.html (minValue[x], maxValue[x])
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from fhir_server.validation.invariants import Invariant
from fhir_server.validation.snapshots import Node


def limits(node: Node, path: str) -> Iterator[Invariant]:
    """The limits of an element of the type `path`; those of numbers are in its schema."""
    for start, sign in (("minValue", "<"), ("maxValue", ">")):
        said = node.said(start)
        limit = said and _literal(*said)
        if limit:
            # A value too imprecise to be compared is not known to be outside.
            text = f"iif($this {sign} {limit}, false, true)"
            yield Invariant("value-range", "error", "Outside the range its profile allows", text, path)


def _literal(type: str, value: Any) -> str | None:
    """A limit as FHIRPath writes it; None for the numbers, which the schema judges."""
    if isinstance(value, str) and re.fullmatch(r"[0-9T:.+Z-]+", value):
        return f"@T{value}" if type == "Time" else f"@{value}T" if type != "Date" and "T" not in value else f"@{value}"
    if isinstance(value, dict) and isinstance(value.get("code"), str) and "'" not in value["code"]:
        return f"{value.get('value')} '{value['code']}'"
    return None
