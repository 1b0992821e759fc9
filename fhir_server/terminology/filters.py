"""The filters of a value set's include, each as a condition on a concept.

https://hl7.org/fhir/R4/valueset-filter-operator.html
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from fhir_server.fhir.fhirpath.errors import EvaluationError
from fhir_server.fhir.fhirpath.patterns import found as matches
from fhir_server.fhir.outcome import Invalid
from fhir_server.store.concepts import Above, Below, Carries, Condition, Has, Matches, Not


def conditions(filters: Any) -> tuple[Condition, ...]:
    """All of `ValueSet.compose.include.filter`.

    Raises:
        Invalid: a filter lacks a part, or has an operator R4 does not have.
    """
    if not isinstance(filters, list):
        raise Invalid("filter is an array.", _WHERE)
    return tuple(_condition(one) for one in filters)


def properties(filters: Any) -> set[str]:
    """The properties that filters speak of, those of the concept itself left out; what is no filter is passed over."""
    rows = [row for row in filters if isinstance(row, dict)] if isinstance(filters, list) else []
    return {row["property"] for row in rows if isinstance(row.get("property"), str)} - _OWN


#: What every concept has or may have: R4 codesystem.html#filters and codesystem-concept-properties.html.
_OWN = frozenset({"concept", "code", "display", "definition", "parent", "child", "inactive", "notSelectable", "status"})
_WHERE = "ValueSet.compose.include.filter"


def _condition(row: Any) -> Condition:
    parts = [row.get(name) if isinstance(row, dict) else None for name in ("property", "op", "value")]
    property, op, value = (part if isinstance(part, str) else "" for part in parts)
    if op in _LATER:
        raise Invalid(f"The operator {op} is of a later release than R4.", f"{_WHERE}.op", code="not-supported")
    make = _OPERATORS.get(op)
    if not property or not value or make is None:
        raise Invalid("A filter has a property, an operator of R4 and a value.", _WHERE)
    # R4 codesystem.html#filters: `concept` and `code` both name the concept itself.
    return make("code" if property == "concept" else property, value)


def _equal(property: str, value: str) -> Condition:
    # A boolean property that is not there says what false says.
    return Not(Has(property, ("true",))) if value == "false" else Has(property, (value,))


def _among(property: str, value: str) -> Condition:
    return Has(property, tuple(one.strip() for one in value.split(",") if one.strip()))


def _regex(property: str, value: str) -> Condition:
    pattern = f"^(?:{value})$"
    try:
        matches(pattern, "")
    except EvaluationError as error:
        raise Invalid(str(error), f"{_WHERE}.value") from error
    return Matches(property, partial(_tested, pattern))


def _tested(pattern: str, text: str) -> bool:
    try:
        return matches(pattern, text)
    except EvaluationError:
        return False


def _exists(property: str, value: str) -> Condition:
    return Carries(property) if value == "true" else Not(Carries(property))


#: Operators of R5 and later; each has another meaning there than any of R4 has.
_LATER = frozenset({"child-of", "descendent-leaf"})
#: Operator → the condition of a property and a value.
_OPERATORS: dict[str, Callable[[str, str], Condition]] = {
    "=": _equal,
    "is-a": lambda _, value: Below(value),
    "descendent-of": lambda _, value: Below(value, itself=False),
    "is-not-a": lambda _, value: Not(Below(value)),
    "generalizes": lambda _, value: Above(value),
    "regex": _regex,
    "in": _among,
    "not-in": lambda property, value: Not(_among(property, value)),
    "exists": _exists,
}
