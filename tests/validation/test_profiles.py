"""Profiles: what each kind of constraint refuses, and slices in a decision table.

https://hl7.org/fhir/R4/profiling.html, https://hl7.org/fhir/R4/elementdefinition.html
"""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.fhir.outcome import Invalid
from fhir_server.validation.profiles.registry import Profiles
from fhir_server.validation.validator import Validator
from tests.validation.profiled import URL, issues, observation, patient, profile

#: The element of a profile, a resource it takes, one it refuses, and with which issue.
KINDS: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any], tuple[str, str]]] = [
    (
        {"id": "Patient.birthDate", "min": 1},
        patient(birthDate="2000"),
        patient(),
        ("cardinality-min", "Patient.birthDate"),
    ),
    (
        {"id": "Patient.birthDate", "min": 1},
        patient(_birthDate={"extension": [{"url": "http://x", "valueCode": "unknown"}]}),
        patient(gender="male"),
        ("cardinality-min", "Patient.birthDate"),
    ),
    (
        {"id": "Patient.name", "min": 2},
        patient(name=[{"text": "a"}, {"text": "b"}]),
        patient(name=[{"text": "a"}]),
        ("cardinality-min", "Patient.name"),
    ),
    (
        {"id": "Patient.name", "max": "1"},
        patient(name=[{"text": "a"}]),
        patient(name=[{"text": "a"}, {"text": "b"}]),
        ("cardinality-max", "Patient.name"),
    ),
    ({"id": "Patient.photo", "max": "0"}, patient(), patient(photo=[{"title": "a"}]), ("cardinality-max", "Patient.photo")),
    (
        {"id": "Patient.name.family", "min": 1},
        patient(name=[{"family": "a"}]),
        patient(name=[{"family": "a"}, {"text": "b"}]),
        ("cardinality-min", "Patient.name[1].family"),
    ),
    (
        {"id": "Patient.gender", "fixedCode": "male"},
        patient(gender="male"),
        patient(gender="female"),
        ("fixed-value", "Patient.gender"),
    ),
    (
        {"id": "Patient.maritalStatus", "patternCodeableConcept": {"coding": [{"system": "urn:s", "code": "M"}]}},
        patient(maritalStatus={"coding": [{"code": "x"}, {"system": "urn:s", "code": "M", "display": "d"}], "text": "t"}),
        patient(maritalStatus={"coding": [{"system": "urn:t", "code": "M"}]}),
        ("pattern-value", "Patient.maritalStatus"),
    ),
    (
        {"id": "Observation.value[x]", "type": [{"code": "Quantity"}]},
        observation(valueQuantity={"value": 1}),
        observation(valueString="a"),
        ("choice-type", "Observation.value"),
    ),
    (
        {"id": "Observation.value[x]", "min": 1},
        observation(valueString="a"),
        observation(),
        ("cardinality-min", "Observation.value"),
    ),
    (
        {"id": "Patient.name.family", "maxLength": 3},
        patient(name=[{"family": "abc"}]),
        patient(name=[{"family": "abcd"}]),
        ("max-length", "Patient.name[0].family"),
    ),
    (
        {"id": "Observation.valueInteger", "minValueInteger": 2, "maxValueInteger": 4},
        observation(valueInteger=3),
        observation(valueInteger=5),
        ("value-range", "Observation.value"),
    ),
    (
        {
            "id": "Observation.subject",
            "type": [{"code": "Reference", "targetProfile": ["http://hl7.org/fhir/StructureDefinition/Patient"]}],
        },
        observation(subject={"reference": "Patient/1"}),
        observation(subject={"reference": "Group/1"}),
        ("reference-target", "Observation.subject.reference"),
    ),
    (
        {
            "id": "Observation.subject",
            "type": [
                {
                    "code": "Reference",
                    "targetProfile": ["http://hl7.org/fhir/StructureDefinition/Patient"],
                    "aggregation": ["contained"],
                }
            ],
        },
        observation(subject={"reference": "#p"}, contained=[{"resourceType": "Patient", "id": "p", "active": True}]),
        observation(subject={"reference": "Patient/1"}),
        ("reference-aggregation", "Observation.subject.reference"),
    ),
    (
        {
            "id": "Patient.name",
            "constraint": [{"key": "n-1", "severity": "error", "human": "h", "expression": "family.exists()"}],
        },
        patient(name=[{"family": "a"}]),
        patient(name=[{"family": "a"}, {"text": "b"}]),
        ("n-1", "Patient.name[1]"),
    ),
    (
        {
            "id": "Patient.name",
            "constraint": [{"key": "n-2", "severity": "error", "human": "h", "expression": "family.length() < 4"}],
        },
        patient(name=[{"family": "abc"}]),
        patient(name=[{"family": "a"}, {"family": "abcd"}]),
        ("n-2", "Patient.name[1]"),
    ),
    (
        {
            "id": "Patient.birthDate",
            "constraint": [
                {"key": "b-1", "severity": "warning", "human": "h", "expression": "$this > @1900-01-01"}
            ],
        },
        patient(birthDate="2000-01-01"),
        patient(birthDate="1800-01-01"),
        ("b-1", "Patient.birthDate"),
    ),
    (
        {
            "id": "Patient",
            "constraint": [
                {"key": "p-1", "severity": "error", "human": "h", "expression": "%resource.active.exists()"}
            ],
        },
        patient(active=True),
        patient(gender="male"),
        ("p-1", "Patient"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("element", "right", "wrong", "issue"), KINDS, ids=[f"{k[3][0]} {k[0]['id']}" for k in KINDS])
def test_each_kind_of_constraint(
    element: dict[str, Any], right: dict[str, Any], wrong: dict[str, Any], issue: tuple[str, str]
):
    own = profile("p", right["resourceType"], element)
    assert issues(right, own) == []
    assert issues(wrong, own) == [issue]


def test_a_binding_that_a_profile_makes_required():
    own = profile(
        "p",
        "Patient",
        {
            "id": "Patient.maritalStatus",
            "binding": {"strength": "required", "valueSet": "http://hl7.org/fhir/ValueSet/administrative-gender"},
        },
    )
    right = {"coding": [{"system": "http://hl7.org/fhir/administrative-gender", "code": "male"}]}
    assert issues(patient(maritalStatus=right), own) == []
    assert issues(patient(maritalStatus={"text": "a"}), own) == [("required-binding", "Patient.maritalStatus")]


def test_an_extension_is_judged_by_its_definition():
    extension = profile(
        "e",
        "Extension",
        {"id": "Extension.url", "fixedUri": URL + "e"},
        {"id": "Extension.value[x]", "min": 1, "type": [{"code": "boolean"}]},
        {"id": "Extension.extension", "max": "0"},
    )
    own = profile(
        "p",
        "Patient",
        {"id": "Patient.extension", "slicing": {"discriminator": [{"type": "value", "path": "url"}], "rules": "open"}},
        {"id": "Patient.extension:e", "min": 1, "max": "1", "type": [{"code": "Extension", "profile": [URL + "e"]}]},
    )
    right = {"url": URL + "e", "valueBoolean": True}
    assert issues(patient(extension=[right, {"url": "http://x", "valueCode": "a"}]), extension, own) == []
    assert issues(patient(extension=[{"url": URL + "e", "valueCode": "a"}]), extension, own) == [
        ("choice-type", "Patient.extension[0].value")
    ]
    assert issues(patient(), extension, own) == [("cardinality-min", "Patient.extension")]
    assert issues(patient(extension=[right, right]), extension, own) == [("cardinality-max", "Patient.extension")]


def test_a_profile_of_a_profile_asks_both():
    base = profile("base", "Patient", {"id": "Patient.gender", "min": 1})
    own = profile("own", "Patient", {"id": "Patient.birthDate", "min": 1}, base=base["url"])
    assert issues(patient(), base, own) == [
        ("cardinality-min", "Patient.gender"),
        ("cardinality-min", "Patient.birthDate"),
    ]


def test_issues_carry_the_profile_and_lenient_rules_only_warn():
    own = profile("p", "Patient", {"id": "Patient.gender", "min": 1})
    registry = Profiles()
    registry.add(own)
    strict = Validator(registry).validate(patient(active=True), profiles=[own["url"]])
    lenient = Validator(registry, lenient=frozenset(["cardinality-min"])).validate(
        patient(active=True), profiles=[own["url"]]
    )
    assert [(i.severity, i.profile) for i in strict] == [("error", own["url"])]
    assert [(i.severity, i.profile) for i in lenient] == [("warning", own["url"])]


@pytest.mark.parametrize("unknown", ["warning", "error"])
def test_claims_are_judged_and_an_unknown_one_is_said(unknown: Any):
    registry = Profiles()
    registry.add(profile("p", "Patient", {"id": "Patient.gender", "min": 1}))
    tree = patient(meta={"profile": [URL + "p", URL + "nowhere"]})
    assert [(i.severity, i.key) for i in Validator(registry, unknown=unknown).validate(tree)] == [
        ("error", "cardinality-min"),
        (unknown, "unknown-profile"),
    ]


def test_versions_are_kept_apart():
    registry = Profiles()
    registry.add(profile("p", "Patient", {"id": "Patient.gender", "min": 1}, version="1"))
    registry.add(profile("p", "Patient", {"id": "Patient.birthDate", "min": 1}, version="2"))
    judge = Validator(registry)

    def missed(canonical: str) -> list[str | None]:
        return [i.expression for i in judge.validate(patient(), profiles=[canonical])]

    assert missed(URL + "p|1") == ["Patient.gender"]
    assert missed(URL + "p|2") == ["Patient.birthDate"]
    assert missed(URL + "p") == ["Patient.birthDate"]
    assert registry.remove(URL + "p|2") and missed(URL + "p") == ["Patient.gender"]


#: A profile that cannot be judged by, and the rule that refuses it.
BAD: list[tuple[dict[str, Any], str]] = [
    (profile("p", "Patient", {"id": "Patient.foo", "min": 1}), "profile-path"),
    (profile("p", "Patient", {"id": "Patient.name.foo", "min": 1}), "profile-path"),
    (profile("p", "Patient", {"id": "Patient.name", "type": [{"code": "Nothing"}]}), "profile-element"),
    (profile("p", "Patient", {"id": "Patient.name", "max": "many"}), "profile-element"),
    (
        profile("p", "Patient", {"id": "Patient", "constraint": [{"key": "a", "expression": "name.where("}]}),
        "profile-element",
    ),
    (profile("p", "Patient", {"id": "Patient.name"}, base=URL + "p"), "profile-cycle"),
    (profile("p", "Questionnaire", {"id": "Questionnaire" + ".item" * 30}), "profile-depth"),
    (profile("p", "Patient", *({"id": "Patient.name"} for _ in range(6000))), "profile-elements"),
    ({**profile("p", "Patient"), "type": "Nothing"}, "profile-type"),
    ({**profile("p", "Patient"), "url": None}, "profile-url"),
    ({**profile("p", "Patient"), "differential": {}}, "profile-elements"),
    ({**profile("p", "Patient"), "differential": {"element": [{"min": 1}]}}, "profile-path"),
]


@pytest.mark.parametrize(("definition", "key"), BAD, ids=[k for _, k in BAD])
def test_a_bad_profile_is_refused_when_added_with_the_reason(definition: dict[str, Any], key: str):
    registry = Profiles()
    with pytest.raises(Invalid) as refused:
        registry.add(definition)
    assert refused.value.issues[0].key == key
    assert list(registry) == []


def test_a_circle_of_two_profiles_is_refused_by_the_second():
    registry = Profiles()
    registry.add(profile("a", "Patient", {"id": "Patient.name", "min": 1}, base=URL + "b"))
    with pytest.raises(Invalid) as refused:
        registry.add(profile("b", "Patient", {"id": "Patient.name", "min": 1}, base=URL + "a"))
    assert refused.value.issues[0].key == "profile-cycle"


def test_a_profile_that_leads_back_to_itself_is_compiled_once():
    own = profile(
        "q",
        "Extension",
        {"id": "Extension.extension", "type": [{"code": "Extension", "profile": [URL + "q"]}]},
        {"id": "Extension.id", "max": "0"},
    )
    uses = profile("u", "Patient", {"id": "Patient.extension", "type": [{"code": "Extension", "profile": [URL + "q"]}]})
    inner = {"url": "b", "id": "x", "valueCode": "c"}
    assert issues(patient(extension=[{"url": "http://a", "extension": [inner]}]), own, uses) == [
        ("cardinality-max", "Patient.extension[0].extension[0].id")
    ]
