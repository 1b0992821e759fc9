"""A number as a search writes it: the range its digits imply, and the double that is indexed and compared.

https://hl7.org/fhir/R4/search.html#number
"""

from __future__ import annotations

import math
import re
import sys
from decimal import Decimal, localcontext

_number = re.compile(r"[+-]?(\d+)(\.\d+)?([eE][+-]?\d{1,4})?", re.ASCII).fullmatch
_LONGEST = 400
_GREATEST = sys.float_info.max


def parse(text: str) -> Decimal:
    """The number written in `text`, digits kept.

    Raises:
        ValueError: not a decimal, or one beyond any double (more than 400 digits or an exponent of 400).
    """
    if len(text) > _LONGEST or _number(text) is None:
        raise ValueError("not a number")
    number = Decimal(text)
    if number and not -_LONGEST < number.adjusted() < _LONGEST:
        raise ValueError("a number out of range")
    return number


def implicit_range(text: str) -> tuple[float, float]:
    """The numbers that `text` equals at the precision it is written with: 100 is [99.5, 100.5).

    Both ends are inside what is returned: the upper one is the last double below the excluded one, or the number's own.
    A search for 1e2 means [95, 105) in the specification's own table, so a whole mantissa with an exponent counts as
    having one decimal.

    Raises:
        ValueError: not a number.
    """
    number = parse(text)
    mantissa, _, exponent = text.lower().partition("e")
    decimals = len(mantissa.partition(".")[2]) or int(exponent != "")
    with localcontext() as precise:
        precise.prec = 2 * _LONGEST + 10
        half = Decimal(5).scaleb(int(exponent or 0) - decimals - 1)
        low, high = number - half, number + half
    # Of more digits than a double has, the bounds may be the number's own double: it is inside all the same.
    return as_float(low), max(math.nextafter(as_float(high), -math.inf), as_float(number))


def as_float(number: Decimal | int | float) -> float:
    """`number` as the nearest double; one too large for a double is the greatest there is, with its sign.

    Rounding keeps order, so a comparison of doubles never contradicts the decimals they stand for.
    """
    try:
        found = float(number)
    except OverflowError:
        return _GREATEST if number > 0 else -_GREATEST
    return found if -_GREATEST <= found <= _GREATEST else math.copysign(_GREATEST, found)
