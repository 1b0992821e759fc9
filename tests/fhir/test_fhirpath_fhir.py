"""What R4 adds to FHIRPath: choice types, primitives with extensions, references, types and variables.

https://hl7.org/fhir/R4/fhirpath.html
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fhir_server.fhir.fhirpath.environment import Services
from fhir_server.fhir.fhirpath.errors import EvaluationError
from fhir_server.fhir.fhirpath.expression import compile
from fhir_server.fhir.fhirpath.functions_conversion import to_string
from fhir_server.fhir.fhirpath.nodes import root, step

OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "status": "final",
    "_status": {"id": "s1"},
    "contained": [{"resourceType": "Patient", "id": "p", "active": True}],
    "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
    "subject": {"reference": "#p"},
    "performer": [{"reference": "Practitioner/1"}, {"reference": "http://example.org/fhir/Organization/2/_history/3"}],
    "valueQuantity": {"value": Decimal("72.50"), "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
    "component": [
        {
            "code": {"text": "a"},
            "valueString": "x",
            "_valueString": {"extension": [{"url": "http://e", "valueCode": "c"}]},
        },
        {"code": {"text": "b"}, "_valueDateTime": {"extension": [{"url": "http://e", "valueAge": {"value": 3}}]}},
    ],
}
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p1",
    "birthDate": "1974-12-25",
    "_birthDate": {
        "extension": [
            {
                "url": "http://hl7.org/fhir/StructureDefinition/patient-birthTime",
                "valueDateTime": "1974-12-25T14:35:45Z",
            }
        ]
    },
    "gender": "female",
    "name": [
        {
            "given": ["Ada", None, "Bea"],
            "_given": [None, {"extension": [{"url": "http://e", "valueBoolean": True}]}, None],
        }
    ],
    "deceasedBoolean": False,
}
TRUE, FALSE, EMPTY = ["true"], ["false"], []


def answer(expression: str, tree: dict[str, Any] = OBSERVATION, **given: Any) -> list[str | None]:
    return [to_string(node.system) for node in compile(expression).values(tree, **given)]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("value.unit", ["kg"]),
        ("Observation.value.value", ["72.50"]),
        ("valueQuantity", EMPTY),
        ("value is Quantity", TRUE),
        ("value.is(FHIR.Quantity)", TRUE),
        ("value as Period", EMPTY),
        ("value.as(Quantity).code", ["kg"]),
        ("value = 72.5 'kg'", TRUE),
        ("value > 70 'kg'", TRUE),
        ("value < 200 '[lb_av]'", TRUE),
        ("value ~ 72500 'g'", TRUE),
        ("component.value", ["x", None]),
        ("component.value.ofType(string)", ["x"]),
        ("component.value.extension.value is Age", None),
        ("component[1].value.extension('http://e').value is Age", TRUE),
        ("component[1].value.extension('http://e').value is Quantity", TRUE),
        ("component[1].value.extension('http://e').value is Duration", FALSE),
        ("component.value.hasValue()", FALSE),
        ("component[0].value.hasValue()", TRUE),
        ("component[1].value.hasValue()", FALSE),
        ("component[1].value.exists()", TRUE),
        ("component[1].value.getValue()", EMPTY),
        ("status.getValue() is String", TRUE),
        ("status.id", ["s1"]),
        ("status is code", TRUE),
        ("status is string", TRUE),
        ("status is id", FALSE),
        ("status is String", FALSE),
        ("status.as(string)", EMPTY),
        ("status.as(System.string)", ["final"]),
        ("status.ofType(System.String)", ["final"]),
        ("status.ofType(System.Integer)", EMPTY),
        ("status.getValue().is(System.string)", TRUE),
        ("status.value is System.String", TRUE),
        ("status.value.exists()", TRUE),
        ("component[1].value.value", EMPTY),
        ("contained.id is id", TRUE),
        ("contained.id is string", TRUE),
        ("status.id is id", FALSE),
        ("status.ofType(code)", ["final"]),
        ("Resource.status", ["final"]),
        ("DomainResource.status", ["final"]),
        ("Patient.status", EMPTY),
        ("is(DomainResource)", TRUE),
        ("is(System.Observation)", FALSE),
        ("component.first() is BackboneElement", TRUE),
        ("component.first() is Element", TRUE),
        ("type().name", ["Observation"]),
        ("status.type().namespace & '.' & status.type().name", ["FHIR.code"]),
        ("1.type().namespace & '.' & 1.type().name", ["System.Integer"]),
        ("code.coding.where(system = %loinc).code", ["29463-7"]),
        ("contained.id", ["p"]),
        ("contained.active", TRUE),
        ("contained is Patient", TRUE),
        ("conformsTo('http://hl7.org/fhir/StructureDefinition/Observation')", TRUE),
        ("conformsTo('http://hl7.org/fhir/StructureDefinition/Patient')", FALSE),
        ("elementDefinition()", EMPTY),
        ("checkModifiers('http://known').status", ["final"]),
        ("%`vs-observation-status`", ["http://hl7.org/fhir/ValueSet/observation-status"]),
        ("%`ext-patient-birthTime`", ["http://hl7.org/fhir/StructureDefinition/patient-birthTime"]),
        ("%'sct'", ["http://snomed.info/sct"]),
        ('%"vs-observation-status"', ["http://hl7.org/fhir/ValueSet/observation-status"]),
        ("%ucum", ["http://unitsofmeasure.org"]),
        ("component.select(%resource.status)", ["final", "final"]),
        ("component.select(%context.status)", ["final", "final"]),
        ("contained.select(%rootResource.status)", ["final"]),
    ],
)
def test_an_observation_is_read_as_r4_says(expression: str, expected: list[str] | None) -> None:
    if expected is None:
        with pytest.raises(EvaluationError):
            answer(expression)
    else:
        assert answer(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("birthDate", ["1974-12-25"]),
        ("birthDate = @1974-12-25", TRUE),
        ("birthDate = '1974-12-25'", FALSE),
        ("birthDate < today()", TRUE),
        ("birthDate != @1974-12-25T12:34:00Z", EMPTY),
        ("birthDate != @T12:14", TRUE),
        ("birthDate + 1 month", ["1975-01-25"]),
        (
            "birthDate.extension('http://hl7.org/fhir/StructureDefinition/patient-birthTime').value",
            ["1974-12-25T14:35:45Z"],
        ),
        ("birthDate.extension('http://other')", EMPTY),
        ("birthDate.hasExtension(%`ext-patient-birthTime`)", TRUE),
        ("birthDate.children().count()", ["1"]),
        ("birthDate.extension({})", EMPTY),
        ("name.given", ["Ada", None, "Bea"]),
        ("name.given[1].extension.value", TRUE),
        ("deceased.exists() and deceased != false", FALSE),
        ("deceased is boolean", TRUE),
        ("deceased is Boolean", FALSE),
        ("gender & '!'", ["female!"]),
        ("id & birthDate.toString()", ["p11974-12-25"]),
        ("meta.versionId", EMPTY),
    ],
)
def test_a_patient_is_read_as_r4_says(expression: str, expected: list[str | None]) -> None:
    assert answer(expression, PATIENT) == expected


@pytest.mark.parametrize(
    ("expression", "paths"),
    [
        ("name.given", ["Patient.name[0].given[0]", "Patient.name[0].given[1]", "Patient.name[0].given[2]"]),
        ("birthDate.extension.value", ["Patient.birthDate.extension[0].value"]),
        ("deceased", ["Patient.deceased"]),
        ("$this", ["Patient"]),
        ("name.count()", [""]),
    ],
)
def test_a_node_knows_its_place(expression: str, paths: list[str]) -> None:
    assert [node.path for node in compile(expression).values(PATIENT)] == paths


def test_a_node_gives_its_value_as_json_and_its_type() -> None:
    found = compile("birthDate | 1.50 | @2012 | 4 'mg' | name").values(PATIENT)
    assert [(node.json if node.type != "HumanName" else "", node.type) for node in found] == [
        ("1974-12-25", "date"),
        (Decimal("1.50"), "System.Decimal"),
        ("2012", "System.Date"),
        ({"value": 4, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}, "System.Quantity"),
        ("", "HumanName"),
    ]


def test_an_expression_can_start_from_an_element_and_still_know_its_resource() -> None:
    component = step([root(OBSERVATION)], "component")[0]
    assert answer("value & %resource.status & %rootResource.status & %context.value", component) == ["xfinalfinalx"]  # type: ignore[arg-type]
    inner = step([root(OBSERVATION)], "contained")[0]
    assert answer("%resource.id | %rootResource.status", inner) == ["p", "final"]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("subject.resolve().active", TRUE),
        ("subject.resolve() is Patient", TRUE),
        ("performer.resolve()", EMPTY),
        ("performer.where(resolve() is Practitioner).reference", ["Practitioner/1"]),
        ("performer.where(resolve() is Organization).count()", ["1"]),
        ("performer.where(resolve().is(Practitioner)).count()", ["1"]),
        ("performer.where(resolve() is DomainResource).count()", ["2"]),
        ("performer.where(resolve() is Device)", EMPTY),
    ],
)
def test_a_reference_is_judged_by_what_it_says_and_followed_inside_the_resource(
    expression: str, expected: list[str]
) -> None:
    # https://hl7.org/fhir/R4/fhirpath.html#functions: resolve()
    assert answer(expression) == expected


def test_a_reference_is_followed_through_the_host_and_within_a_bundle() -> None:
    practitioner = {"resourceType": "Practitioner", "id": "1", "active": True}
    assert answer("performer.resolve().id", resolve={"Practitioner/1": practitioner}.get) == ["1"]
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {"fullUrl": "urn:uuid:1", "resource": OBSERVATION | {"subject": {"reference": "urn:uuid:2"}}},
            {"fullUrl": "urn:uuid:2", "resource": practitioner},
        ],
    }
    assert answer("entry.resource.subject.resolve().id", bundle) == ["1"]
    assert answer("entry.resource.subject.where(resolve() is Practitioner).exists()", bundle) == TRUE
    assert answer("entry.resource.performer.resolve().id", bundle) == ["1"]


def test_variables_of_the_host_are_nodes_values_or_lists() -> None:
    given = {"one": 1, "names": ["a", "b"], "who": PATIENT, "node": root(PATIENT), "none": None}
    for expression, expected in [
        ("%one + 1", ["2"]),
        ("%names", ["a", "b"]),
        ("%who.gender", ["female"]),
        ("%node.gender", ["female"]),
        ("%none", EMPTY),
    ]:
        assert answer(expression, variables=given) == expected


def test_terminology_and_profiles_are_the_hosts() -> None:
    services = Services(
        member_of=lambda value, type, url: (value, type, url) == ("final", "code", "http://vs"),
        subsumes=lambda system, above, below: (above, below) == ("a", "b"),
        conforms_to=lambda value, type, url: url == "http://profile",
    )
    for expression, expected in [
        ("status.memberOf('http://vs')", TRUE),
        ("status.memberOf('http://other')", FALSE),
        ("conformsTo('http://profile')", TRUE),
        ("code.coding.subsumes(code.coding)", TRUE),
        ("code.subsumedBy(code)", TRUE),
    ]:
        assert answer(expression, services=services) == expected
    assert answer("status.memberOf('http://vs')") == EMPTY


@pytest.mark.parametrize(
    "expression",
    [
        "conformsTo('http://unheard.example')",
        "slice('http://s', 'n')",
        "component.as(BackboneElement)",
        "component.is(Element)",
    ],
)
def test_what_r4_does_not_let_be_answered_is_an_error(expression: str) -> None:
    with pytest.raises(EvaluationError):
        answer(expression)


def test_how_codes_of_different_systems_stand_to_each_other_is_an_error() -> None:
    # https://hl7.org/fhir/R4/fhirpath.html#functions: subsumes()
    tree = OBSERVATION | {"category": [{"coding": [{"system": "http://other", "code": "29463-7"}]}]}
    for expression in ("code.coding.subsumes(%resource.category.coding)", "category.subsumedBy(%resource.code)"):
        with pytest.raises(EvaluationError):
            answer(expression, tree)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ({"system": "s", "code": "a", "display": "A", "version": "1"}, {"system": "s", "code": "a"}, TRUE),
        ({"system": "s", "code": "a", "id": "x"}, {"system": "s", "code": "a", "userSelected": True}, TRUE),
        ({"system": "s", "code": "a"}, {"system": "s", "code": "A"}, FALSE),
        ({"system": "s", "code": "a"}, {"system": "t", "code": "a"}, FALSE),
        ({"system": "s", "code": "a"}, {"code": "a"}, FALSE),
    ],
)
def test_codings_are_equivalent_by_system_and_code(left: Any, right: Any, expected: list[str]) -> None:
    # https://hl7.org/fhir/R4/fhirpath.html#changes
    tree = {"resourceType": "Observation", "code": {"coding": [left]}, "method": {"coding": [right], "text": "other"}}
    assert answer("code.coding ~ method.coding", tree) == expected
    assert answer("code ~ method", tree) == expected
    assert answer("code !~ method", tree) == (FALSE if expected == TRUE else TRUE)


def test_concepts_are_equivalent_when_they_share_one_coding() -> None:
    one, two, three = ({"system": "s", "code": code} for code in "abc")
    tree = {"resourceType": "Observation", "code": {"coding": [one, two]}, "method": {"coding": [three, two]}}
    assert answer("code ~ method", tree) == TRUE
    assert answer("code ~ method", tree | {"method": {"coding": [three]}}) == FALSE
    assert answer("code ~ method", tree | {"code": {"text": "x"}, "method": {"text": "x"}}) == FALSE


def test_only_a_narrative_is_checked_for_html() -> None:
    # https://hl7.org/fhir/R4/fhirpath.html#functions: htmlChecks()
    assert answer("status.htmlChecks() | 'a'.htmlChecks() | text.htmlChecks()") == EMPTY


def test_an_unknown_modifier_extension_is_an_error() -> None:
    with pytest.raises(EvaluationError):
        answer("checkModifiers('http://known')", OBSERVATION | {"modifierExtension": [{"url": "http://unknown"}]})


@pytest.mark.parametrize(
    ("div", "allowed"),
    [
        ("<p>text</p>", True),
        ("<p style='color:red' class='x' lang='fr'>&eacute;&nbsp;a</p>", True),
        ("<img src='#1' alt='x'/>", True),
        ("<a href='http://example.org' name='n'>x</a>", True),
        ("<table><tr><td colspan='2'>x</td></tr></table>", True),
        ("<p> </p>", False),
        ("<script>x</script>", False),
        ("<p onclick='x()'>x</p>", False),
        ("<form>x</form>", False),
        ("<p>unclosed", False),
        ("<iframe src='x'>x</iframe>", False),
    ],
)
def test_a_narrative_keeps_to_basic_html(div: str, allowed: bool) -> None:
    # https://hl7.org/fhir/R4/narrative.html#Narrative, txt-1 and txt-2
    text = f'<div xmlns="http://www.w3.org/1999/xhtml">{div}</div>'
    tree = {"resourceType": "Patient", "text": {"status": "generated", "div": text}}
    assert compile("text.`div`.htmlChecks()").holds(tree) is allowed


def test_a_narrative_cannot_bring_entities_or_another_element() -> None:
    for text in (
        '<!DOCTYPE div [<!ENTITY a "b">]><div xmlns="http://www.w3.org/1999/xhtml">&a;</div>',
        "<div>x</div>",
        "",
        "x",
    ):
        assert not compile("text.`div`.htmlChecks()").holds({"resourceType": "Patient", "text": {"div": text}})


@pytest.mark.parametrize(
    "tree",
    [
        {
            "resourceType": "Patient",
            "name": "x",
            "birthDate": {"a": 1},
            "active": [True],
            "contact": [[{"name": 1}], None, 3],
        },
        {"resourceType": "Patient", "birthDate": "yesterday", "multipleBirthInteger": "x", "_name": [], "link": {}},
        {
            "resourceType": "Patient",
            "extension": [{"url": 1, "valueQuantity": {"value": "x"}}],
            "contained": [{"resourceType": []}, {}, 1],
        },
    ],
)
def test_a_tree_that_is_not_valid_fhir_is_no_surprise(tree: dict[str, Any]) -> None:
    for expression in (
        "descendants()",
        "descendants().distinct()",
        "name.given.where($this = 'a')",
        "birthDate < today()",
        "extension('u').value = 3 'mg'",
        "multipleBirth > 1",
        "contact.name.family | contained.id",
        "contact.telecom.where(system = 'phone').exists()",
        "descendants().where(resolve() is Patient)",
        "descendants() ~ descendants()",
    ):
        try:
            compile(expression).values(tree)
        except EvaluationError as error:
            assert error.status == 422
