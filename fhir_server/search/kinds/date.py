"""Date parameters: a date of any precision is an interval, and so is what it is compared with.

https://hl7.org/fhir/R4/search.html#date
"""

from __future__ import annotations

from fhir_server.fhir.dates import interval
from fhir_server.fhir.outcome import InvalidParameter
from fhir_server.search.kinds.ranges import Bounds, Rows, compare, prefixed
from fhir_server.search.kinds.reading import Asked, Modifier, Modifiers, Reading
from fhir_server.search.kinds.values import unescape
from fhir_server.store.filters import BEGINNING, END, Filter, Range


def _compared(asked: Asked, value: str) -> Filter:
    prefix, rest = prefixed(unescape(value))
    bounds = _bounds(prefix, rest, asked.reading)
    if asked.rows == "_lastUpdated":
        return _moment(prefix, bounds)
    return compare(prefix, Rows(asked.rows), bounds)


def overlapping(asked: Asked, value: str) -> Filter:
    """A period that has some instant in common with the period `value` (`po` of `_filter`)."""
    return compare("ap", Rows(asked.rows), _bounds("eq", value, asked.reading))


def _bounds(prefix: str, value: str, reading: Reading) -> Bounds:
    # A browser that leaves the + of +02:00 as it is sends a space.
    text = value.replace(" ", "+") if "T" in value else value
    try:
        low, high = interval(text, reading.zone)
    except ValueError as error:
        raise InvalidParameter(f"Not a date: {error}.") from None
    if prefix == "ap":
        # A tenth of the gap between now and the date, and never less than the date's own precision.
        slack = max(abs(reading.now - (low + high) // 2) // 10, 0)
        low, high = max(low - slack, BEGINNING + 1), min(high + slack, END - 1)
    return Bounds(low, high, low - 1, high + 1)


def _moment(prefix: str, asked: Bounds) -> Filter:
    """`prefix` on an instant without width, where each meaning is one range."""
    rows = Rows("_lastUpdated")
    match prefix:
        case "ge":
            return rows.within(low_from=asked.low)
        case "le":
            return rows.within(high_to=asked.high)
        case "gt" | "sa":
            return rows.within(low_from=asked.after)
        case "lt" | "eb":
            return rows.within(high_to=asked.before)
        case "ap":
            return Range("_lastUpdated", low_from=asked.low, high_to=asked.high)
        case _:
            return compare(prefix, rows, asked)


MODIFIERS: Modifiers = {"": Modifier(_compared)}
