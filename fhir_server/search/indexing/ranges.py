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
from fhir_server.fhir.dates import interval, moment, period, timing
from fhir_server.fhir.numbers import as_float, parse
from fhir_server.search.indexing.rows import Rows, System, Writers
from fhir_server.search.parameters.codes import CURRENCIES, UCUM
from fhir_server.store.filters import BEGINNING, END

#: Values of a SampledData that are looked at; the rest adds nothing but time.
_MOST_SAMPLES = 100_000

Number = Decimal | int | float


def date(rows: Rows, param: str, value: Any, _: System = "") -> None:
    """The interval that a partial date or a dateTime stands for."""
    rows.interval(param, *interval(value, rows.zone))


def instant(rows: Rows, param: str, value: Any, _: System = "") -> None:
    """The point in time that an instant is: R4 search.html#date gives it no width."""
    point = moment(value)
    rows.interval(param, point, point)


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
    point = as_float(value)
    rows.span(param, point, point)


def quantity(rows: Rows, param: str, value: Any, _: System = "") -> None:
    """A Quantity in its unit as coded, as people read it, and in UCUM's base units."""
    found = value.get("value")
    if found is not None:
        _measured(rows, param, found, found, value, value.get("comparator", ""))


def money(rows: Rows, param: str, value: Any, _: System = "") -> None:
    """The amount, its currency being the unit."""
    found = value.get("value")
    if found is not None:
        currency, point = value.get("currency", ""), as_float(found)
        rows.span(param, point, point, currency, CURRENCIES if currency else "")


def extent(rows: Rows, param: str, value: Any, _: System = "") -> None:
    """A Range; a bound that is not said is open."""
    low, high = value.get("low") or {}, value.get("high") or {}
    least, most = low.get("value"), high.get("value")
    if least is not None or most is not None:
        _measured(rows, param, least, most, high if least is None else low)


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
        north, east = as_float(latitude), as_float(longitude)
        rows.groups += 1
        rows.group = rows.groups
        rows.span(param, north, north)
        rows.span(f"{param}$2", east, east)
        rows.group = 0


def _measured(
    rows: Rows, param: str, low: Number | None, high: Number | None, unit: Mapping[str, Any], comparator: str = ""
) -> None:
    code, system, human = unit.get("code", ""), unit.get("system", ""), unit.get("unit", "")
    first = BEGINNING if low is None else as_float(low)
    last = first if high is low else END if high is None else as_float(high)
    if code or not human:
        rows.span(param, *_opened(first, last, comparator), code, system)
    if human and human != code:
        rows.span(param, *_opened(first, last, comparator), human)
    if code and system == UCUM:
        _based(rows, f"{param}:ucum", low, high, code, comparator)


def _based(rows: Rows, param: str, low: Number | None, high: Number | None, code: str, comparator: str) -> None:
    """The row in UCUM's base units, where UCUM knows the unit."""
    least = None if low is None else _canonical(low, code)
    most = least if high is low else None if high is None else _canonical(high, code)
    found = least or most
    if found:
        first, last = least[0] if least else BEGINNING, most[0] if most else END
        rows.span(param, *_opened(first, last, comparator), found[1], UCUM)


@lru_cache(maxsize=8192)
def _canonical(value: Number, code: str) -> tuple[float, str] | None:
    found = ucum.canonical(Decimal(value), code)
    return (as_float(found[0]), found[1]) if found else None


def _opened(low: float, high: float, comparator: str) -> tuple[float, float]:
    """The range that a value stands for with its comparator: "<5" is all that is less than 5."""
    match comparator:
        case "":
            return low, high
        case "<":
            return BEGINNING, math.nextafter(high, -math.inf)
        case "<=":
            return BEGINNING, high
        case ">":
            return math.nextafter(low, math.inf), END
        case ">=":
            return low, END
        case _:
            return low, high


def _sample(text: str) -> Decimal | None:
    # E (error), L (below) and U (above the detection limit) are not numbers.
    return parse(text) if text not in ("E", "L", "U") else None


DATES: Writers = {"date": date, "dateTime": date, "instant": instant, "Period": between, "Timing": schedule}
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
#: `near`, the one special parameter that has rows. A backbone element is also named by its path.
PLACES: Writers = {"BackboneElement": place, "Location.position": place}
