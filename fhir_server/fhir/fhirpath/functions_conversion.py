"""Conversions: `toX()` gives the value as an X or nothing, `convertsToX()` says whether it would.

http://hl7.org/fhirpath/N1/#conversion
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from fhir_server.fhir import ucum
from fhir_server.fhir.fhirpath import temporal, values
from fhir_server.fhir.fhirpath.environment import Environment
from fhir_server.fhir.fhirpath.nodes import EMPTY, Node, made
from fhir_server.fhir.fhirpath.parser import CALENDAR
from fhir_server.fhir.fhirpath.quantities import Quantity, definite
from fhir_server.fhir.fhirpath.registry import function
from fhir_server.fhir.fhirpath.temporal import Date, DateTime, Temporal, Time

Nodes = list[Node]

_TRUE = frozenset({"true", "t", "yes", "y", "1", "1.0"})
_FALSE = frozenset({"false", "f", "no", "n", "0", "0.0"})
_INTEGER = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?\d{1,100}(\.\d{1,100})?", re.ASCII)
_QUANTITY = re.compile(r"(?P<value>[+-]?\d{1,100}(?:\.\d{1,100})?)\s*(?:'(?P<unit>[^']+)'|(?P<word>[a-z]+))?", re.ASCII)


def _to_boolean(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | Decimal):
        return bool(value) if value in (0, 1) else None
    word = value.lower() if isinstance(value, str) else ""
    return True if word in _TRUE else False if word in _FALSE else None


def _to_integer(value: Any) -> int | None:
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        number = int(value)
        return number if -(2**31) <= number < 2**31 else None
    return None


def _to_decimal(value: Any) -> Decimal | None:
    if isinstance(value, int | Decimal):
        return Decimal(value)
    return Decimal(value) if isinstance(value, str) and _DECIMAL.fullmatch(value) else None


def _to_date(value: Any) -> Date | None:
    if isinstance(value, Date | DateTime):
        return Date(value.parts[:3])
    return temporal.date(value) if isinstance(value, str) else None


def _to_datetime(value: Any) -> DateTime | None:
    if isinstance(value, Date):
        return DateTime(value.parts)
    if isinstance(value, DateTime):
        return value
    return temporal.datetime(value) if isinstance(value, str) else None


def _to_time(value: Any) -> Time | None:
    if isinstance(value, Time):
        return value
    return temporal.time(value.removeprefix("T")) if isinstance(value, str) else None


def to_string(value: Any) -> str | None:
    """A System value in words; None for a complex type."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value) if isinstance(value, int | str | Temporal | Quantity) else None


def _to_quantity(value: Any) -> Quantity | None:
    if isinstance(value, bool):
        return Quantity(Decimal("1.0" if value else "0.0"))
    if isinstance(value, int | Decimal):
        return Quantity(Decimal(value))
    if isinstance(value, Quantity):
        return value if value.ucum else None
    match = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    if match["word"]:
        unit = CALENDAR.get(match["word"])
        return None if unit is None else Quantity(Decimal(match["value"]), unit, True)
    return Quantity(Decimal(match["value"]), match["unit"] or "1")


def _in_unit(value: Quantity | None, unit: str | None) -> Quantity | None:
    """`value` in `unit`, None where it cannot be converted to it."""
    if value is None or unit is None or unit == value.unit:
        return value
    target = Quantity(Decimal(1), CALENDAR.get(unit, unit), unit in CALENDAR)
    found = ucum.converted(value.value, definite(value), definite(target))
    return None if found is None else Quantity(found, target.unit, target.calendar)


def _conversion(type: str, convert: Callable[[Any], Any]) -> None:
    @function(f"to{type}")
    def to(env: Environment, this: Nodes, nodes: Nodes) -> Nodes:
        node = values.single(nodes, f"to{type}()")
        found = None if node is None or node.system is None else convert(node.system)
        return EMPTY if found is None else [made(found)]

    @function(f"convertsTo{type}", logical=True)
    def converts(env: Environment, this: Nodes, nodes: Nodes) -> bool | None:
        node = values.single(nodes, f"convertsTo{type}()")
        return None if node is None else node.system is not None and convert(node.system) is not None


for _type, _convert in {
    "Boolean": _to_boolean,
    "Integer": _to_integer,
    "Decimal": _to_decimal,
    "Date": _to_date,
    "DateTime": _to_datetime,
    "Time": _to_time,
    "String": to_string,
}.items():
    _conversion(_type, _convert)


@function("toQuantity", "values", optional=1)
def _quantity(env: Environment, this: Nodes, nodes: Nodes, unit: Nodes = EMPTY) -> Nodes:
    node = values.single(nodes, "toQuantity()")
    wanted = values.scalar(unit, str, "toQuantity()")
    found = None if node is None else _in_unit(_to_quantity(node.system), wanted)
    return EMPTY if found is None else [made(found)]


@function("convertsToQuantity", "values", optional=1, logical=True)
def _converts_to_quantity(env: Environment, this: Nodes, nodes: Nodes, unit: Nodes = EMPTY) -> bool | None:
    return bool(_quantity(env, this, nodes, unit)) if nodes else None
