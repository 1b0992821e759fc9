"""The least and the most that a profile lets a date, time or quantity be, as invariants: no schema knows their order.

https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.minValue_x_
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from fhir_server.validation.profiles.snapshots import Node
from fhir_server.validation.types.invariants import Invariant

#: Types whose limits may be a duration: so long before now is the least, so long after now the most.
_NOW = {"date": "today()", "dateTime": "now()", "instant": "now()"}
_CALENDAR = {
    "a": "years", "mo": "months", "wk": "weeks", "d": "days", "h": "hours", "min": "minutes", "s": "seconds",
}  # fmt: skip
_QUANTITIES = frozenset(
    {"Quantity", "Age", "Count", "Distance", "Duration", "Money", "MoneyQuantity", "SimpleQuantity"}
)
_DATES = frozenset({"date", "dateTime", "instant", "time"})


def limits(node: Node, path: str) -> Iterator[Invariant]:
    """The limits of an element of the type `path`; those of numbers are in its schema."""
    for start, sign, away in (("minValue", "<", "-"), ("maxValue", ">", "+")):
        said = node.said(start)
        compared = said and _compared(*said, path, sign, away)
        if compared:
            # A value too imprecise to be compared is not known to be outside.
            text = f"iif({compared}, false, true)"
            yield Invariant("value-range", "error", "Outside the range its profile allows", text, path)


def _compared(type: str, value: Any, path: str, sign: str, away: str) -> str | None:
    """What is true of a value outside the limit; None for the numbers, which the schema judges, and other types."""
    if isinstance(value, str) and path in _DATES and re.fullmatch(r"[0-9T:.+Z-]+", value):
        literal = (
            f"@T{value}" if type == "Time" else f"@{value}T" if type != "Date" and "T" not in value else f"@{value}"
        )
        return f"$this {sign} {literal}"
    if not isinstance(value, dict) or isinstance(value.get("value"), bool | str | dict | list | None):
        return None
    amount, code = value["value"], value.get("code")
    if path in _NOW:
        unit = _CALENDAR.get(str(code))
        return f"$this {sign} {_NOW[path]} {away} {amount} {unit}" if unit and amount >= 0 else None
    if path not in _QUANTITIES:
        return None
    if isinstance(code, str) and "'" not in code and "\\" not in code:
        return f"$this {sign} {amount} '{code}'"
    return f"value {sign} {amount}" if code is None else None
