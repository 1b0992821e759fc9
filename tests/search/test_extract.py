"""What each datatype becomes in the index, as the tables of https://hl7.org/fhir/R4/search.html say.

#token, #string, #reference, #uri, #date, #number, #quantity, #combining, and https://hl7.org/fhir/R4/location.html#positional.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_server.fhir.dates import interval
from fhir_server.search.indexing.extract import extract
from fhir_server.search.parameters.registry import Registry
from fhir_server.store.filters import BEGINNING, END
from fhir_server.store.matching import pack, unpack
from tests.search.rows_of import BASE, REGISTRY, index, spans, words

UCUM = "http://unitsofmeasure.org"
LOINC = "http://loinc.org"
V2 = "http://terminology.hl7.org/CodeSystem/v2-0203"


def a(type: str, /, **members: Any) -> dict[str, Any]:
    return {"resourceType": type, **members}


TOKENS = [
    # Coding and CodeableConcept: system and code; small letters unless the system is known to tell them apart.
    (a("Observation", code={"coding": [{"system": LOINC, "code": "LP1-A"}]}), "code", [("lp1-a", LOINC)]),
    (a("Observation", code={"coding": [{"system": UCUM, "code": "mm[Hg]"}]}), "code", [("mm[Hg]", UCUM)]),
    (a("Observation", code={"coding": [{"code": "ABC"}]}), "code", [("abc", "")]),
    (a("Observation", code={"coding": [{"system": LOINC}]}), "code", [("", LOINC)]),
    (a("Observation", code={"coding": [{"system": "s", "code": "a"}, {"system": "s", "code": "b"}]}), "code", [("a", "s"), ("b", "s")]),
    (a("Observation", code={"text": "Only words"}), "code", []),
    (a("Observation", code={"text": "Ça va"}), "code:text", [("ca va", "Ça va")]),
    (a("Observation", code={"coding": [{"code": "a", "display": "Body Height"}], "text": "Height"}), "code:text", [("body height", "Body Height"), ("height", "Height")]),
    (a("Encounter", **{"class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}}), "class", [("AMB", "http://terminology.hl7.org/CodeSystem/v3-ActCode")]),
    (a("Patient", meta={"tag": [{"system": "s", "code": "T"}]}), "_tag", [("t", "s")]),
    (a("Patient", meta={"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]}), "_security", [("R", "http://terminology.hl7.org/CodeSystem/v3-Confidentiality")]),
    # Identifier: by system and value, and by type.
    (a("Patient", identifier=[{"system": "urn:oid:1.2", "value": "AB1"}]), "identifier", [("ab1", "urn:oid:1.2")]),
    (a("Patient", identifier=[{"value": "AB1"}]), "identifier", [("ab1", "")]),
    (a("Patient", identifier=[{"system": "urn:oid:1.2"}]), "identifier", [("", "urn:oid:1.2")]),
    (a("Patient", identifier=[{"value": "AB1", "type": {"coding": [{"system": V2, "code": "MR"}]}}]), "identifier:of-type", [("mr|ab1", V2)]),
    (a("Patient", identifier=[{"value": "1", "type": {"text": "Numéro"}}]), "identifier:text", [("numero", "Numéro")]),
    # ContactPoint: the use stands where a system would; a number also without what people put between digits.
    (a("Patient", telecom=[{"system": "phone", "use": "home", "value": "+33 (0)1.23-45"}]), "telecom", [("+33 (0)1.23-45", "home"), ("+33012345", "home")]),
    (a("Patient", telecom=[{"system": "email", "value": "A.B@c.example"}]), "email", [("a.b@c.example", "")]),
    (a("Patient", telecom=[{"system": "email", "value": "a@c.example"}]), "phone", []),
    # code: the system of the binding. boolean: the special values.
    (a("Patient", gender="male"), "gender", [("male", "http://hl7.org/fhir/administrative-gender")]),
    (a("Patient", address=[{"use": "home"}]), "address-use", [("home", "http://hl7.org/fhir/address-use")]),
    (a("Task", intent="order"), "intent", [("order", "http://hl7.org/fhir/request-intent")]),
    (a("Task", intent="unknown"), "intent", [("unknown", "http://hl7.org/fhir/task-intent")]),
    (a("Patient", active=True), "active", [("true", "http://hl7.org/fhir/special-values")]),
    (a("Patient", active=False), "active", [("false", "http://hl7.org/fhir/special-values")]),
    (a("Patient"), "deceased", [("false", "http://hl7.org/fhir/special-values")]),
    (a("Patient", deceasedDateTime="2020"), "deceased", [("true", "http://hl7.org/fhir/special-values")]),
    (a("Patient", deceasedBoolean=False), "deceased", [("false", "http://hl7.org/fhir/special-values")]),
    # string and others
    (a("ValueSet", version="1.0-B"), "version", [("1.0-b", "")]),
    (a("Device", udiCarrier=[{"deviceIdentifier": "X"}]), "udi-di", [("x", "X")]),
    (a("DocumentReference", content=[{"attachment": {"language": "fr-FR"}}]), "language", [("fr-fr", "urn:ietf:bcp:47")]),
    # An extension is found by its value.
    (a("Device", extension=[{"url": "http://hl7.org/fhir/SearchParameter/device-extensions-Device-din", "valueIdentifier": {"value": "D1"}}]), "din", [("d1", "")]),
]  # fmt: skip


@pytest.mark.parametrize("tree, param, expected", TOKENS)
def test_a_token_is_a_code_and_its_system(tree: dict[str, Any], param: str, expected: list[tuple[str, str]]) -> None:
    assert words(tree, param) == expected


STRINGS = [
    (a("Patient", name=[{"family": "Dùpont"}]), "family", [("dupont", "Dùpont")]),
    (a("Patient", name=[{"text": "T", "family": "F", "given": ["G1", "G2"], "prefix": ["P"], "suffix": ["S"]}]), "name", [("t", "T"), ("f", "F"), ("g1", "G1"), ("g2", "G2"), ("p", "P"), ("s", "S")]),
    (a("Patient", name=[{"family": "O'Neil"}]), "family", [("o neil", "O'Neil"), ("oneil", "O'Neil")]),
    (a("Patient", address=[{"text": "T", "line": ["L1", "L2"], "city": "C", "district": "D", "state": "S", "postalCode": "75001", "country": "FR"}]), "address", [("t", "T"), ("l1", "L1"), ("l2", "L2"), ("c", "C"), ("d", "D"), ("s", "S"), ("fr", "FR"), ("75001", "75001")]),
    (a("Patient", address=[{"period": {"start": "2020"}}]), "address", []),
    (a("ValueSet", description="Some **text**"), "description", [("some text", "Some **text**")]),
    (a("Observation", valueString="Positif"), "value-string", [("positif", "Positif")]),
    (a("Observation", valueCodeableConcept={"text": "Négatif"}), "value-string", [("negatif", "Négatif")]),
    (a("Patient", name=[{"given": ["A", None], "_given": [None, {"id": "x"}]}]), "given", [("a", "A")]),
    (a("Patient", name=[{"_family": {"extension": [{"url": "u", "valueCode": "masked"}]}}]), "family", []),
]  # fmt: skip


@pytest.mark.parametrize("tree, param, expected", STRINGS)
def test_a_string_is_kept_folded_and_as_written(
    tree: dict[str, Any], param: str, expected: list[tuple[str, str]]
) -> None:
    assert words(tree, param) == expected


def referring(**reference: Any) -> dict[str, Any]:
    return a("Observation", subject=reference)


REFERENCES = [
    (referring(reference="Patient/1"), "subject", [("Patient/1", "")]),
    (referring(reference="Patient/1"), "patient", [("Patient/1", "")]),
    (referring(reference="Group/1"), "patient", []),
    (referring(reference="Patient/1/_history/2"), "subject", [("Patient/1", "2")]),
    (referring(reference=f"{BASE}/Patient/1"), "subject", [("Patient/1", "")]),
    (referring(reference="https://else.example/fhir/Patient/1"), "subject", [("https://else.example/fhir/Patient/1", "")]),
    (referring(reference="https://else.example/fhir/Patient/1"), "patient", [("https://else.example/fhir/Patient/1", "")]),
    (referring(reference="urn:uuid:1"), "subject", [("urn:uuid:1", "")]),
    (referring(type="Patient", reference="urn:uuid:1"), "patient", [("urn:uuid:1", "")]),
    (referring(reference="#p"), "subject", [("#p", "")]),
    (referring(identifier={"system": "urn:oid:1", "value": "X"}), "subject", []),
    (referring(identifier={"system": "urn:oid:1", "value": "X"}), "subject:identifier", [("x", "urn:oid:1")]),
    (referring(display="Mme Zoé"), "subject:text", [("mme zoe", "Mme Zoé")]),
    # canonical and uri elements
    (a("QuestionnaireResponse", questionnaire="http://a.example/Q|1.2.3"), "questionnaire", [("http://a.example/Q", "1.2.3")]),
    (a("QuestionnaireResponse", questionnaire="http://a.example/Q|1.2.3"), "questionnaire:below", [("http://a.example/Q", "1"), ("http://a.example/Q", "1.2"), ("http://a.example/Q", "1.2.3")]),
    (a("QuestionnaireResponse", questionnaire="Questionnaire/q"), "questionnaire", [("Questionnaire/q", "")]),
    (a("ConceptMap", sourceUri="http://a.example/VS"), "source-uri", [("http://a.example/VS", "")]),
    # A document's composition stands where a reference would.
    (a("Bundle", type="document", entry=[{"resource": {"resourceType": "Composition", "id": "c"}}]), "composition", [("Composition/c", "")]),
    (a("Bundle", type="document", entry=[{"resource": {"resourceType": "Composition", "id": "c"}}]), "message", []),
]  # fmt: skip


@pytest.mark.parametrize("tree, param, expected", REFERENCES)
def test_a_reference_is_what_it_leads_to(tree: dict[str, Any], param: str, expected: list[tuple[str, str]]) -> None:
    assert words(tree, param) == expected


URIS = [
    (a("ValueSet", url="http://a.example/VS"), "url", [("http://a.example/VS", "")]),
    (a("ValueSet", url="urn:oid:1.2.3"), "url", [("urn:oid:1.2.3", "")]),
    (a("Patient", meta={"profile": ["http://a.example/P|1.0", "http://a.example/Q"]}), "_profile", [("http://a.example/P", "1.0"), ("http://a.example/Q", "")]),
    (a("Patient", meta={"source": "http://a.example/s#1"}), "_source", [("http://a.example/s#1", "")]),
    (a("CarePlan", instantiatesUri=["http://a.example/i"]), "instantiates-uri", [("http://a.example/i", "")]),
]  # fmt: skip


@pytest.mark.parametrize("tree, param, expected", URIS)
def test_a_uri_is_kept_as_it_is(tree: dict[str, Any], param: str, expected: list[tuple[str, str]]) -> None:
    assert words(tree, param) == expected


def days(low: str, high: str) -> tuple[int, int]:
    return interval(low, REGISTRY.zone)[0], interval(high, REGISTRY.zone)[1]


DATES = [
    (a("Patient", birthDate="1982"), "birthdate", days("1982", "1982")),
    (a("Observation", effectiveDateTime="2020-01-02T03:04:05Z"), "date", days("2020-01-02T03:04:05Z", "2020-01-02T03:04:05Z")),
    (a("Observation", effectiveInstant="2020-01-02T03:04:05.678+01:00"), "date", (days("2020-01-02T02:04:05.678Z", "2020")[0],) * 2),
    (a("Observation", effectivePeriod={"start": "2020-01", "end": "2020-03"}), "date", days("2020-01", "2020-03")),
    (a("Observation", effectivePeriod={"start": "2020-01"}), "date", (days("2020-01", "2020-01")[0], END)),
    (a("Observation", effectivePeriod={"end": "2020-03"}), "date", (BEGINNING, days("2020-03", "2020-03")[1])),
    (a("Observation", effectiveTiming={"event": ["2020-01-01", "2020-02-01"]}), "date", days("2020-01-01", "2020-02-01")),
    (a("Condition", onsetDateTime="2020"), "onset-date", days("2020", "2020")),
    (a("Procedure", performedPeriod={"start": "2020", "end": "2021"}), "date", days("2020", "2021")),
]  # fmt: skip


@pytest.mark.parametrize("tree, param, expected", DATES)
def test_a_date_is_an_interval(tree: dict[str, Any], param: str, expected: tuple[int, int]) -> None:
    assert spans(tree, param) == [(*expected, "", "")]


@pytest.mark.parametrize(
    "tree, param",
    [
        (a("Observation", effectivePeriod={}), "date"),
        (a("Observation", effectiveTiming={"code": {"text": "daily"}}), "date"),
        (a("Procedure", performedString="last summer"), "date"),
        (a("Procedure", performedAge={"value": 3, "unit": "a"}), "date"),
        (a("Patient", _birthDate={"extension": [{"url": "u", "valueCode": "unknown"}]}), "birthdate"),
        (a("Patient", birthDate="2023-02-30"), "birthdate"),
    ],
)
def test_what_is_no_date_has_no_row(tree: dict[str, Any], param: str) -> None:
    assert spans(tree, param) == []


NUMBERS = [
    (a("ChargeItem", factorOverride=Decimal("0.80")), "factor-override", [(0.8, 0.8, "", "")]),
    (a("MolecularSequence", variant=[{"start": 3, "end": 5}]), "variant-start", [(3.0, 3.0, "", "")]),
    (a("RiskAssessment", prediction=[{"probabilityDecimal": Decimal("0.5")}]), "probability", [(0.5, 0.5, "", "")]),
    (a("RiskAssessment", prediction=[{"probabilityRange": {"low": {"value": 1}, "high": {"value": 4}}}]), "probability", [(1.0, 4.0, "", "")]),
]  # fmt: skip


@pytest.mark.parametrize("tree, param, expected", NUMBERS)
def test_a_number_is_exactly_itself(
    tree: dict[str, Any], param: str, expected: list[tuple[float, float, str, str]]
) -> None:
    assert spans(tree, param) == expected


def measuring(**quantity: Any) -> dict[str, Any]:
    return a("Observation", valueQuantity=quantity)


MG = {"unit": "milligram", "code": "mg", "system": UCUM}
QUANTITIES = [
    (measuring(value=Decimal("5.4"), **MG), "value-quantity", [(5.4, 5.4, "mg", UCUM), (5.4, 5.4, "milligram", "")]),
    (measuring(value=Decimal("5.4"), **MG), "value-quantity:ucum", [(0.0054, 0.0054, "g", UCUM)]),
    (measuring(value=5, unit="mg", code="mg", system=UCUM), "value-quantity", [(5.0, 5.0, "mg", UCUM)]),
    (measuring(value=5, unit="drops"), "value-quantity", [(5.0, 5.0, "drops", "")]),
    (measuring(value=5), "value-quantity", [(5.0, 5.0, "", "")]),
    (measuring(value=5, code="tbl", system="http://a.example"), "value-quantity", [(5.0, 5.0, "tbl", "http://a.example")]),
    (measuring(value=5, code="tbl", system="http://a.example"), "value-quantity:ucum", []),
    (measuring(value=5, code="nonsense", system=UCUM), "value-quantity:ucum", []),
    (measuring(unit="mg"), "value-quantity", []),
    (measuring(value=5, comparator="<"), "value-quantity", [(BEGINNING, math.nextafter(5, 0), "", "")]),
    (measuring(value=5, comparator="<="), "value-quantity", [(BEGINNING, 5.0, "", "")]),
    (measuring(value=5, comparator=">"), "value-quantity", [(math.nextafter(5, 6), END, "", "")]),
    (measuring(value=5, comparator=">="), "value-quantity", [(5.0, END, "", "")]),
    (measuring(value=5, comparator=">=", code="mg", system=UCUM), "value-quantity:ucum", [(0.005, END, "g", UCUM)]),
    (measuring(value=-40, code="Cel", system=UCUM), "value-quantity:ucum", [(233.15, 233.15, "K", UCUM)]),
    (a("Observation", valueSampledData={"origin": {"value": 10, "code": "mV", "system": "s"}, "period": 1, "dimensions": 1, "factor": 2, "data": "-1 E 3 U 2"}), "value-quantity", [(8.0, 16.0, "mV", "s")]),
    (a("Condition", onsetRange={"low": {"value": 2, "unit": "a"}, "high": {"value": 4, "unit": "a"}}), "onset-age", [(2.0, 4.0, "a", "")]),
    (a("Condition", onsetRange={"high": {"value": 4, "unit": "a"}}), "onset-age", [(BEGINNING, 4.0, "a", "")]),
    (a("Condition", onsetAge={"value": 4, "code": "a", "system": UCUM}), "onset-age", [(4.0, 4.0, "a", UCUM)]),
    (a("Invoice", totalGross={"value": Decimal("9.90"), "currency": "EUR"}), "totalgross", [(9.9, 9.9, "EUR", "urn:iso:std:iso:4217")]),
]  # fmt: skip


@pytest.mark.parametrize("tree, param, expected", QUANTITIES)
def test_a_quantity_is_a_range_in_each_of_its_units(
    tree: dict[str, Any], param: str, expected: list[tuple[float, float, str, str]]
) -> None:
    assert spans(tree, param) == expected


def grouped(tree: dict[str, Any], code: str) -> dict[int, set[tuple[str, str | float]]]:
    """Group → the rows of a composite as (part, value)."""
    found: dict[int, set[tuple[str, str | float]]] = {}
    for word in index(tree).words:
        if word.param.startswith(f"{code}$"):
            found.setdefault(word.group, set()).add((word.param.removeprefix(code), word.value))
    for span in index(tree).spans:
        if span.param.startswith(f"{code}$"):
            found.setdefault(span.group, set()).add((span.param.removeprefix(code), span.low))
    return found


def coded(code: str) -> dict[str, Any]:
    return {"coding": [{"system": LOINC, "code": code}]}


PRESSURE = a("Observation", code=coded("85354-9"), component=[{"code": coded("8480-6"), "valueQuantity": {"value": 120}}, {"code": coded("8462-4"), "valueQuantity": {"value": 80}}, {"code": coded("0")}])  # fmt: skip


def test_the_parts_of_a_composite_share_a_group_for_each_element() -> None:
    found = grouped(PRESSURE, "component-code-value-quantity")
    assert len(found) == 2
    assert {("$1", "8480-6"), ("$2", 120.0)} in found.values()
    assert {("$1", "8462-4"), ("$2", 80.0)} in found.values()
    assert 0 not in found


def test_an_element_with_only_some_parts_of_a_composite_has_no_group() -> None:
    assert grouped(PRESSURE, "code-value-quantity") == {}
    assert len(grouped(PRESSURE, "combo-code-value-quantity")) == 2


@pytest.mark.parametrize(
    "tree, code, expected",
    [
        (a("Observation", code=coded("1"), valueQuantity={"value": 7}), "code-value-quantity", {("$1", "1"), ("$2", 7.0)}),
        (a("Observation", code=coded("1"), valueString="Été"), "code-value-string", {("$1", "1"), ("$2", "ete")}),
        (a("Observation", code=coded("1"), valueCodeableConcept=coded("2")), "code-value-concept", {("$1", "1"), ("$2", "2")}),
        (a("Observation", code=coded("1"), valueDateTime="1970-01-01T00:00:00Z"), "code-value-date", {("$1", "1"), ("$2", 0)}),
        (a("DocumentReference", relatesTo=[{"code": "replaces", "target": {"reference": "DocumentReference/9"}}]), "relationship", {("$1", "replaces"), ("$2", "DocumentReference/9")}),
        (a("MolecularSequence", referenceSeq={"chromosome": coded("1")}, variant=[{"start": 2, "end": 3}]), "chromosome-variant-coordinate", {("$1", "1"), ("$2", 2.0), ("$3", 3.0)}),
        (a("Group", characteristic=[{"code": coded("1"), "valueBoolean": True}]), "characteristic-value", {("$1", "1"), ("$2", "true")}),
        (a("ValueSet", useContext=[{"code": {"system": "s", "code": "age"}, "valueRange": {"low": {"value": 1}, "high": {"value": 2}}}]), "context-type-quantity", {("$1", "age"), ("$2", 1.0)}),
    ],
)  # fmt: skip
def test_every_kind_of_part_is_written_as_its_own_parameter_is(
    tree: dict[str, Any], code: str, expected: set[tuple[str, Any]]
) -> None:
    assert list(grouped(tree, code).values()) == [expected]


def test_a_place_is_a_latitude_and_a_longitude_in_one_group() -> None:
    found = index(a("Location", position={"latitude": Decimal("48.85"), "longitude": Decimal("2.35"), "altitude": 35}))
    assert [(s.param, s.low, s.high, s.group) for s in found.spans] == [
        ("near", 48.85, 48.85, 1),
        ("near$2", 2.35, 2.35, 1),
    ]


def test_no_row_stands_twice() -> None:
    twice = a(
        "Patient", name=[{"family": "A", "given": ["A"]}, {"family": "A"}], identifier=[{"value": "1"}, {"value": "1"}]
    )
    found = index(twice)
    assert len(found.words) == len(set(found.words))
    assert words(twice, "name") == [("a", "A")]


def test_ids_and_instants_of_a_version_are_not_rows() -> None:
    found = index(a("Patient", id="1", meta={"lastUpdated": "2020-01-01T00:00:00Z", "versionId": "1"}))
    assert {row.param for row in (*found.words, *found.spans)} == {"deceased"}


def test_what_a_binary_is_judged_by_is_a_row() -> None:
    tree = a("Binary", contentType="application/pdf", securityContext={"reference": f"{BASE}/DocumentReference/1"})
    assert words(tree, "_securityContext") == [("DocumentReference/1", "")]


def test_what_is_inside_is_named() -> None:
    tree = a(
        "Observation", contained=[{"resourceType": "Patient", "id": "p", "gender": "male"}, {"resourceType": "Device"}]
    )
    assert words(tree, "_contained") == [("Patient", "p"), ("Device", "")]
    assert words(tree, "gender") == []


def test_the_narrative_and_the_content_are_words() -> None:
    found = index(
        a(
            "Patient",
            id="not-a-word",
            text={"status": "generated", "div": "<div><b>Cœur</b> &amp; poumons</div>"},
            name=[{"family": "Dupont", "given": ["Zoé"]}],
            birthDate="1980-01-02",
            photo=[{"data": "QUJD", "title": "Portrait"}],
            identifier=[{"system": "urn:oid:1.2.3", "value": "INS-7"}],
        )
    )
    assert sorted(found.narrative.split(" ")) == ["coeur", "poumons"]
    assert set(found.content.split()) == {"generated", "coeur", "poumons", "dupont", "zoe", "portrait", "ins", "7"}


def test_long_text_is_cut() -> None:
    (found,) = words(a("ValueSet", description="word " * 100_000), "description")
    assert len(found[0]) < len(found[1]) == 4_000


@pytest.mark.parametrize("wrong", [None, 7, True, "x", [], {}, [[]], [None], {"coding": 1}, {"coding": [7]}, {"value": "x"}, {"reference": 7}, {"start": 7}, [{"family": {}}], Decimal("1.5")])  # fmt: skip
def test_an_element_that_is_not_as_its_type_says_leaves_the_others(wrong: Any) -> None:
    for type in ("Patient", "Observation", "Location", "Bundle", "Timing"):
        for member in (
            "name",
            "identifier",
            "code",
            "subject",
            "valueQuantity",
            "effectivePeriod",
            "effectiveDateTime",
            "position",
            "entry",
            "meta",
            "text",
            "contained",
            "telecom",
            "securityContext",
            "gender",
        ):
            tree = {"resourceType": type, member: wrong, "active": True, "status": "final"}
            found = extract(type, tree, REGISTRY)
            assert all(isinstance(w.value, str) and isinstance(w.qualifier, str) for w in found.words)
            assert all(isinstance(s.low, int | float) for s in found.spans)
            if type == "Patient":
                assert any(w.param == "active" for w in found.words)


def test_the_zone_of_the_registry_counts_for_dates_without_one() -> None:
    in_paris = extract("Patient", a("Patient", birthDate="1980-07-01"), Registry())
    assert [s.low for s in in_paris.spans] == [interval("1980-06-30T22:00:00Z", REGISTRY.zone)[0]]


MEMBERS = st.sampled_from(
    "code coding system value unit low high start end reference identifier display text name given family telecom use contact meta "
    "tag profile component valueQuantity valueString valueSampledData origin data factor effectiveTiming event repeat boundsPeriod "
    "position latitude longitude contained resourceType id entry resource securityContext subject relatesTo target div url extension".split()
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False) | st.text(max_size=5) | st.sampled_from(["Patient/1", "#", "2020", "1 E 2", "<", "Patient"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBERS, inner, max_size=4),
    max_leaves=25,
)  # fmt: skip


# How fast the machine makes examples is no matter of what is tested.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(
        ["Patient", "Observation", "Location", "Bundle", "DocumentReference", "ValueSet", "Binary", "Device"]
    ),
    st.dictionaries(MEMBERS, JSON, max_size=6),
)
def test_whatever_stands_in_a_resource_its_index_can_be_stored(type: str, members: dict[str, Any]) -> None:
    found = extract(type, {**members, "resourceType": type}, REGISTRY, BASE)
    assert unpack(pack(found)) == found
