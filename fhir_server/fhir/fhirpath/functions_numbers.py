"""Mathematics, and the precision of numbers, dates and times.

http://hl7.org/fhirpath/N1/#math; the boundaries come from FHIRPath 2.1 (https://hl7.org/fhirpath/#lowboundary).
"""

from __future__ import annotations

import decimal
from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Any

from fhir_server.fhir import ucum
from fhir_server.fhir.fhirpath import boundaries, quantities, values
from fhir_server.fhir.fhirpath.environment import Environment
from fhir_server.fhir.fhirpath.errors import EvaluationError
from fhir_server.fhir.fhirpath.nodes import EMPTY, Node, made
from fhir_server.fhir.fhirpath.quantities import Quantity
from fhir_server.fhir.fhirpath.registry import function
from fhir_server.fhir.fhirpath.temporal import Temporal

Nodes = list[Node]
_NUMBER = (int, Decimal)
_EXACT = decimal.Context(prec=34)
_ROUNDED = decimal.Context(prec=28)
_WIDE = decimal.Context(prec=800)


def number(value: int | Decimal | None) -> Nodes:
    """A number as a collection: empty where it is beyond what the language holds (N1: overflow is empty)."""
    if value is None:
        return EMPTY
    if isinstance(value, int):
        return [made(value)] if -(2**31) <= value < 2**31 else EMPTY
    return [made(value)] if value.is_finite() and abs(value.adjusted()) < 400 else EMPTY


def _maps(name: str, change: Callable[[Any], Any], *, quantity: bool = False) -> None:
    @function(name)
    def call(env: Environment, this: Nodes, nodes: Nodes) -> Nodes:
        value = values.scalar(nodes, (*_NUMBER, Quantity) if quantity else _NUMBER, f"{name}()")
        if isinstance(value, Quantity):
            return [made(Quantity(change(value.value), value.unit, value.calendar))]
        return _safely(lambda: change(value)) if value is not None else EMPTY


def _safely(calculate: Callable[[], Any]) -> Nodes:
    try:
        return number(calculate())
    except (decimal.DecimalException, OverflowError, ValueError, ZeroDivisionError):
        return EMPTY


_maps("abs", abs, quantity=True)
_maps("ceiling", lambda value: int(Decimal(value).to_integral_value(ROUND_CEILING)))
_maps("floor", lambda value: int(Decimal(value).to_integral_value(ROUND_FLOOR)))
_maps("truncate", int)
_maps("exp", lambda value: Decimal(value).exp(_EXACT))
_maps("ln", lambda value: Decimal(value).ln(_EXACT) if value > 0 else None)
_maps("sqrt", lambda value: Decimal(value).sqrt(_EXACT) if value >= 0 else None)


@function("round", "values", optional=1)
def _round(env: Environment, this: Nodes, nodes: Nodes, precision: Nodes | None = None) -> Nodes:
    value = values.scalar(nodes, _NUMBER, "round()")
    digits = 0 if precision is None else values.scalar(precision, int, "round()")
    if value is None or digits is None:
        return EMPTY
    if digits < 0:
        raise EvaluationError("round() takes a precision of zero or more.")
    return _safely(lambda: Decimal(value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP, _WIDE))


@function("log", "values")
def _log(env: Environment, this: Nodes, nodes: Nodes, base: Nodes) -> Nodes:
    value, of = values.scalar(nodes, _NUMBER, "log()"), values.scalar(base, _NUMBER, "log()")
    if value is None or of is None or value <= 0 or of <= 0:
        return EMPTY
    # Rounded by a few digits so that the logarithm of a power is whole.
    return _safely(lambda: _EXACT.divide(Decimal(value).ln(_EXACT), Decimal(of).ln(_EXACT)).normalize(_ROUNDED))


@function("power", "values")
def _power(env: Environment, this: Nodes, nodes: Nodes, exponent: Nodes) -> Nodes:
    value, by = values.scalar(nodes, _NUMBER, "power()"), values.scalar(exponent, _NUMBER, "power()")
    if value is None or by is None or (value < 0 and by != int(by)):
        return EMPTY
    if not by:
        return [made(value.__class__(1))]
    if isinstance(value, int) and isinstance(by, int) and by >= 0:
        return _safely(lambda: int(_EXACT.power(Decimal(value), by)) if by * value.bit_length() < 20_000 else None)
    return _safely(lambda: _EXACT.power(Decimal(value), Decimal(by)))


@function("precision")
def _precision(env: Environment, this: Nodes, nodes: Nodes) -> Nodes:
    value = values.scalar(nodes, (*_NUMBER, Temporal), "precision()")
    return EMPTY if value is None else [made(boundaries.precision(value))]


@function("lowBoundary", "values", optional=1)
def _low(env: Environment, this: Nodes, nodes: Nodes, precision: Nodes | None = None) -> Nodes:
    return _boundary(nodes, precision, low=True)


@function("highBoundary", "values", optional=1)
def _high(env: Environment, this: Nodes, nodes: Nodes, precision: Nodes | None = None) -> Nodes:
    return _boundary(nodes, precision, low=False)


def _boundary(nodes: Nodes, precision: Nodes | None, low: bool) -> Nodes:
    value = values.scalar(nodes, (*_NUMBER, Temporal, Quantity), "a boundary")
    digits = None if precision is None else values.scalar(precision, int, "a boundary")
    if value is None:
        return EMPTY
    found = boundaries.boundary(value, digits, low)
    return EMPTY if found is None else [made(found)]


@function("comparable", "values", logical=True)
def _comparable(env: Environment, this: Nodes, nodes: Nodes, other: Nodes) -> bool | None:
    left, right = values.scalar(nodes, Quantity, "comparable()"), values.scalar(other, Quantity, "comparable()")
    if left is None or right is None:
        return None
    return ucum.comparable(quantities.definite(left), quantities.definite(right))
