"""The least and greatest value that one written to some precision may stand for.

https://hl7.org/fhirpath/#lowboundaryprecision-integer-decimal--date--datetime--time (FHIRPath 2.1)
"""

from __future__ import annotations

from calendar import monthrange
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

from fhir_server.fhir.fhirpath.quantities import Quantity
from fhir_server.fhir.fhirpath.temporal import Date, DateTime, Part, Temporal, Time

Value = int | Decimal | Quantity | Temporal
#: Digits of a precision → parts it covers.
_DATES = {4: 1, 6: 2, 8: 3, 10: 4, 12: 5, 14: 6, 17: 6}
_TIMES = {2: 1, 4: 2, 6: 3, 9: 3}
_WIDE = Context(prec=800)


def precision(value: int | Decimal | Temporal) -> int:
    """Digits after the point of a number; digits written of a date or time."""
    if isinstance(value, int):
        return 0
    if isinstance(value, Decimal):
        return max(0, -int(value.as_tuple().exponent))
    return sum(character.isdigit() for character in str(type(value)(value.parts)))


def boundary(value: Value, digits: int | None, low: bool) -> Value | None:
    """The lowest (or highest) value `value` may stand for, to `digits`; None where that precision does not exist."""
    if isinstance(value, Quantity):
        number = _number(value.value, digits, low)
        return None if number is None else Quantity(number, value.unit, value.calendar)
    if isinstance(value, Temporal):
        return _temporal(value, digits, low)
    return _number(Decimal(value), digits, low)


def _number(value: Decimal, digits: int | None, low: bool) -> Decimal | None:
    digits = 8 if digits is None else digits
    if not 0 <= digits <= 31:
        return None
    written = max(0, -int(value.as_tuple().exponent))
    edge = value + Decimal(5).scaleb(-written - 1) * (-1 if low else 1)
    unit = Decimal(1).scaleb(-digits)
    if 0 < digits < written and abs(edge) < unit:
        # What is less than one step of the precision asked for has no digits in it.
        return Decimal(0).quantize(unit)
    return edge.quantize(unit, ROUND_FLOOR if low else ROUND_CEILING, _WIDE)


def _temporal(value: Temporal, digits: int | None, low: bool) -> Temporal | None:
    if isinstance(value, Time):
        count = _TIMES.get(9 if digits is None else digits)
        return None if count is None else Time(_clock(value.parts, low)[:count])
    digits = (8 if isinstance(value, Date) else 17) if digits is None else digits
    count = _DATES.get(digits)
    if count is None:
        return None
    date = _date(value.parts[:3], low)
    if count < 4:
        return (DateTime if isinstance(value, DateTime) else Date)(date[:count])
    zone = value.zone if value.zone is not None else (14 if low else -12) * 60
    return DateTime((*date, *_clock(value.parts[3:], low))[:count], zone)


def _date(parts: tuple[Part, ...], low: bool) -> tuple[Part, ...]:
    year = int(parts[0])
    month = int(parts[1]) if len(parts) > 1 else 1 if low else 12
    day = int(parts[2]) if len(parts) > 2 else 1 if low else monthrange(year, month)[1]
    return (year, month, day)


def _clock(parts: tuple[Part, ...], low: bool) -> tuple[Part, ...]:
    hour = parts[0] if parts else 0 if low else 23
    # An hour alone is read as its first minute: R4 has no dateTime that ends with the hour.
    minute = parts[1] if len(parts) > 1 else 0 if low or parts else 59
    if len(parts) < 3:
        return (hour, minute, Decimal("0.000" if low else "59.999"))
    second = Decimal(parts[2])
    if second == second.to_integral_value() and int(second.as_tuple().exponent) == 0:
        second += Decimal("0.000" if low else "0.999")
    return (hour, minute, second)
