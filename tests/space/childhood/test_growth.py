"""WHO's references of growth, by LMS: known values, ages without a reference, curves in order.

https://www.who.int/tools/child-growth-standards; Cole and Green, Statistics in Medicine 1992;11:1305.
"""

from __future__ import annotations

import gzip
from datetime import date
from decimal import Decimal

import pytest

from fhir_server.space.childhood import growth
from fhir_server.space.childhood.certificates import measured
from fhir_server.space.childhood.measures import grown, observed
from fhir_server.space.paris import PARIS
from tests.examples import shared_data
from tests.space.childhood.child import BORN, cda, on, section, vital

#: Percentiles as WHO prints them in its tables: code, sex, days of age, value → percentile.
KNOWN = [
    ("29463-7", "male", 0, 3.3, 46),
    ("29463-7", "male", 365, 9.6, 49),
    ("29463-7", "male", 365, 7.8, 3),
    ("29463-7", "male", 365, 11.8, 97),
    ("29463-7", "female", 730, 11.5, 50),
    ("8302-2", "female", 365, 74.0, 49),
    ("8302-2", "male", 1826, 110.0, 50),
    ("9843-4", "male", 0, 34.5, 51),
    ("9843-4", "female", 365, 44.9, 50),
]


@pytest.mark.parametrize(("code", "sex", "days", "value", "expected"), KNOWN)
def test_a_value_has_the_percentile_that_who_prints(
    code: str, sex: str, days: int, value: float, expected: int
) -> None:
    found = growth.percentile(code, sex, days, value)
    assert found is not None and abs(found - expected) <= 1


@pytest.mark.parametrize("sex", ["female", "male"])
@pytest.mark.parametrize("code", growth.FLAGS)
def test_curves_rise_in_order_and_the_middle_one_is_the_median(code: str, sex: str) -> None:
    curves = growth.curves(code, sex, 6940)
    assert len(curves) == len(growth.DRAWN)
    for rows in zip(*curves, strict=True):
        values = [value for _, value in rows]
        assert values == sorted(values) and len({days for days, _ in rows}) == 1
        found = growth.lms(code, sex, rows[0][0])
        assert found is not None and values[2] == pytest.approx(found[1])


@pytest.mark.parametrize(
    ("code", "sex", "days"),
    [("29463-7", "male", 4000), ("9843-4", "male", 2000), ("8302-2", "male", 7000), ("8302-2", "other", 100),
     ("8302-2", None, 100), ("8302-2", "male", -1), ("8867-4", "male", 100)],
)  # fmt: skip
def test_of_what_who_does_not_know_there_is_no_percentile(code: str, sex: str | None, days: int) -> None:
    assert growth.percentile(code, sex, days, 30) is None and growth.is_plausible(code, sex, days, 30)


@pytest.mark.parametrize("power", [0, 1, -0.5])
def test_a_curve_and_a_score_are_inverse(monkeypatch: pytest.MonkeyPatch, power: float) -> None:
    row = (10, float(power), 5.0, 0.1)
    table = growth.References(
        date(2007, 1, 1), date(2026, 1, 1), "s", "a", {"x": {"male": (row, (20, float(power), 5.0, 0.1))}}
    )
    monkeypatch.setattr(growth, "references", lambda: table)
    for curve, percent in zip(growth.curves("x", "male", 20), growth.DRAWN, strict=True):
        assert growth.percentile("x", "male", 15, curve[0][1]) == percent


#: Unit → how a value is taken; None where it is none of the measure.
UNITS = [("29463-7", 3900, "g", 3.9), ("29463-7", 3.9, "kg", 3.9), ("8302-2", 0.52, "m", 52.0), ("8306-3", 520, "mm", 52.0),
         ("8287-5", 35, "cm", 35.0), ("29463-7", 3.9, "cm", None), ("8302-2", 52, "", None)]  # fmt: skip


@pytest.mark.parametrize(("code", "value", "unit", "own"), UNITS)
def test_units_of_one_measure_are_one(code: str, value: float, unit: str, own: float | None) -> None:
    found = grown(code, BORN, value, unit, BORN, "female", "patient")
    assert (None if found is None else found.value) == own


PREGNANCY = "1.3.6.1.4.1.19376.1.5.3.1.4.13.5"


def test_a_certificate_is_read_for_the_child_and_not_for_the_mother() -> None:
    """Her height stands in the same document under the same code; what was measured at birth is of that day."""
    body = cda(
        section("10162-6", vital("8302-2", "172", "cm", PREGNANCY)),
        section("29762-2", vital("29463-7", "80", "kg", more="<subject><relatedSubject/></subject>")),
        section("57075-4", vital("29463-7", "3400", "g")),
        section("8716-3", vital("29463-7", "8.1", "kg"), vital("8287-5", "44", "cm"), vital("8302-2", "abc", "cm")),
    )
    found = sorted((one.day.isoformat(), one.code, one.value) for one in measured(body, BORN, "female"))
    assert found == [(on(0), "29463-7", 3.4), (on(250), "29463-7", 8.1), (on(250), "9843-4", 44.0)]


@pytest.mark.parametrize(
    "body",
    [b"", b"<x/>", b"\xff\xfe\x00", b'<!DOCTYPE a [<!ENTITY x "y">]><ClinicalDocument xmlns="urn:hl7-org:v3"/>',
     cda(section("8716-3", vital("29463-7", "9" * 30, "kg"), vital("29463-7", "1e5", "kg"), vital("29463-7", "", "kg")))],
)  # fmt: skip
def test_what_cannot_be_read_says_nothing(body: bytes) -> None:
    assert measured(body, BORN, "female") == []


def test_the_published_certificate_of_the_eighth_day_gives_the_measures_of_birth() -> None:
    data = shared_data()
    if data is None:
        pytest.skip("the published examples are not here")
    body = gzip.decompress((data / "cda" / "CSE-CS8_2025.01.xml.gz").read_bytes())
    found = {(one.code, one.value, one.days) for one in measured(body, date(2023, 4, 25), "male")}
    assert found == {("29463-7", 3.9, 0), ("8302-2", 52.0, 0), ("9843-4", 35.0, 0)}


@pytest.mark.parametrize(
    ("value", "unit", "there"), [("1e400", "cm", 0), ("1e307", "m", 0), ("1e300", "cm", 1), ("75", "cm", 1)]
)
def test_a_value_that_is_no_number_of_this_machine_is_no_measure(value: str, unit: str, there: int) -> None:
    tree = {
        "resourceType": "Observation",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8302-2"}]},
        "effectiveDateTime": on(100),
        "valueQuantity": {"value": Decimal(value), "code": unit},
        "subject": {"reference": "Patient/child"},
    }
    assert len(observed([tree], BORN, "male", PARIS, "http://127.0.0.1/fhir")) == there
