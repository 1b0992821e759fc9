"""Quantities: a number with a UCUM unit or a calendar word, compared and calculated with by what the units mean.

http://hl7.org/fhirpath/N1/#quantity, https://hl7.org/fhir/R4/fhirpath.html#quantity
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from fhir_server.fhir import ucum
from fhir_server.fhir.fhirpath import units

UCUM = "http://unitsofmeasure.org"
#: Calendar word → the UCUM unit it is exactly. A year or a month is no fixed number of seconds, so it has none.
DEFINITE = {"week": "wk", "day": "d", "hour": "h", "minute": "min", "second": "s", "millisecond": "ms"}
#: Calendar word → the UCUM unit it is about, for equivalence.
ABOUT = {"year": "a", "month": "mo", **DEFINITE}
_CALENDAR_OF = {unit: word for word, unit in DEFINITE.items()}
#: UCUM code of a FHIR Quantity → the calendar word it is read as.
_CALENDAR_IN_FHIR = {"a": "year", "mo": "month", "d": "day", "h": "hour", "min": "minute", "s": "second"}
#: How many days a year or month is where no date says which one (http://hl7.org/fhirpath/N1/#equals).
_DAYS = {"year": 365, "month": 30}


@dataclass(frozen=True, slots=True)
class Quantity:
    """A System.Quantity. `unit` is a UCUM code, a calendar word when `calendar`, or `system|code` of another system.

    A FHIR quantity of another system, or of a unit in words alone (`|tablet`), can be compared with its like only.
    """

    value: Decimal
    unit: str = "1"
    calendar: bool = False

    def __str__(self) -> str:
        return f"{self.value:f} {self.unit}" if self.calendar else f"{self.value:f} '{self.unit}'"

    @property
    def ucum(self) -> bool:
        """Whether the language knows its unit."""
        return "|" not in self.unit

    def as_fhir(self) -> dict[str, Any]:
        """As a FHIR Quantity."""
        code = ABOUT[self.unit] if self.calendar else self.unit
        system, bar, name = self.unit.rpartition("|")
        if bar:
            return {"value": self.value, **({"system": system, "code": name} if system else {"unit": name})}
        return {"value": self.value, "unit": self.unit, "system": UCUM, "code": code}


def from_fhir(value: Any) -> Any:
    """What a FHIR Quantity is to an operator; None when it has no number or carries a comparator.

    https://hl7.org/fhir/R4/fhirpath.html#quantity: the code has to be UCUM's, and durations are those of a calendar.
    """
    if value.__class__ is not dict or "comparator" in value:
        return None
    number = value.get("value")
    if number.__class__ is int:
        number = Decimal(number)
    if not isinstance(number, Decimal):
        return None
    code, system = value.get("code"), value.get("system")
    if not isinstance(code, str):
        name = value.get("unit")
        return Quantity(number, f"|{name}" if isinstance(name, str) else "1")
    if system != UCUM:
        return Quantity(number, f"{system or ''}|{code}")
    word = _CALENDAR_IN_FHIR.get(code)
    return Quantity(number, code if word is None else word, word is not None)


def compare(left: Quantity, right: Quantity) -> int | None:
    """-1, 0 or 1; None where the units cannot be compared."""
    pair = _alike(left, right, DEFINITE)
    return None if pair is None else (pair[0] > pair[1]) - (pair[0] < pair[1])


def equivalent(left: Quantity, right: Quantity) -> bool:
    """Equal in the precision of the less precise of the two."""
    pair = _alike(left, right, ABOUT)
    if pair is None:
        return False
    # The scale is that of the numbers as written; the comparison is made in the unit of the less precise.
    base, other = (left, right) if scale(left.value) <= scale(right.value) else (right, left)
    ratio = _alike(
        Quantity(Decimal(1), base.unit, base.calendar), Quantity(Decimal(0), other.unit, other.calendar), ABOUT
    )
    converted = pair[1 if base is left else 0]
    if ratio is not None and ratio[0] and not _special(base):
        converted = converted / ratio[0]
        digits = scale(base.value)
        return round(converted, digits) == round(base.value, digits)
    return pair[0] == pair[1]


def plus(left: Quantity, right: Quantity, sign: int) -> Quantity | None:
    """Sum (or difference, `sign` -1) in the finer of the two units; None where they do not go together.

    http://hl7.org/fhirpath/N1/#math: `3 'm' + 3 'cm'` is `303 'cm'`.
    """
    if (left.unit, left.calendar) == (right.unit, right.calendar):
        return Quantity(left.value + sign * right.value, left.unit, left.calendar)
    ones = _alike(_one(left), _one(right), DEFINITE)
    if ones is None or _special(left) or _special(right):
        return None
    finer, step = (left, ones[0]) if ones[0] <= ones[1] else (right, ones[1])
    total = left.value * ones[0] / step + sign * right.value * ones[1] / step
    return Quantity(total, finer.unit, finer.calendar)


def times(left: Quantity, right: Quantity) -> Quantity:
    """Product; its unit is the product of the units."""
    if right.unit == "1" or left.unit == "1":
        other = left if right.unit == "1" else right
        return Quantity(left.value * right.value, other.unit, other.calendar)
    return Quantity(left.value * right.value, units.product(definite(left), definite(right), 1))


def over(left: Quantity, right: Quantity) -> Quantity | None:
    """Quotient; None when dividing by zero."""
    if not right.value:
        return None
    value = left.value / right.value
    if right.unit == "1":
        return Quantity(value, left.unit, left.calendar)
    return Quantity(value, units.product(definite(left), definite(right), -1))


def definite(quantity: Quantity) -> str:
    """The UCUM code of its unit, calendar words read as the durations they are about."""
    return ABOUT.get(quantity.unit, quantity.unit) if quantity.calendar else quantity.unit


def key(quantity: Quantity) -> tuple[Decimal, str]:
    """Equal for equal quantities, for sets."""
    if quantity.calendar and quantity.unit not in DEFINITE:
        return quantity.value * (12 if quantity.unit == "year" else 1), "month"
    return ucum.canonical(quantity.value, definite(quantity)) or (quantity.value, quantity.unit)


def scale(value: Decimal) -> int:
    """Digits after the point, trailing zeros left out."""
    return max(0, -int(value.normalize().as_tuple().exponent))


def _special(quantity: Quantity) -> bool:
    zero = ucum.canonical(Decimal(0), definite(quantity))
    return zero is not None and zero[0] != 0


def _one(quantity: Quantity) -> Quantity:
    return Quantity(Decimal(1), quantity.unit, quantity.calendar)


def _days(quantity: Quantity) -> Quantity:
    days = _DAYS.get(quantity.unit)
    return quantity if days is None else Quantity(quantity.value * days, "day", True)


def _alike(left: Quantity, right: Quantity, words: dict[str, str]) -> tuple[Decimal, Decimal] | None:
    """The two numbers in one unit."""
    if left.unit == right.unit and left.calendar == right.calendar:
        return left.value, right.value
    if left.calendar and right.calendar and {left.unit, right.unit} == {"year", "month"}:
        return left.value * (12 if left.unit == "year" else 1), right.value * (12 if right.unit == "year" else 1)
    if left.calendar and right.calendar:
        left, right = _days(left), _days(right)
    codes = [words.get(q.unit) if q.calendar else q.unit for q in (left, right)]
    if codes[0] is None or codes[1] is None:
        return None
    first, second = ucum.canonical(left.value, codes[0]), ucum.canonical(right.value, codes[1])
    if first is None or second is None or first[1] != second[1]:
        return None
    return first[0], second[0]


def calendar_word(quantity: Quantity) -> str | None:
    """The word of a duration that can be added to a date; None when it is not one (`'a'` and `'mo'` are not)."""
    if quantity.calendar:
        return quantity.unit
    word = quantity.unit.removesuffix("s") if len(quantity.unit) > 3 else quantity.unit
    return word if word in ABOUT else _CALENDAR_OF.get(quantity.unit)
