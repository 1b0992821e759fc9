"""Profiles: what each kind of constraint refuses, and slices in a decision table.

https://hl7.org/fhir/R4/profiling.html, https://hl7.org/fhir/R4/elementdefinition.html
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fhir_server.fhir.outcome import Invalid
from fhir_server.validation.profiles.registry import Profiles
from fhir_server.validation.validator import Validator

URL = "https://example.org/StructureDefinition/"
SPECIFICATION = "http://hl7.org/fhir/StructureDefinition/"
DIV = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">a</div>'}


def profile(name: str, type: str, *elements: dict[str, Any], base: str = "", version: str = "") -> dict[str, Any]:
    """A StructureDefinition; elements by their ids (`Patient.identifier:ins.system`)."""
    found = []
    for element in elements:
        id = element["id"]
        path = ".".join(step.partition(":")[0] for step in id.split("."))
        slice = id.rpartition(".")[2].partition(":")[2]
        found.append({"path": path, **({"sliceName": slice} if slice else {}), **element})
    tree: dict[str, Any] = {
        "resourceType": "StructureDefinition",
        "url": URL + name,
        "name": name,
        "status": "draft",
        "fhirVersion": "4.0.1",
        "kind": "complex-type" if type == "Extension" else "resource",
        "abstract": False,
        "type": type,
        "baseDefinition": base or f"http://hl7.org/fhir/StructureDefinition/{type}",
        "derivation": "constraint",
        "differential": {"element": [{"id": type, "path": type}, *found]},
    }
    return {**tree, "version": version} if version else tree


def issues(tree: dict[str, Any], *profiles: dict[str, Any]) -> list[tuple[str | None, str | None]]:
    """Key and place of what the last of `profiles` finds wrong with `tree`; codes are none of these tests' concern."""
    registry = Profiles()
    for one in profiles:
        registry.add(one)
    found = Validator(registry).validate(tree, profiles=[profiles[-1]["url"]])
    return [
        (i.key, i.expression) for i in found if i.key != "dom-6" and (i.key, i.profile) != ("extensible-binding", None)
    ]


def patient(**members: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "text": DIV, **members}


def observation(**members: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "text": DIV, "status": "final", "code": {"text": "a"}, **members}


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


INS, OTHER = "urn:oid:1.2.250.1.213.1.4.10", "urn:oid:1.2.3"
BY_SYSTEM = {"discriminator": [{"type": "value", "path": "system"}], "rules": "open"}


def _identifiers(slicing: dict[str, Any], *more: dict[str, Any]) -> dict[str, Any]:
    return profile(
        "i",
        "Patient",
        {"id": "Patient.identifier", "slicing": slicing},
        {"id": "Patient.identifier:ins", "min": 0, "max": "1"},
        {"id": "Patient.identifier:ins.system", "min": 1, "fixedUri": INS},
        {"id": "Patient.identifier:ins.value", "min": 1},
        {"id": "Patient.identifier:other"},
        {"id": "Patient.identifier:other.system", "min": 1, "fixedUri": OTHER},
        *more,
    )


def _systems(*systems: str) -> dict[str, Any]:
    return patient(identifier=[{"system": s, "value": "1"} for s in systems])


#: Rules of the slicing, the identifiers' systems, and what is found.
SLICES: list[tuple[dict[str, Any], dict[str, Any], list[tuple[str, str]]]] = [
    ({"rules": "open"}, _systems(INS, OTHER, "urn:x"), []),
    ({"rules": "open"}, _systems("urn:x", OTHER, INS), []),
    ({"rules": "open"}, _systems(INS, INS), [("cardinality-max", "Patient.identifier")]),
    ({"rules": "open"}, patient(identifier=[{"system": INS}]), [("cardinality-min", "Patient.identifier[0].value")]),
    ({"rules": "open"}, patient(identifier=[{"system": OTHER}]), []),
    ({"rules": "closed"}, _systems(INS, OTHER), []),
    ({"rules": "closed"}, _systems(INS, "urn:x"), [("slice-unknown", "Patient.identifier[1]")]),
    ({"rules": "openAtEnd"}, _systems(INS, OTHER, "urn:x"), []),
    ({"rules": "openAtEnd"}, _systems(OTHER, INS, "urn:x"), []),
    ({"rules": "openAtEnd"}, _systems(INS, "urn:x", OTHER), [("slice-order", "Patient.identifier")]),
    ({"rules": "open", "ordered": True}, _systems(INS, "urn:x", OTHER), []),
    ({"rules": "open", "ordered": True}, _systems(OTHER, INS), [("slice-order", "Patient.identifier")]),
    ({"rules": "open"}, patient(), []),
]


@pytest.mark.parametrize(("rules", "tree", "found"), SLICES)
def test_slices_by_value(rules: dict[str, Any], tree: dict[str, Any], found: list[tuple[str, str]]):
    assert issues(tree, _identifiers({**BY_SYSTEM, **rules})) == found


def test_a_slice_that_is_required_is_missed_at_the_list():
    own = _identifiers(BY_SYSTEM, {"id": "Patient.identifier:ins", "min": 1})
    assert issues(_systems(OTHER), own) == [("cardinality-min", "Patient.identifier")]
    assert issues(patient(), own) == [("cardinality-min", "Patient.identifier")]
    assert issues(_systems(INS), own) == []


def test_a_slice_of_a_slice():
    own = _identifiers(
        BY_SYSTEM,
        {
            "id": "Patient.identifier:ins",
            "slicing": {"discriminator": [{"type": "value", "path": "use"}], "rules": "open"},
        },
        {"id": "Patient.identifier:ins/old"},
        {"id": "Patient.identifier:ins/old.use", "min": 1, "fixedCode": "old"},
        {"id": "Patient.identifier:ins/old.period", "min": 1},
    )
    assert issues(patient(identifier=[{"system": INS, "value": "1", "use": "official"}]), own) == []
    assert issues(patient(identifier=[{"system": OTHER, "use": "old"}]), own) == []
    assert issues(patient(identifier=[{"system": INS, "value": "1", "use": "old"}]), own) == [
        ("cardinality-min", "Patient.identifier[0].period")
    ]


#: Discriminator, what tells the slice `s`, an item in it and one that is not. In the slice `display`/`text` is required.
DISCRIMINATORS: list[tuple[str, str, list[dict[str, Any]], dict[str, Any], dict[str, Any]]] = [
    ("pattern", "$this", [{"id": "Observation.category:s", "patternCodeableConcept": {"coding": [{"code": "a"}]}}],
     {"coding": [{"code": "a"}]}, {"coding": [{"code": "b"}]}),
    ("value", "coding.code", [{"id": "Observation.category:s.coding.code", "min": 1, "fixedCode": "a"}],
     {"coding": [{"code": "a"}]}, {"coding": [{"code": "b"}]}),
    ("exists", "coding", [{"id": "Observation.category:s.coding", "min": 1}],
     {"coding": [{"code": "a"}]}, {"extension": [{"url": "http://x", "valueCode": "a"}]}),
    ("value", "extension('http://x').value", [
        {"id": "Observation.category:s.extension", "slicing": {"discriminator": [{"type": "value", "path": "url"}], "rules": "open"}},
        {"id": "Observation.category:s.extension:x", "type": [{"code": "Extension", "profile": ["http://x"]}], "min": 1},
        {"id": "Observation.category:s.extension:x.valueCode", "fixedCode": "a"}],
     {"extension": [{"url": "http://x", "valueCode": "a"}]}, {"extension": [{"url": "http://x", "valueCode": "b"}]}),
]  # fmt: skip


@pytest.mark.parametrize(("type", "path", "elements", "inside", "outside"), DISCRIMINATORS)
def test_discriminators(
    type: str, path: str, elements: list[dict[str, Any]], inside: dict[str, Any], outside: dict[str, Any]
):
    slicing = {"discriminator": [{"type": type, "path": path}], "rules": "open"}
    own = profile(
        "d",
        "Observation",
        {"id": "Observation.category", "slicing": slicing},
        {"id": "Observation.category:s"},
        *elements,
        {"id": "Observation.category:s.text", "min": 1},
    )
    assert issues(observation(category=[outside]), own) == []
    assert issues(observation(category=[outside, inside]), own) == [("cardinality-min", "Observation.category[1].text")]
    assert issues(observation(category=[outside, {**inside, "text": "t"}]), own) == []


def test_slices_by_the_type_of_a_reference_and_of_a_choice():
    own = profile(
        "t",
        "Observation",
        {
            "id": "Observation.performer",
            "slicing": {"discriminator": [{"type": "type", "path": "resolve()"}], "rules": "open"},
        },
        {
            "id": "Observation.performer:org",
            "max": "1",
            "type": [{"code": "Reference", "targetProfile": ["http://hl7.org/fhir/StructureDefinition/Organization"]}],
        },
        {
            "id": "Observation.value[x]",
            "slicing": {"discriminator": [{"type": "type", "path": "$this"}], "rules": "open"},
        },
        {"id": "Observation.value[x]:valueQuantity", "type": [{"code": "Quantity"}]},
        {"id": "Observation.value[x]:valueQuantity.unit", "min": 1},
    )
    two = [{"reference": "Organization/1"}, {"reference": "https://x.example/Organization/2"}]
    assert issues(observation(performer=two), own) == [("cardinality-max", "Observation.performer")]
    assert issues(observation(performer=[two[0], {"reference": "Patient/1"}]), own) == []
    assert issues(observation(valueString="a"), own) == []
    assert issues(observation(valueQuantity={"value": Decimal("1.5")}), own) == [
        ("cardinality-min", "Observation.value.unit")
    ]


def test_slices_of_bundle_entries_by_the_profile_of_their_resource():
    men = profile("men", "Patient", {"id": "Patient.gender", "min": 1, "fixedCode": "male"})
    own = profile(
        "b",
        "Bundle",
        {
            "id": "Bundle.entry",
            "slicing": {"discriminator": [{"type": "profile", "path": "resource"}], "rules": "closed"},
        },
        {"id": "Bundle.entry:men", "min": 1, "max": "1"},
        {"id": "Bundle.entry:men.resource", "type": [{"code": "Patient", "profile": [men["url"]]}]},
    )

    def bundle(*genders: str) -> dict[str, Any]:
        entries = [
            {"fullUrl": f"urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e{n}", "resource": patient(gender=gender)}
            for n, gender in enumerate(genders)
        ]
        return {"resourceType": "Bundle", "type": "collection", "entry": entries}

    assert issues(bundle("male"), men, own) == []
    assert issues(bundle("male", "female"), men, own) == [("slice-unknown", "Bundle.entry[1]")]
    assert issues(bundle("male", "male"), men, own) == [("cardinality-max", "Bundle.entry")]


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


def test_an_invariant_of_a_slice_is_asked_of_its_items_only():
    rule = {"key": "ins-1", "severity": "error", "human": "h", "expression": "value.length() = 15"}
    own = _identifiers(BY_SYSTEM, {"id": "Patient.identifier:ins", "constraint": [rule]})
    assert issues(_systems(OTHER, INS), own) == [("ins-1", "Patient.identifier[1]")]


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
