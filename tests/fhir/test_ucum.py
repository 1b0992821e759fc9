"""UCUM codes: https://ucum.org/ucum."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.fhir import ucum


@pytest.mark.parametrize(
    ("value", "code", "canonical", "unit"),
    [
        ("1", "1", "1", "1"),
        ("4", "L", "0.004", "m3"),
        ("4", "l", "0.004", "m3"),
        ("72.50", "kg", "72500", "g"),
        ("1", "[lb_av]", "453.59237", "g"),
        ("1", "[in_i]", "0.0254", "m"),
        ("120", "mm[Hg]", "15998640", "g.m-1.s-2"),
        ("37", "Cel", "310.15", "K"),
        ("98.6", "[degF]", "310.15", "K"),
        ("-40", "[degF]", "233.15", "K"),
        ("5", "10*9/L", "5e12", "m-3"),
        ("5", "10^9/L", "5e12", "m-3"),
        ("5", "/uL", "5e9", "m-3"),
        ("1", "mg/dL", "10", "g.m-3"),
        ("1", "mmol/L", "6.0221367e23", "m-3"),
        ("1", "U/L", "1.003689450e19", "m-3.s-1"),
        ("1", "m[IU]/L", "1", "[iU].m-3"),
        ("1", "u[IU]/mL", "1", "[iU].m-3"),
        ("50", "%", "0.5", "1"),
        ("1", "{score}", "1", "1"),
        ("60", "/min", "1", "s-1"),
        ("60", "{beats}/min", "1", "s-1"),
        ("1", "kg/m2", "1000", "g.m-2"),
        ("1", "kg.m/s2", "1000", "g.m.s-2"),
        ("1", "kg.m-2", "1000", "g.m-2"),
        ("1", "ug/(24.h)", "1.157407407407407407407407407407407e-11", "g.s-1"),
        ("1", "h", "3600", "s"),
        ("1", "wk", "604800", "s"),
        ("1", "a", "31557600", "s"),
        ("1", "dB", "0.1", "B"),
        ("7.4", "[pH]", "7.4", "[pH]"),
        ("1", "W/(m2.Cel)", "1000", "K-1.g.s-3"),
        ("1", "m/m", "1", "1"),
        ("0", "kg", "0", "g"),
    ],
)
def test_a_value_is_the_same_in_base_units(value: str, code: str, canonical: str, unit: str) -> None:
    assert ucum.canonical(Decimal(value), code) == (Decimal(canonical), unit)


@pytest.mark.parametrize(
    "code",
    [
        "",
        " ",
        "foo",
        "mg/",
        "m//s",
        "mg dL",
        "mg/DL",
        "kkg",
        "m[in_i]",
        "(m",
        "m)",
        "m^2",
        "{a",
        "a}",
        "0.m",
        "1.5m",
        "m99999",
        "10*99999",
        "é",
        "m" * 300,
        "(" * 100 + "m" + ")" * 100,
        "%%",
        "m.",
        ".m",
    ],
)
def test_what_is_not_ucum_is_none(code: str) -> None:
    assert ucum.canonical(Decimal(1), code) is None
    assert not ucum.is_valid(code)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("cm", "[in_i]", True),
        ("mg/dL", "g/L", True),
        ("mmol/L", "meq/L", True),
        ("[IU]/L", "U/L", False),
        ("cm", "s", False),
        ("cm", "[s]", False),
        ("Cel", "K", True),
        ("a", "d", True),
        ("1", "%", True),
    ],
)
def test_units_of_the_same_kind_are_comparable(left: str, right: str, expected: bool) -> None:
    assert ucum.comparable(left, right) is expected


def test_every_unit_of_the_table_means_something() -> None:
    assert len(ucum._atoms()) > 280
    for code, (metric, _, _) in ucum._atoms().items():
        assert ucum.is_valid(code), code
        assert not metric or ucum.is_valid(f"m{code}"), code


@given(st.text(max_size=20))
def test_any_text_is_a_unit_or_is_not(code: str) -> None:
    assert (ucum.canonical(Decimal("1.5"), code) is None) is not ucum.is_valid(code)


@given(
    st.text(alphabet="mgLs/.()10*^{}[]-+2%", max_size=20), st.decimals(allow_nan=False, allow_infinity=False, places=3)
)
def test_a_value_keeps_its_sign_and_its_zero_in_a_ratio_unit(code: str, value: Decimal) -> None:
    found = ucum.canonical(value, code)
    assert found is None or (found[0] > 0, found[0] < 0) == (value > 0, value < 0)
