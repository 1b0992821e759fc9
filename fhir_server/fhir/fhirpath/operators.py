"""Arithmetic, concatenation and membership.

http://hl7.org/fhirpath/N1/#math-1, #datetime-arithmetic, #collections-2. Overflow and division by zero are empty.
"""

from __future__ import annotations

import decimal
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from fhir_server.fhir.fhirpath import quantities, temporal, values
from fhir_server.fhir.fhirpath.environment import Environment
from fhir_server.fhir.fhirpath.errors import EvaluationError
from fhir_server.fhir.fhirpath.functions_numbers import number
from fhir_server.fhir.fhirpath.functions_strings import bounded
from fhir_server.fhir.fhirpath.nodes import EMPTY, Node, made
from fhir_server.fhir.fhirpath.quantities import Quantity
from fhir_server.fhir.fhirpath.temporal import Temporal

Nodes = list[Node]
_NUMBER = (int, Decimal)


def calculate(env: Environment, operator: str, left: Nodes, right: Nodes) -> Nodes:
    """`left operator right` for one of `+ - * / div mod`.

    Raises:
        EvaluationError: several items, or types the operator does not join.
    """
    a, b = (_operand(nodes, operator) for nodes in (left, right))
    if a is None or b is None:
        return EMPTY
    if isinstance(a, _NUMBER) and isinstance(b, _NUMBER):
        try:
            return number(_ARITHMETIC[operator](a, b))
        except (decimal.DecimalException, OverflowError):
            return EMPTY
    if isinstance(a, str) and isinstance(b, str) and operator == "+":
        return bounded(env, a + b)
    if isinstance(a, Temporal) and isinstance(b, Quantity) and operator in "+-":
        return _moved(a, b, operator)
    return _measured(operator, a, b)


def negated(nodes: Nodes) -> Nodes:
    """The unary `-`: a number or quantity with its sign turned; empty of nothing."""
    value = values.scalar(nodes, (*_NUMBER, Quantity), "-")
    if value is None:
        return EMPTY
    if isinstance(value, Quantity):
        return [made(Quantity(-value.value, value.unit, value.calendar))]
    return number(-value)


def concatenated(env: Environment, parts: list[Nodes]) -> Nodes:
    """`a & b & c`: an empty part is an empty string."""
    found = [values.scalar(nodes, str, "&") for nodes in parts]
    return bounded(env, "".join(text for text in found if text is not None))


def contains(env: Environment, collection: Nodes, item: Nodes, operator: str) -> bool | None:
    """`collection contains item`, and `in` the other way round."""
    node = values.single(item, operator)
    if node is None:
        return None
    if len(collection) > 50:
        return values.key(node) in set(map(values.key, env.found(collection)))
    return any(values.equal(node, other) is True for other in collection)


def _operand(nodes: Nodes, operator: str) -> Any:
    value = values.scalar(nodes, (*_NUMBER, str, Quantity, Temporal), operator)
    if value.__class__ is bool:
        raise EvaluationError(f"{operator} cannot take a boolean.")
    return value


def _divided(a: int | Decimal, b: int | Decimal) -> Decimal | None:
    return Decimal(a) / Decimal(b) if b else None


def _whole(a: int | Decimal, b: int | Decimal) -> int | None:
    if not b:
        return None
    quotient = Decimal(a) / Decimal(b)
    return int(quotient) if abs(quotient.adjusted()) < 30 else None


def _rest(a: int | Decimal, b: int | Decimal) -> int | Decimal | None:
    if not b:
        return None
    rest = Decimal(a) % Decimal(b)
    return int(rest) if isinstance(a, int) and isinstance(b, int) else rest


_ARITHMETIC: dict[str, Callable[[Any, Any], int | Decimal | None]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _divided,
    "div": _whole,
    "mod": _rest,
}


#: Units of a duration that a time of day can be moved by (http://hl7.org/fhirpath/N1/#addition-1).
_OF_DAY = frozenset({"hour", "minute", "second", "millisecond"})


def _moved(value: Temporal, duration: Quantity, operator: str) -> Nodes:
    word = quantities.calendar_word(duration)
    if word is None:
        raise EvaluationError("Only a duration in calendar words, or of a week or less, can be added to a date.")
    if value.first and word not in _OF_DAY:
        raise EvaluationError("To a time of day, only hours, minutes, seconds and milliseconds can be added.")
    found = temporal.plus(value, duration.value if operator == "+" else -duration.value, word)
    return EMPTY if found is None else [made(found)]


def _measured(operator: str, a: Any, b: Any) -> Nodes:
    left, right = (Quantity(Decimal(value)) if isinstance(value, _NUMBER) else value for value in (a, b))
    calculate = _QUANTITIES.get(operator)
    if calculate is None or not isinstance(left, Quantity) or not isinstance(right, Quantity):
        raise EvaluationError(f"{operator} does not join these types.")
    try:
        found = calculate(left, right)
    except decimal.DecimalException:
        return EMPTY
    return EMPTY if found is None else [made(found)]


_QUANTITIES: dict[str, Callable[[Quantity, Quantity], Quantity | None]] = {
    "+": lambda a, b: quantities.plus(a, b, 1),
    "-": lambda a, b: quantities.plus(a, b, -1),
    "*": quantities.times,
    "/": quantities.over,
}
