"""Codes that are not of R4's extensible value sets are worth a warning, and words alone are not.

https://hl7.org/fhir/R4/terminologies.html#extensible
"""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.validation.validator import validate
from tests.validation.profiled import DIV

MARITAL = "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus"


def married(*codings: dict[str, Any], **members: Any) -> dict[str, Any]:
    concept = {"coding": list(codings)} if codings else {}
    return {"resourceType": "Patient", "text": DIV, "maritalStatus": {**concept, **members}}


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        (married({"system": MARITAL, "code": "M"}), []),
        (married({"system": "http://x.example", "code": "M"}, {"system": MARITAL, "code": "M"}), []),
        (married(text="living together"), []),
        (married({"display": "living together"}), []),
        (married({"system": "http://x.example", "code": "M"}), ["Patient.maritalStatus"]),
        (married({"system": MARITAL, "code": "Z"}), ["Patient.maritalStatus"]),
        (married({"code": "M"}), ["Patient.maritalStatus"]),
    ],
)
def test_a_code_from_elsewhere_is_a_warning(tree: dict[str, Any], said: list[str]):
    found = validate(tree)
    assert [i.expression for i in found] == said
    assert {(i.key, i.severity) for i in found} <= {("extensible-binding", "warning")}


def test_a_code_of_a_system_that_others_keep_is_not_judged():
    # Countries: R4 names the systems, ISO and the UN keep the codes.
    place = [{"coding": [{"system": "urn:iso:std:iso:3166", "code": "FR"}]}]
    library = {
        "resourceType": "Library",
        "text": DIV,
        "status": "draft",
        "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/library-type", "code": "logic-library"}]},
    }
    assert validate({**library, "jurisdiction": place}) == []


def test_a_coding_and_a_concept_inside_what_is_wrong_are_judged_as_well():
    tree = {**married({"code": "x"}), "gender": "x", "contained": []}
    assert {i.key for i in validate(tree)} >= {"extensible-binding", "required-binding"}


def test_preferred_and_example_bindings_of_r4_say_nothing():
    coding = {"system": "http://x.example", "code": "a"}
    tree = {
        "resourceType": "Observation",
        "text": DIV,
        "status": "final",
        "category": [{"coding": [coding]}],  # preferred
        "code": {"coding": [coding]},  # example
    }
    assert validate(tree) == []
