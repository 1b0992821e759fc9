"""What the national guides' own examples break is an error when their profiles are strict, a warning when lenient.

https://hl7.org/fhir/R4/validation.html. Each defect is also here in the smallest document that has it, so that it is
judged where the guides are not at hand.
"""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.validation.levels import Levels
from fhir_server.validation.profiles import packages
from fhir_server.validation.profiles.registry import Profiles
from fhir_server.validation.validator import Validator
from tests.examples import shared_data
from tests.profiles import resources as r
from tests.profiles.judging import errors
from tests.profiles.resources import changed, concept

LENIENT = Validator(Profiles(), levels=Levels({"*": "lenient"}))
SNOMED = "http://snomed.info/sct"
D = "DocumentReference"

#: A document, what is changed in it (None: taken away), the rule that breaks, and where.
DEFECTS: list[tuple[str, Any, str, str]] = [
    ("custodian", None, "cardinality-min", f"{D}.custodian"),
    ("author.0", {"reference": "Practitioner/1"}, "reference-aggregation", f"{D}.author[0].reference"),
    ("context.sourcePatientInfo", {"reference": "Patient/1"}, "reference-aggregation", f"{D}.context.sourcePatientInfo.reference"),
    ("contained.0.meta", {"versionId": "1"}, "dom-4", f"{D}.contained[0].meta.versionId"),
    ("contained.3", {"resourceType": "Practitioner", "id": "x", "active": True}, "dom-3", f"{D}.contained[3]"),
    ("context.facilityType", concept(SNOMED, "225732001"), "pdsm-facility", D),
    ("context.practiceSetting", concept(SNOMED, "394802001"), "pdsm-practice", D),
    ("content.0.attachment.language", None, "cardinality-min", f"{D}.content[0].attachment.language"),
    ("content.0.attachment.creation", None, "cardinality-min", f"{D}.content[0].attachment.creation"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "key", "at"), DEFECTS, ids=[f"{d[2]} {d[0]}" for d in DEFECTS])
def test_a_known_defect_is_an_error_when_strict_and_a_warning_when_lenient(path: str, value: Any, key: str, at: str):
    tree = changed(r.DOCUMENT, path, value) if path != "contained.0.meta" else _with_version()
    strict = errors(tree)
    assert key in {found for found, _ in strict}
    if at != D:
        assert (key, at) in strict
    said = LENIENT.validate(tree)
    assert [i for i in said if i.severity == "error"] == []
    assert key in {i.key for i in said if i.severity == "warning"}


def _with_version() -> dict[str, Any]:
    tree = changed(r.DOCUMENT, "subject", r.DOCUMENT["subject"])
    tree["contained"][0]["meta"] = {"versionId": "1"}
    return tree


#: Examples that no level lets pass: no resource may hold an empty string (https://hl7.org/fhir/R4/json.html), an RPPS has
#: eleven digits, and a fullUrl is an absolute URL (https://hl7.org/fhir/R4/bundle-definitions.html#Bundle.entry.fullUrl).
NEVER = {
    "Bundle-example-annexe-searchset-documentreferences.json",
    "CommunicationRequest-com1.json",
    "Subscription-sub1.json",
    "Bundle-cds-bundle-transaction-creation-example.json",
    "CareTeam-cds-careteam-example.json",
    "Organization-cds-organization-example.json",
}


def test_the_guides_own_examples_are_right_when_lenient():
    data = shared_data()
    if data is None or not (data / "ig").is_dir():
        pytest.skip("the national guides are not beside the checkout")
    refused, strict = set(), set()
    for file in sorted((data / "ig").glob("*.tgz")):
        for name, tree in packages.load(file).examples.items():
            strict |= {name} if errors(tree) else set()
            refused |= {name} if errors(tree, LENIENT) else set()
    assert refused == NEVER
    assert len(strict - refused) > 10
