"""Number parameters: with the precision the number is written with for eq, ne and ap, exactly for the other prefixes.

https://hl7.org/fhir/R4/search.html#number
"""

from __future__ import annotations

import math
from decimal import Decimal

from fhir_server.fhir.numbers import as_float, implicit_range, parse
from fhir_server.fhir.outcome import InvalidParameter
from fhir_server.search.kinds.ranges import Bounds, Rows, compare, prefixed
from fhir_server.search.kinds.reading import Asked, Modifier, Modifiers
from fhir_server.search.kinds.values import unescape
from fhir_server.store.filters import Filter

#: Prefixes that look at the digits a number is written with.
BY_PRECISION = frozenset({"eq", "ne", "ap"})


def _compared(asked: Asked, value: str) -> Filter:
    prefix, rest = prefixed(unescape(value))
    return compared(prefix, Rows(asked.rows), bounds(prefix, rest))


def compared(prefix: str, rows: Rows, asked: Bounds) -> Filter:
    """The rows that `prefix` means. A number asked exactly has no width, so ge and le are one comparison each."""
    match prefix:
        case "ge":
            return rows.within(high_from=asked.low)
        case "le":
            return rows.within(low_to=asked.high)
        case _:
            return compare(prefix, rows, asked)


def bounds(prefix: str, text: str) -> Bounds:
    """The range that `prefix` compares with.

    Raises:
        InvalidParameter: `text` is not a number, or beyond any double.
    """
    number = read(text)
    low, high = implicit_range(text) if prefix in BY_PRECISION else (as_float(number),) * 2
    if prefix == "ap":
        # Ten per cent of the stated value.
        slack = abs(number) / 10
        low, high = min(low, as_float(number - slack)), max(high, as_float(number + slack))
    return between(low, high)


def between(low: float, high: float) -> Bounds:
    """The bounds of two doubles, both inside."""
    return Bounds(low, high, math.nextafter(low, -math.inf), math.nextafter(high, math.inf))


def read(text: str) -> Decimal:
    """The number in `text`.

    Raises:
        InvalidParameter: not a number, or beyond any double.
    """
    try:
        return parse(text)
    except ValueError as error:
        raise InvalidParameter(f"Not a number: {error}.") from None


MODIFIERS: Modifiers = {"": Modifier(_compared)}
