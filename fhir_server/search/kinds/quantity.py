"""Quantity parameters: `number|system|code`, `number||code` or `number`; UCUM units are compared in their base units.

https://hl7.org/fhir/R4/search.html#quantity
"""

from __future__ import annotations

import math
from decimal import Decimal

from fhir_server.fhir.numbers import as_float
from fhir_server.fhir.outcome import InvalidParameter
from fhir_server.search.kinds.number import between, bounds, compared
from fhir_server.search.kinds.ranges import Bounds, Rows, prefixed
from fhir_server.search.kinds.reading import Asked, Modifier, Modifiers
from fhir_server.search.kinds.values import split, unescape
from fhir_server.store.filters import Filter

UCUM = "http://unitsofmeasure.org"


def _compared(asked: Asked, value: str) -> Filter:
    parts = [unescape(part) for part in split(value, "|")]
    if len(parts) not in (1, 3):
        raise InvalidParameter("A quantity is written number, number|system|code or number||code.")
    prefix, number = prefixed(parts[0])
    wanted = bounds(prefix, number)
    system, code = (parts[1], parts[2]) if len(parts) == 3 else ("", "")
    if system == UCUM and code and (canonical := _canonical(wanted, code)):
        unit, converted = canonical
        return compared(prefix, Rows(f"{asked.rows}:ucum", unit, UCUM), converted)
    return compared(prefix, Rows(asked.rows, code or None, system or None), wanted)


def _canonical(wanted: Bounds, code: str) -> tuple[str, Bounds] | None:
    """The base unit of a UCUM `code` and the bounds in it; None when UCUM does not know the unit."""
    from fhir_server.fhir.ucum import canonical  # a table of units, read at the first search for one

    low = canonical(Decimal(repr(wanted.low)), code)
    high = canonical(Decimal(repr(wanted.high)), code)
    if low is None or high is None:
        return None
    if wanted.low == wanted.high:
        exact = as_float(low[0])
        return low[1], between(exact, exact)
    # Converting rounds: one double of slack keeps a value that is on the bound where it was before.
    first, last = sorted((as_float(low[0]), as_float(high[0])))
    return low[1], between(math.nextafter(first, -math.inf), last)


MODIFIERS: Modifiers = {"": Modifier(_compared)}
