"""Date, number and quantity parameters: everything that is a range with two ends.

https://hl7.org/fhir/R4/search.html#date, https://hl7.org/fhir/R4/search.html#number,
https://hl7.org/fhir/R4/search.html#quantity
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from fhir_server.fhir import ucum
from fhir_server.fhir.dates import interval, period, timing
from fhir_server.fhir.numbers import as_float, parse
from fhir_server.search.codes import CURRENCIES, UCUM
from fhir_server.search.indexing.rows import Rows, System, Writers
from fhir_server.store.filters import BEGINNING, END

#: Values of a SampledData that are looked at; the rest adds nothing but time.
_MOST_SAMPLES = 100_000

Bound = Decimal | int | float


def date(rows: Rows, param: str, value: Any, _: System = "") -> None:
    """The interval that a partial date, a dateTime or an instant stands for."""
    rows.interval(param, *interval(value, rows.zone))


def between(rows: Rows, param: str, value: Any, _: System = "") -> None:
    """A Period; an end that is not said is open."""
    found = period(value, rows.zone)
    if found:
        rows.interval(param, *found)


def schedule(rows: Rows, param: str, value: Any, _: System = "") -> None:
    """The outer limits of a Timing."""
    found = timing(value, rows.zone)
    if found:
        rows.interval(param, *found)


def number(rows: Rows, param: str, value: Any, _: System = "") -> None:
    """The number itself: precision is a matter of what is asked."""
    rows.span(param, value, value)


def quantity(rows: Rows, param: str, value: Any, _: System = "") -> None:
    """A Quantity in its unit as coded, as people read it, and in UCUM's base units."""
    found = value.get("value")
    if found is not None:
        _measured(rows, param, *_compared(found, value.get("comparator")), value)


def money(rows: Rows, param: str, value: Any, _: System = "") -> None:
    """The amount, its currency being the unit."""
    found = value.get("value")
    if found is not None:
        rows.span(param, found, found, value.get("currency", ""), CURRENCIES if value.get("currency") else "")


def extent(rows: Rows, param: str, value: Any, _: System = "") -> None:
    """A Range; a bound that is not said is open."""
    low, high = value.get("low") or {}, value.get("high") or {}
    least, most = low.get("value"), high.get("value")
    if least is not None or most is not None:
        _measured(rows, param, BEGINNING if least is None else least, END if most is None else most, low or high)


def samples(rows: Rows, param: str, value: Any, _: System = "") -> None:
    """From the least to the greatest of a SampledData's values, in the unit of its origin."""
    origin = value["origin"]
    base, factor = Decimal(origin.get("value", 0)), Decimal(value.get("factor", 1))
    found = [base + factor * one for text in value.get("data", "").split()[:_MOST_SAMPLES] if (one := _sample(text))]
    if found:
        _measured(rows, param, min(found), max(found), origin)


def place(rows: Rows, param: str, value: Any, _: System = "") -> None:
    """A position: the latitude, and the longitude beside it in the same group."""
    latitude, longitude = value.get("latitude"), value.get("longitude")
    if latitude is not None and longitude is not None:
        rows.groups += 1
        rows.group = rows.groups
        rows.span(param, latitude, latitude)
        rows.span(f"{param}$2", longitude, longitude)
        rows.group = 0


def _measured(rows: Rows, param: str, low: Bound, high: Bound, unit: Mapping[str, Any]) -> None:
    code, system, human = unit.get("code", ""), unit.get("system", ""), unit.get("unit", "")
    if code or not human:
        rows.span(param, low, high, code, system)
    if human and human != code:
        rows.span(param, low, high, human, "")
    if code and system == UCUM:
        first, last = _based(low, code), _based(high, code)
        found = first or last
        if found:
            least = first[0] if first else BEGINNING
            most = last[0] if last else END
            rows.span(f"{param}:ucum", min(least, most), max(least, most), found[1], UCUM)


def _based(value: Bound, code: str) -> tuple[float, str] | None:
    """`value` in UCUM's base units; None for an open end or a unit that UCUM does not know."""
    if value in (BEGINNING, END):
        return None
    if isinstance(value, float):
        # The exclusive end of a comparator: the next double, and so it stays in the base unit.
        found = _canonical(Decimal(repr(value)), code)
        return found
    return _canonical(Decimal(value), code)


@lru_cache(maxsize=8192)
def _canonical(value: Decimal, code: str) -> tuple[float, str] | None:
    found = ucum.canonical(value, code)
    return (as_float(found[0]), found[1]) if found else None


def _compared(value: Bound, comparator: str | None) -> tuple[Bound, Bound]:
    """The range a value stands for with its comparator: "<5" is all that is less than 5."""
    match comparator:
        case "<":
            return BEGINNING, math.nextafter(as_float(value), -math.inf)
        case "<=":
            return BEGINNING, value
        case ">":
            return math.nextafter(as_float(value), math.inf), END
        case ">=":
            return value, END
        case _:
            return value, value


def _sample(text: str) -> Decimal | None:
    # E (error), L (below) and U (above the detection limit) are not numbers.
    return parse(text) if text not in ("E", "L", "U") else None


DATES: Writers = {"date": date, "dateTime": date, "instant": date, "Period": between, "Timing": schedule}
NUMBERS: Writers = {
    "decimal": number,
    "integer": number,
    "positiveInt": number,
    "unsignedInt": number,
    "Range": extent,
    "Quantity": quantity,
}
QUANTITIES: Writers = {
    "Quantity": quantity,
    "SimpleQuantity": quantity,
    "MoneyQuantity": quantity,
    "Age": quantity,
    "Duration": quantity,
    "Distance": quantity,
    "Count": quantity,
    "Money": money,
    "Range": extent,
    "SampledData": samples,
    "decimal": number,
    "integer": number,
}
#: `near`, the one special parameter that has rows. A position is a BackboneElement.
PLACES: Writers = {"BackboneElement": place}
