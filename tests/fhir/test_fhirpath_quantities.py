"""Quantities: their units in sums and products, durations of a calendar, and what a FHIR Quantity is to the language.

http://hl7.org/fhirpath/N1/#quantity, https://hl7.org/fhir/R4/fhirpath.html#quantity
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fhir_server.fhir import ucum
from fhir_server.fhir.fhirpath import units
from fhir_server.fhir.fhirpath.errors import EvaluationError
from fhir_server.fhir.fhirpath.expression import compile
from fhir_server.fhir.fhirpath.functions_conversion import to_string

UCUM = "http://unitsofmeasure.org"
TRUE, FALSE, EMPTY = ["true"], ["false"], []


def answer(expression: str, **quantity: Any) -> list[str | None]:
    """What `expression` says of an Observation with this `valueQuantity`."""
    tree = {"resourceType": "Observation", **({"valueQuantity": quantity} if quantity else {})}
    return [to_string(node.system) for node in compile(expression).values(tree)]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("3 'm' + 3 'cm'", ["303 'cm'"]),
        ("3 'cm' + 3 'm'", ["303 'cm'"]),
        ("3 'm' - 3 'cm'", ["297 'cm'"]),
        ("1 day + 1 hour", ["25 hour"]),
        ("1 year + 1 month", ["13 month"]),
        ("37 'Cel' + 1 'K'", EMPTY),
        ("1 'm' + 1 'g'", EMPTY),
        ("12 'cm' * 3 'cm'", ["36 'cm2'"]),
        ("3 'cm' * 12 'cm2'", ["36 'cm3'"]),
        ("12 'cm2' / 3 'cm'", ["4 'cm'"]),
        ("6 'm' / 2 's'", ["3 'm/s'"]),
        ("6 'm' / 2 'm'", ["3 '1'"]),
        ("6 / 2 's'", ["3 '/s'"]),
        ("6 'mm[Hg]' * 2 'm/s2'", ["12 'mm[Hg].m/s2'"]),
    ],
)
def test_a_result_has_the_finer_or_the_resulting_unit(expression: str, expected: list[str]) -> None:
    # http://hl7.org/fhirpath/N1/#math
    assert answer(expression) == expected


@pytest.mark.parametrize(
    ("left", "right", "power", "code"),
    [
        ("m", "m", 1, "m2"),
        ("m2", "m", -1, "m"),
        ("m/s", "s", 1, "m"),
        ("m", "s2", -1, "m/s2"),
        ("/s", "m", 1, "m/s"),
        ("10*3", "m", 1, "10*3.m"),
        ("mg", "dL{total}", -1, "(mg)/(dL{total})"),
        ("1", "m", -1, "/m"),
        ("s", "s", -1, "1"),
    ],
)
def test_a_product_of_units_is_a_unit_of_ucum(left: str, right: str, power: int, code: str) -> None:
    made = units.product(left, right, power)
    assert made == code
    assert ucum.is_valid(made)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 year = 365 days", TRUE),
        ("1 month = 30 days", TRUE),
        ("1 year = 12 months", TRUE),
        ("1 year > 364 days", TRUE),
        ("1 year = 1 'a'", EMPTY),
        ("1 year ~ 1 'a'", TRUE),
        ("1 month ~ 1 'mo'", TRUE),
        ("1 second = 1 's'", TRUE),
    ],
)
def test_a_year_without_a_date_has_365_days_and_a_month_30(expression: str, expected: list[str]) -> None:
    # http://hl7.org/fhirpath/N1/#equals
    assert answer(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("98.6 '[degF]'.toQuantity('Cel')", ["37 'Cel'"]),
        ("1 'kg'.toQuantity('g')", ["1000 'g'"]),
        ("1 week.toQuantity('days')", ["7 day"]),
        ("1 'kg'.toQuantity('m')", EMPTY),
        ("1 'kg'.convertsToQuantity('m')", FALSE),
        ("1.toQuantity('nonsense')", EMPTY),
    ],
)
def test_a_quantity_is_converted_to_another_unit_where_ucum_knows_how(expression: str, expected: list[str]) -> None:
    assert answer(expression) == expected


@pytest.mark.parametrize("expression", ["@T10:00 + 1 day", "@T10:00 + 1 'wk'", "@T10:00 - 1 month", "@T10:00 + 1 year"])
def test_a_time_of_day_is_not_moved_by_days(expression: str) -> None:
    # http://hl7.org/fhirpath/N1/#addition-1
    with pytest.raises(EvaluationError):
        answer(expression)


@pytest.mark.parametrize(
    ("code", "expression", "expected"),
    [
        ("a", "value = 2 years", TRUE),
        ("a", "value = 2 'a'", EMPTY),
        ("a", "value ~ 2 'a'", TRUE),
        ("a", "@2000-02-29 + value", ["2002-02-28"]),
        ("mo", "@2000-12-31 + value", ["2001-02-28"]),
        ("d", "value = 2 days", TRUE),
        ("min", "value = 2 'min'", TRUE),
        ("kg", "value = 2000 'g'", TRUE),
        ("a", "value.code", ["a"]),
    ],
)
def test_a_fhir_duration_is_one_of_the_calendar(code: str, expression: str, expected: list[str]) -> None:
    # https://hl7.org/fhir/R4/fhirpath.html#quantity
    assert answer(expression, value=Decimal(2), system=UCUM, code=code) == expected


@pytest.mark.parametrize(
    "quantity",
    [
        {"value": Decimal(2), "unit": "mg"},
        {"value": Decimal(2), "system": "http://snomed.info/sct", "code": "mg"},
        {"value": Decimal(2), "code": "mg"},
        {"value": Decimal(2), "system": UCUM, "code": "mg", "comparator": "<"},
    ],
)
def test_a_quantity_without_a_ucum_code_is_none_of_the_language(quantity: dict[str, Any]) -> None:
    assert answer("value.toQuantity()", **quantity) == EMPTY
    assert answer("value > 1 'mg'", **quantity) == EMPTY
    assert answer("value = 2 'mg'", **quantity) != TRUE


def test_quantities_in_the_same_words_can_still_be_put_in_order() -> None:
    # rng-2 asks it of every range (https://hl7.org/fhir/R4/datatypes.html#range), and not every range is coded.
    low, high = {"value": 1, "unit": "tablet"}, {"value": 2, "unit": "tablet"}
    tree = {"resourceType": "Observation", "valueRange": {"low": low, "high": high}}
    assert compile("value.low <= value.high").holds(tree)
    assert compile("value.high <= value.low").truth(tree) is False
    assert compile("value.low + value.high").values(tree)[0].json == {"value": 3, "unit": "tablet"}
