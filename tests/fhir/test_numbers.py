"""https://hl7.org/fhir/R4/search.html#number, https://hl7.org/fhir/R4/datatypes.html#decimal."""

from __future__ import annotations

import math
import sys
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.fhir.numbers import as_float, implicit_range, parse


@pytest.mark.parametrize(
    "text, low, above",
    [
        # The specification's own examples.
        ("100", 99.5, 100.5),
        ("100.00", 99.995, 100.005),
        ("1e2", 95.0, 105.0),
        ("5.4", 5.35, 5.45),
        ("5.40", 5.395, 5.405),
        ("5.40e-3", 0.005395, 0.005405),
        # Its rule, elsewhere.
        ("0", -0.5, 0.5),
        ("0.8", 0.75, 0.85),
        ("-100", -100.5, -99.5),
        ("-0.5", -0.55, -0.45),
        ("1.5E1", 14.5, 15.5),
        ("+7", 6.5, 7.5),
    ],
)
def test_a_number_stands_for_what_rounds_to_its_digits(text: str, low: float, above: float) -> None:
    found = implicit_range(text)
    assert found == (low, math.nextafter(above, -math.inf))
    assert found[1] < above


@pytest.mark.parametrize(
    "text",
    ["", " ", "a", "1,5", "1.", ".5", "1e", "e2", "1e2.5", "--1", "0x10", "NaN", "Infinity", "inf", "1_000", "１", "1 ", "1\n", "1e401", "1e-401", "1e99999", "9" * 401],
)  # fmt: skip
def test_what_is_not_a_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"number"):
        implicit_range(text)
    with pytest.raises(ValueError, match=r"number"):
        parse(text)


def test_digits_are_kept() -> None:
    assert str(parse("1.500")) == "1.500"


@pytest.mark.parametrize(
    "number, expected",
    [(Decimal("1.5"), 1.5), (3, 3.0), (Decimal("1e399"), sys.float_info.max), (Decimal("-1e399"), -sys.float_info.max), (10**400, sys.float_info.max), (-(10**400), -sys.float_info.max)],
)  # fmt: skip
def test_what_no_double_holds_is_the_greatest_double(number: Decimal | int, expected: float) -> None:
    assert as_float(number) == expected


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**9), max_value=10**9))
def test_a_number_is_in_its_own_range(number: Decimal) -> None:
    low, high = implicit_range(str(number))
    assert low <= as_float(number) <= high


@pytest.mark.parametrize(
    "text", ["82.89267047053877", "144.29773201163158", "0.1234567890123456789", "-7.00000000000000000001"]
)
def test_a_number_of_more_digits_than_a_double_has_is_in_its_own_range(text: str) -> None:
    low, high = implicit_range(text)
    assert low <= float(text) <= high


@given(st.text(max_size=30))
def test_any_text_is_a_number_or_a_value_error(text: str) -> None:
    try:
        low, high = implicit_range(text)
    except ValueError:
        return
    assert low <= high
