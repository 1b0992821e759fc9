"""The eleven operators of an assertion.

https://hl7.org/fhir/R4/valueset-assert-operator-codes.html. Where a path selects several values, an operator holds when
it holds for one of them, and its negation when it holds for none; `equals` also compares two lists item by item.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from fhir_server.conformance.sources import Unusable
from fhir_server.fhir.dates import interval

Test = Callable[[Sequence[str], Sequence[str]], bool]
_UTC = ZoneInfo("UTC")


def holds(operator: str, actual: Sequence[str], expected: Sequence[str]) -> bool:
    """Whether `actual` stands in that relation to `expected`.

    Args:
        operator: a code of the value set but `eval`, which compares nothing.
        actual: what was found, as text.
        expected: what it is compared to; empty only for `empty` and `notEmpty`.

    Raises:
        Unusable: the operator compares, and there is nothing to compare with, or no order between the two.
    """
    if operator in ("empty", "notEmpty"):
        return any(actual) == (operator == "notEmpty")
    if not expected:
        raise Unusable(f"The operator {operator} has nothing to compare with.")
    positive = _NEGATIONS.get(operator, operator)
    return _TESTS[positive](actual, expected) == (positive == operator)


def _equals(actual: Sequence[str], expected: Sequence[str]) -> bool:
    if len(expected) > 1:
        return len(actual) == len(expected) and all(_same(a, e) for a, e in zip(actual, expected, strict=True))
    return any(_same(value, expected[0]) for value in actual)


def _in(actual: Sequence[str], expected: Sequence[str]) -> bool:
    wanted = [one.strip() for value in expected for one in value.split(",")]
    return any(_same(value, one) for value in actual for one in wanted)


def _contains(actual: Sequence[str], expected: Sequence[str]) -> bool:
    return any(expected[0] in value for value in actual)


def _greater(actual: Sequence[str], expected: Sequence[str]) -> bool:
    return any(_order(value, expected[0]) > 0 for value in actual)


def _less(actual: Sequence[str], expected: Sequence[str]) -> bool:
    return any(_order(value, expected[0]) < 0 for value in actual)


_TESTS: dict[str, Test] = {
    "equals": _equals,
    "in": _in,
    "contains": _contains,
    "greaterThan": _greater,
    "lessThan": _less,
}
_NEGATIONS = {"notEquals": "equals", "notIn": "in", "notContains": "contains"}


def _same(one: str, other: str) -> bool:
    return one == other


def _order(one: str, other: str) -> int:
    """Below, at or above 0 as `one` is less than, equal to or greater than `other`, as numbers or as dates."""
    try:
        number, limit = Decimal(one), Decimal(other)
        return (number > limit) - (number < limit)
    except InvalidOperation:
        pass
    try:
        (low, high), (first, last) = interval(one, _UTC), interval(other, _UTC)
    except ValueError:
        raise Unusable(f"{one!r} and {other!r} have no order: not two numbers or two dates.") from None
    return (low > last) - (high < first)
