"""What each form of each parameter type asks: https://hl7.org/fhir/R4/search.html#parameters, clause by clause."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from fhir_server.store.filters import (
    NOTHING,
    And,
    Filter,
    Id,
    Linked,
    LinkedFrom,
    Missing,
    Near,
    Not,
    Or,
    Range,
    Refers,
    String,
    Text,
    Together,
    Token,
    Uri,
    either,
)
from tests.search.reading_of import where

UCUM = "http://unitsofmeasure.org"


def chain(param: str, type: str, where: Token | String | Or) -> Or:
    """A chain that asks one row: of what `param` refers to, or of what it leads to among the contained resources."""
    leaves: list[Filter] = []
    for part in where.parts if isinstance(where, Or) else (where,):
        prefixed = f"{param}:{type}.{part.param}"  # type: ignore[union-attr]
        leaves.append(replace(part, param=prefixed))  # type: ignore[call-arg]
    return Or((Linked(param, type, where), *leaves))


def below(number: float) -> float:
    return math.nextafter(number, -math.inf)


def above(number: float) -> float:
    return math.nextafter(number, math.inf)


@pytest.mark.parametrize(
    ("query", "filter"),
    [
        # string
        ("Patient?name=eve", String("name", "eve")),
        ("Patient?name=Ève", String("name", "eve")),
        ("Patient?name=O%27Brien", String("name", "o brien")),
        ("Patient?name:contains=Eve", String("name", "eve", "contains")),
        ("Patient?name:exact=Eve", String("name", "Eve", "exact")),
        (
            "Patient?name:text=Anne+Marie",
            And((String("name", "anne", "contains"), String("name", "marie", "contains"))),
        ),
        ("Patient?name=a,b", Or((String("name", "a"), String("name", "b")))),
        ("Patient?name=a%5C,b", String("name", "a b")),
        ("Patient?name=a&name=b", And((String("name", "a"), String("name", "b")))),
        ("Patient?name=-", NOTHING),
        # token
        ("Patient?gender=male", Token("gender", "male")),
        ("Patient?gender=Male", Or((Token("gender", "Male"), Token("gender", "male")))),
        ("Patient?identifier=s|V1", Token("identifier", "v1", "s")),
        ("Patient?identifier=|v1", Token("identifier", "v1", "")),
        ("Patient?identifier=s|", Token("identifier", None, "s")),
        ("Patient?identifier=a%5C|b", Token("identifier", "a|b")),
        ("Observation?code=http://loinc.org|1234-5", Token("code", "1234-5", "http://loinc.org")),
        ("Patient?gender:not=male,female", Not(Or((Token("gender", "male"), Token("gender", "female"))))),
        ("Condition?code:text=Head", String("code:text", "head")),
        (
            "Patient?identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|MR|446053",
            Token("identifier:of-type", "mr|446053", "http://terminology.hl7.org/CodeSystem/v2-0203"),
        ),
        (
            "DocumentReference?contenttype:below=text/xml",
            Or(
                (
                    Token("contenttype", "text/xml"),
                    String("contenttype", "text/xml;"),
                    String("contenttype", "text/xml ;"),
                )
            ),
        ),
        # missing
        ("Patient?birthdate:missing=true", Missing("birthdate")),
        ("Patient?birthdate:missing=false", Not(Missing("birthdate"))),
        ("Patient?gender:missing=true", And((Missing("gender"), Missing("gender:text")))),
        # reference
        ("Observation?patient=23", Refers("patient", "Patient/23")),
        ("Observation?subject=Patient/23", Refers("subject", "Patient/23")),
        ("Observation?subject:Patient=23", Refers("subject", "Patient/23")),
        ("Observation?subject:Patient=Patient/23", Refers("subject", "Patient/23")),
        ("Observation?subject=http://localhost/fhir/Patient/23", Refers("subject", "Patient/23")),
        ("Observation?subject=http://other.org/Patient/23", Refers("subject", "http://other.org/Patient/23")),
        ("Observation?subject=Patient/23/_history/4", Refers("subject", "Patient/23", "4")),
        ("Observation?subject:identifier=s|v", Token("subject:identifier", "v", "s")),
        ("QuestionnaireResponse?questionnaire=http://x.org/q|2", Refers("questionnaire", "http://x.org/q", "2")),
        ("QuestionnaireResponse?questionnaire:below=http://x.org/q", Refers("questionnaire", "http://x.org/q")),
        (
            "QuestionnaireResponse?questionnaire:below=http://x.org/q|1",
            Refers("questionnaire:below", "http://x.org/q", "1"),
        ),
        # uri
        ("ValueSet?url=http://acme.org/fhir/ValueSet/123", Uri("url", "http://acme.org/fhir/ValueSet/123")),
        ("ValueSet?url=urn:oid:1.2.3", Uri("url", "urn:oid:1.2.3")),
        ("ValueSet?url=http://acme.org/v|1.0", And((Uri("url", "http://acme.org/v"), Token("version", "1.0")))),
        ("ValueSet?url:below=http://acme.org/fhir/", Uri("url", "http://acme.org/fhir", "below")),
        (
            "ValueSet?url:above=http://acme.org/fhir",
            Or(
                tuple(
                    Uri("url", u)
                    for u in ("http://acme.org/fhir", "http://acme.org/fhir/", "http://acme.org", "http://acme.org/")
                )
            ),
        ),
        ("Patient?_profile=http://acme.org/p|2", Refers("_profile", "http://acme.org/p", "2")),
        # number: digits count for eq, ne and ap, and not for the others
        ("RiskAssessment?probability=100", Range("probability", low_from=99.5, high_to=below(100.5))),
        ("RiskAssessment?probability=100.00", Range("probability", low_from=99.995, high_to=below(100.005))),
        ("RiskAssessment?probability=1e2", Range("probability", low_from=95.0, high_to=below(105.0))),
        ("RiskAssessment?probability=lt100", Range("probability", low_to=below(100.0))),
        ("RiskAssessment?probability=le100", Range("probability", low_to=100.0)),
        ("RiskAssessment?probability=gt100", Range("probability", high_from=above(100.0))),
        ("RiskAssessment?probability=ge100", Range("probability", high_from=100.0)),
        ("RiskAssessment?probability=sa100", Range("probability", low_from=above(100.0))),
        ("RiskAssessment?probability=eb100", Range("probability", high_to=below(100.0))),
        ("RiskAssessment?probability=ap100", Range("probability", low_to=110.0, high_from=90.0)),
        (
            "RiskAssessment?probability=ne100",
            Or((Range("probability", low_to=below(99.5)), Range("probability", high_from=100.5))),
        ),
        # quantity
        ("Observation?value-quantity=gt5.4", Range("value-quantity", high_from=above(5.4))),
        ("Observation?value-quantity=le5.4||mg", Range("value-quantity", low_to=5.4, code="mg")),
        (
            "Observation?value-quantity=le5.4|http://acme.org|mg",
            Range("value-quantity", low_to=5.4, code="mg", system="http://acme.org"),
        ),
        (
            "Observation?value-quantity=le5.4|http://unitsofmeasure.org|mg",
            Range("value-quantity:ucum", low_to=0.0054, code="g", system=UCUM),
        ),
        (
            "Observation?value-quantity=le5.4|http://unitsofmeasure.org|nonsense",
            Range("value-quantity", low_to=5.4, code="nonsense", system=UCUM),
        ),
        # composite
        (
            "Observation?code-value-quantity=http://loinc.org|8480-6$lt60",
            Together(
                (
                    Token("code-value-quantity$1", "8480-6", "http://loinc.org"),
                    Range("code-value-quantity$2", low_to=below(60.0)),
                )
            ),
        ),
        # special
        ("Location?near=48.85|2.35|10|km", Near("near", 48.85, 2.35, 10_000.0)),
        ("Location?near=48.85|2.35|500|m", Near("near", 48.85, 2.35, 500.0)),
        ("Location?near=48.85|2.35|10", Near("near", 48.85, 2.35, 10_000.0)),
        ("Location?near=48.85|2.35", Near("near", 48.85, 2.35, 50_000.0)),
        ("Patient?_id=a,b", Id(("a", "b"))),
        ("Patient?_id:not=a", Not(Id(("a",)))),
        ("Patient?_list=42", LinkedFrom("List", "item", Id(("42",)))),
        ("Patient?_list=List/42", LinkedFrom("List", "item", Id(("42",)))),
        (
            "Condition?_text=bone+metastases",
            And((Text("narrative", ("bone",)), Text("narrative", ("metastases",)))),
        ),
        (
            "Condition?_content=(bone+OR+liver)+and+metastases",
            And((Or((Text("content", ("bone",)), Text("content", ("liver",)))), Text("content", ("metastases",)))),
        ),
        ("Condition?_text=bone+NOT+liver", And((Text("narrative", ("bone",)), Not(Text("narrative", ("liver",)))))),
        # chains
        ("DiagnosticReport?subject:Patient.name=peter", chain("subject", "Patient", String("name", "peter"))),
        ("Observation?patient.name:exact=Peter", chain("patient", "Patient", String("name", "Peter", "exact"))),
        (
            "Observation?patient.organization.name=x",
            chain("patient", "Patient", chain("organization", "Organization", String("name", "x"))),
        ),
        ("Observation?patient._id=5", Linked("patient", "Patient", Id(("5",)))),
        (
            "Patient?_has:Observation:patient:code=1234-5",
            LinkedFrom("Observation", "patient", Token("code", "1234-5")),
        ),
        (
            "Patient?_has:Observation:patient:_has:AuditEvent:entity:agent=Device/1",
            LinkedFrom("Observation", "patient", LinkedFrom("AuditEvent", "entity", Refers("agent", "Device/1"))),
        ),
        (
            "Patient?_has:Observation:patient:device.identifier=7",
            LinkedFrom(
                "Observation",
                "patient",
                either(
                    [
                        chain("device", "Device", Token("identifier", "7")),
                        chain("device", "DeviceMetric", Token("identifier", "7")),
                    ]
                ),
            ),
        ),
        (
            "Encounter?patient._has:Group:member:_id=g",
            Linked("patient", "Patient", LinkedFrom("Group", "member", Id(("g",)))),
        ),
    ],
)
async def test_what_is_written_becomes_this_filter(query: str, filter: Filter) -> None:
    assert await where(query) == filter


async def test_a_bare_id_means_any_type_the_parameter_may_refer_to() -> None:
    found = await where("Observation?subject=23")
    assert isinstance(found, Or)
    assert set(found.parts) == {Refers("subject", f"{type}/23") for type in ("Patient", "Group", "Device", "Location")}


async def test_an_untyped_chain_goes_through_every_type_that_has_the_parameter() -> None:
    found = await where("Observation?subject.birthdate:missing=true")
    inside = Together((Token("subject:contained", "Patient"), Missing("subject:Patient.birthdate")))
    assert found == Or((Linked("subject", "Patient", Missing("birthdate")), inside))
    names = await where("Observation?subject.name=x")
    assert isinstance(names, Or)
    assert {part.type for part in names.parts if isinstance(part, Linked)} == {"Patient", "Location"}


async def test_a_hierarchy_is_followed_down_and_up() -> None:
    down = await where("Procedure?location:below=42")
    assert isinstance(down, Or)
    assert down.parts[0] == Refers("location", "Location/42")
    assert "partof" in repr(down.parts[1]) and "LinkedFrom" not in repr(down)
    up = await where("MedicationAdministration?context:above=Encounter/21")
    assert "LinkedFrom(type='Encounter', param='part-of'" in repr(up)


DAY = 86_400_000_000
#: 2013-01-14 in Paris, in µs: one hour ahead of UTC.
L = 1_358_118_000_000_000
H = L + DAY - 1


@pytest.mark.parametrize(
    ("prefix", "filter"),
    [
        ("", Range("birthdate", low_from=L, high_to=H)),
        ("eq", Range("birthdate", low_from=L, high_to=H)),
        ("ne", Or((Range("birthdate", low_to=L - 1), Range("birthdate", high_from=H + 1)))),
        ("gt", Range("birthdate", high_from=H + 1)),
        ("lt", Range("birthdate", low_to=L - 1)),
        (
            "ge",
            And(
                (
                    Range("birthdate", high_from=L),
                    Or((Range("birthdate", high_from=H + 1), Range("birthdate", low_from=L, high_to=H))),
                )
            ),
        ),
        (
            "le",
            And(
                (
                    Range("birthdate", low_to=H),
                    Or((Range("birthdate", low_to=L - 1), Range("birthdate", low_from=L, high_to=H))),
                )
            ),
        ),
        ("sa", Range("birthdate", low_from=H + 1)),
        ("eb", Range("birthdate", high_to=L - 1)),
    ],
)
async def test_a_prefix_compares_ranges_as_its_table_says(prefix: str, filter: Filter) -> None:
    """https://hl7.org/fhir/R4/search.html#prefix"""
    assert await where(f"Patient?birthdate={prefix}2013-01-14") == filter


async def test_the_approximation_of_a_date_is_a_tenth_of_its_distance_from_now() -> None:
    found = await where("Patient?birthdate=ap2013-01-14")
    assert isinstance(found, Range) and found.low_to is not None and found.high_from is not None
    assert found.low_to - H == L - found.high_from
    assert found.low_to - H > 365 * DAY


async def test_a_zone_that_lost_its_plus_in_a_form_is_understood() -> None:
    assert await where("Patient?birthdate=2013-01-14T10:00:00+02:00") == await where(
        "Patient?birthdate=2013-01-14T10:00:00%2B02:00"
    )
