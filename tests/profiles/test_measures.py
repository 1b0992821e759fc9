"""Health measures: a valid one of each, and for each rule one change that breaks it; the feed of one measure.

https://interop.esante.gouv.fr/ig/fhir/mesures, https://hl7.org/fhir/R4/observation-vitalsigns.html
"""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.validation.shipped import supported
from tests.profiles import measures as m
from tests.profiles.judging import Rule, errors, said, valid
from tests.profiles.resources import MES, changed, concept, entry, nos

VALID = valid(m)
MEASURES = {name: tree for name, tree in VALID.items() if tree["resourceType"] == "Observation"}
#: R4 binds the code of vital signs to its own list, extensibly: a measure beyond it is told so.
BEYOND = {"extensible-binding"}


@pytest.mark.parametrize("name", VALID)
def test_a_valid_measure_passes(name: str):
    assert [i for i in said(VALID[name]) if i.key not in BEYOND] == []


def test_each_profile_of_a_measure_has_a_valid_one():
    profiles = {url for url in supported()["Observation"] if url.startswith(MES)}
    assert {tree["meta"]["profile"][0] for tree in MEASURES.values()} == profiles


@pytest.mark.parametrize("name", MEASURES)
def test_the_code_is_the_measure_s_own(name: str):
    found = errors(changed(MEASURES[name], "code", concept(m.LOINC, "718-7")))
    assert ("mesures-code", "Observation.code") in found


SINGLE = {name: tree for name, tree in MEASURES.items() if "valueQuantity" in tree}


@pytest.mark.parametrize("name", SINGLE)
def test_the_unit_is_the_measure_s_own(name: str):
    assert ("mesures-unit", "Observation.value.code") in errors(changed(SINGLE[name], "valueQuantity.code", "[lb_av]"))


OBS, B = "Observation", "Bundle"
VALUE = "valueQuantity"
TAKEN = concept("http://example.org/codes", "x")
RULES: list[Rule] = [
    (m.WEIGHT, "category", None, "cardinality-min", f"{OBS}.category"),
    (m.WEIGHT, "subject", None, "cardinality-min", f"{OBS}.subject"),
    (m.WEIGHT, "subject", {"reference": "Group/1"}, "reference-target", f"{OBS}.subject.reference"),
    (m.WEIGHT, "effectiveDateTime", None, "cardinality-min", f"{OBS}.effective"),
    (m.WEIGHT, f"{VALUE}.value", None, "cardinality-min", f"{OBS}.value.value"),
    (m.WEIGHT, f"{VALUE}.system", "http://example.org/units", "fixed-value", f"{OBS}.value.system"),
    (m.WEIGHT, "method", TAKEN, "required-binding", f"{OBS}.method"),
    (m.HEIGHT, "method", TAKEN, "required-binding", f"{OBS}.method"),
    (m.TEMPERATURE, "bodySite", TAKEN, "required-binding", f"{OBS}.bodySite"),
    (m.TEMPERATURE, "method", TAKEN, "required-binding", f"{OBS}.method"),
    (m.SATURATION, "method", TAKEN, "required-binding", f"{OBS}.method"),
    (m.STEPS, "method", TAKEN, "required-binding", f"{OBS}.method"),
    (m.PAIN, "method", TAKEN, "required-binding", f"{OBS}.method"),
    (m.PRESSURE, "bodySite", TAKEN, "required-binding", f"{OBS}.bodySite"),
    (m.PRESSURE, "component.1.code", concept(m.LOINC, "8480-6"), "cardinality-max", f"{OBS}.component"),
    (m.PRESSURE, "component.0.valueQuantity.code", "kPa", "fixed-value", f"{OBS}.component[0].value.code"),
    (m.GLUCOSE, "extension.0.valueCodeableConcept", TAKEN, "required-binding", f"{OBS}.extension[0].value"),
    (m.GLUCOSE, "extension.2.valueCodeableConcept", TAKEN, "required-binding", f"{OBS}.extension[2].value"),
    (
        m.GLUCOSE,
        "extension.2.valueCodeableConcept",
        {"coding": [{"code": "E10"}]},
        "cardinality-min",
        f"{OBS}.extension[2].value.coding[0].system",
    ),
    (m.HDL, "referenceRange.0.low", None, "cardinality-min", f"{OBS}.referenceRange[0].low"),
    (m.HDL, "referenceRange.0.high", m.quantity(2, "mmol/L"), "cardinality-max", f"{OBS}.referenceRange[0].high"),
    (m.LDL, "referenceRange.0.low", m.quantity(2, "mmol/L"), "cardinality-max", f"{OBS}.referenceRange[0].low"),
    (m.CHOLESTEROL, "hasMember", [{"reference": "Observation/1"}], "cardinality-max", f"{OBS}.hasMember"),
    (m.SCALE, "identifier.0.type", TAKEN, "cardinality-min", "Device.identifier"),
    (m.SCALE, "identifier.0.system", "urn:oid:1.2", "fixed-value", "Device.identifier[0].system"),
    (m.SCALE, "type", TAKEN, "pattern-value", "Device.type"),
    (m.SCALE, "specialization", None, "cardinality-min", "Device.specialization"),
    (m.FEED, "type", "batch", "pattern-value", f"{B}.type"),
    (m.FEED, "entry.2", entry(m.WEIGHT), "cardinality-max", f"{B}.entry"),
    (m.FEED, "entry.1", entry({"resourceType": "Basic", "code": {"text": "x"}}), "mesures-bundle-closed", B),
    (
        m.FEED,
        "entry.0.resource.meta.profile",
        ["http://hl7.org/fhir/StructureDefinition/bodyweight"],
        "mesures-bundle-profile",
        B,
    ),
    (m.FEED, "entry.0.request.method", "PUT", "fixed-value", f"{B}.entry[0].request.method"),
    (m.FEED, "entry.1.request.url", "Device/1", "fixed-value", f"{B}.entry[1].request.url"),
    (m.FEED, "entry.1.resource.type", TAKEN, "pattern-value", f"{B}.entry[1].resource.type"),
]


@pytest.mark.parametrize(("tree", "path", "value", "key", "at"), RULES)
def test_one_change_breaks_one_rule(tree: dict[str, Any], path: str, value: Any, key: str, at: str):
    assert (key, at) in errors(changed(tree, path, value))


@pytest.mark.parametrize(
    "code",
    [
        concept(m.LOINC, "2345-7"),
        concept(nos("TRE_A04-Loinc"), "4548-4"),
        concept(nos("TRE_R308-TAASIP"), "MED-969"),
        concept(nos("TRE_R308-TAASIP"), "MED-972"),
    ],
)
def test_glucose_is_of_blood_or_tissue_or_an_index_under_either_name_of_loinc(code: dict[str, Any]):
    assert said(changed(m.GLUCOSE, "code", code)) == []


def test_a_pulse_oximeter_s_code_stands_beside_the_one_of_r4():
    both = [*m.SATURATION["code"]["coding"], {"system": m.LOINC, "code": "59408-5"}]
    assert errors(changed(m.SATURATION, "code.coding", both)) == set()
