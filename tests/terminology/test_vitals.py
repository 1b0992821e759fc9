"""An Observation with the code of a vital sign is held to the profile that R4 asks it to follow.

https://hl7.org/fhir/R4/observation-vitalsigns.html
"""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.validation.levels import Level, Levels
from fhir_server.validation.profiles.registry import Profiles
from fhir_server.validation.validator import Validator
from tests.terminology.conftest import Speaking
from tests.validation.profiled import DIV, profile

CORE = "http://hl7.org/fhir/StructureDefinition/"
UCUM = "http://unitsofmeasure.org"
VITAL = [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}]}]
#: LOINC code → its profile, and a unit.
SIGNS = {
    "9279-1": ("resprate", "/min"),
    "8867-4": ("heartrate", "/min"),
    "2708-6": ("oxygensat", "%"),
    "8310-5": ("bodytemp", "Cel"),
    "8302-2": ("bodyheight", "cm"),
    "9843-4": ("headcircum", "cm"),
    "29463-7": ("bodyweight", "kg"),
    "39156-5": ("bmi", "kg/m2"),
}


def sign(loinc: str, unit: str, **members: Any) -> dict[str, Any]:
    tree = {
        "resourceType": "Observation",
        "text": DIV,
        "status": "final",
        "category": VITAL,
        "code": {"coding": [{"system": "http://loinc.org", "code": loinc}]},
        "subject": {"reference": "Patient/1"},
        "effectiveDateTime": "2026-01-01",
        "valueQuantity": {"value": 5, "unit": unit, "system": UCUM, "code": unit},
    }
    return {k: v for k, v in {**tree, **members}.items() if v is not None}


def said(
    tree: dict[str, Any], levels: dict[str, Level] | None = None, *more: dict[str, Any]
) -> set[tuple[str, str | None]]:
    registry = Profiles()
    for one in more:
        registry.add(one)
    found = Validator(registry, levels=Levels(levels or {})).validate(tree)
    return {(i.severity, i.expression) for i in found if i.profile}


@pytest.mark.parametrize(("code", "name", "unit"), [(code, *rest) for code, rest in SIGNS.items()])
def test_each_vital_sign_is_held_to_its_profile(code: str, name: str, unit: str):
    assert said(sign(code, unit)) == set()
    assert said(sign(code, unit, category=None)) == {("warning", "Observation.category")}
    assert said(sign(code, unit, subject=None)) == {("warning", "Observation.subject")}
    assert said(sign(code, unit, effectiveDateTime=None)) == {("warning", "Observation.effective")}
    assert ("warning", "Observation") in said(sign(code, unit, valueQuantity=None))
    bare = {"value": 5, "unit": unit}
    assert ("warning", "Observation.value.code") in said(sign(code, unit, valueQuantity=bare))


async def test_the_unit_of_a_vital_sign_is_one_of_its_profile(server: Speaking):
    await server.terminology.refresh()
    judge = Validator(Profiles(), codes=server.terminology)
    for code, (_, unit) in SIGNS.items():
        for given, right in ((unit, True), ("mol", False)):
            tree = sign(code, unit, valueQuantity={"value": 5, "unit": "a", "system": UCUM, "code": given})
            assert (not [i for i in judge.validate(tree) if i.profile and i.severity == "warning"]) is right


def test_a_month_is_too_coarse_for_a_vital_sign():
    assert said(sign("8867-4", "/min", effectiveDateTime="2026-01")) == {("warning", "Observation.effective")}


@pytest.mark.parametrize(
    ("level", "severities"), [(None, {"warning"}), ("strict", {"error"}), ("lenient", {"warning"}), ("off", set())]
)
def test_how_bad_that_is_can_be_set(level: Level | None, severities: set[str]):
    table: dict[str, Level] = {CORE + "heartrate": level} if level else {}
    assert {severity for severity, _ in said(sign("8867-4", "/min", category=None), table)} == severities


def test_one_that_claims_its_profile_or_one_derived_from_it_is_judged_once():
    claimed = sign("8867-4", "/min", category=None, meta={"profile": [CORE + "heartrate"]})
    assert said(claimed) == {("error", "Observation.category")}
    own = profile("own", "Observation", {"id": "Observation.note", "min": 0}, base=CORE + "heartrate")
    derived = sign("8867-4", "/min", category=None, meta={"profile": [own["url"]]})
    assert said(derived, None, own) == {("error", "Observation.category")}


@pytest.mark.parametrize(
    ("narrow", "code", "unit"),
    [
        ("8331-1", "8310-5", "Cel"),
        ("8332-9", "8310-5", "Cel"),
        ("8306-3", "8302-2", "cm"),
        ("3141-9", "29463-7", "kg"),
        ("8287-5", "9843-4", "cm"),
        ("59408-5", "2708-6", "%"),
    ],
)
def test_a_code_that_says_more_stands_beside_the_one_of_the_vital_sign(narrow: str, code: str, unit: str):
    alone, both = (
        {"coding": [{"system": "http://loinc.org", "code": c} for c in of]} for of in ((narrow,), (narrow, code))
    )
    assert said(sign(code, unit, code=alone)) == {("warning", "Observation.code.coding")}
    assert said(sign(code, unit, code=both)) == set()


@pytest.mark.parametrize(
    "coding",
    [
        {"system": "http://loinc.org", "code": "8480-6"},
        {"system": "http://loinc.org", "code": "718-7"},
        {"system": "http://example.org/codes", "code": "8867-4"},
        {"code": "8867-4"},
    ],
)
def test_other_codes_are_held_to_nothing(coding: dict[str, Any]):
    assert said(sign("", "/min", category=None, code={"coding": [coding]})) == set()
