"""What callers may ask of an expansion: languages, contexts, dates, properties, their own value sets.

https://hl7.org/fhir/R4/valueset-operation-expand.html, https://www.rfc-editor.org/rfc/rfc4647
"""

from __future__ import annotations

from typing import Any

import pytest

from fhir_server.terminology.designations import languages
from tests.terminology.conftest import Speaking
from tests.terminology.making import ANIMALS, URL, filtered, parameters, value_set

ALL = "ValueSet/$expand?url=http://example.org/all-animals"
SPECIFICATION = "http://hl7.org/fhir/StructureDefinition/"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("fr", ("fr",)),
        ("fr-CA", ("fr-CA", "fr")),
        ("en;q=0.5, fr-FR, *;q=0.1", ("fr-FR", "fr", "en")),
        ("fr;q=0, de", ("de",)),
        ("", ()),
        (None, ()),
        ("français, ;;;, en", ("en",)),
        ("a" * 100_000, ()),
    ],
)
def test_languages_are_read_as_headers_write_them(asked: str | None, expected: tuple[str, ...]) -> None:
    assert languages(asked) == expected


@pytest.mark.parametrize(
    ("query", "header", "display"),
    [
        ("&displayLanguage=fr", None, "Mammifère"),
        ("&displayLanguage=fr-CA", None, "Mammifère"),
        ("&displayLanguage=FR", None, "Mammifère"),
        ("&displayLanguage=de", None, "Mammal"),
        ("", "fr-FR,fr;q=0.9,en;q=0.8", "Mammifère"),
        ("", "en, fr;q=0.1", "Mammal"),
        ("&displayLanguage=en", "fr", "Mammal"),
        ("", None, "Mammal"),
    ],
)
async def test_displays_are_in_the_language_asked_for(
    server: Speaking, query: str, header: str | None, display: str
) -> None:
    concept = {
        "code": "mammal",
        "display": "Mammal",
        "designation": [
            {"language": "fr", "value": "mamm.", "use": {"system": "http://example.org/use", "code": "abbreviation"}},
            {"language": "fr", "value": "Mammifère"},
        ],
    }
    await server.post("CodeSystem", {**ANIMALS, "language": "en", "concept": [concept]})
    headers = {"accept_language": header} if header else {}
    answer = await server.get(ALL + query, **headers)
    assert answer.json["expansion"]["contains"][0]["display"] == display
    found = await server.get(f"CodeSystem/$lookup?system={URL}&code=mammal{query}", **headers)
    assert {"name": "display", "valueString": display} in found.json["parameter"]


async def test_the_national_value_sets_expand_in_french(server: Speaking) -> None:
    base = "https://mos.esante.gouv.fr/NOS"
    url = f"{base}/JDV_J66-TypeCode-DMP/FHIR/JDV-J66-TypeCode-DMP"
    codes = await server.codes_of(f"ValueSet/$expand?url={url}&displayLanguage=fr&filter=urgences")
    assert codes == ["15507-7", "60280-5", "78341-5"]
    classes = f"{base}/JDV_J57-ClassCode-DMP/FHIR/JDV-J57-ClassCode-DMP"
    rows = (await server.get(f"ValueSet/$expand?url={classes}&filter=compte+rendu")).json["expansion"]["contains"]
    assert [(row["code"], row["display"]) for row in rows] == [("10", "Compte rendu")]


async def test_the_class_of_a_type_of_document_is_translated(server: Speaking) -> None:
    url = "https://mos.esante.gouv.fr/NOS/ASS_X16-CorrespondanceType-Classe-DMP/FHIR/ASS-X16-CorrespondanceType-Classe-DMP"
    said = await server.said(f"ConceptMap/$translate?url={url}&system=http://loinc.org&code=11490-0")
    [match] = said["match"]
    assert (match["concept"]["code"], match["concept"]["display"]) == ("10", "Compte rendu")


@pytest.mark.parametrize(
    ("context", "status", "code"),
    [
        (f"{SPECIFICATION}Observation%23Observation.status", 200, "registered"),
        (f"{SPECIFICATION}Patient%23Patient.name.use", 200, "usual"),
        (f"{SPECIFICATION}Patient%23Patient.contact.gender", 200, "male"),
        (f"{SPECIFICATION}bp%23Observation.status", 200, "registered"),
        ("Patient.gender", 200, "male"),
        (f"{SPECIFICATION}Patient%23Patient.birthDate", 404, None),
        (f"{SPECIFICATION}Patient%23Patient.nothing", 404, None),
        ("http://example.org/nowhere%23Patient.gender", 404, None),
        ("gender", 400, None),
        (f"{SPECIFICATION}Patient%23", 400, None),
    ],
)
async def test_the_value_set_of_a_context_is_what_its_element_is_bound_to(
    server: Speaking, context: str, status: int, code: str | None
) -> None:
    answer = await server.get(f"ValueSet/$expand?context={context}&contextDirection=incoming&count=1")
    assert answer.status == status, answer.json
    if code:
        assert answer.json["expansion"]["contains"][0]["code"] == code
    assert (await server.get(f"ValueSet/$expand?context={context}&contextDirection=sideways")).status == 400


async def test_a_date_takes_the_versions_of_that_date(server: Speaking) -> None:
    for version, date, code in (("1", "2019-05", "first"), ("2", "2021-05-01", "second"), ("3", "2030", "third")):
        await server.post("CodeSystem", {**ANIMALS, "version": version, "date": date, "concept": [{"code": code}]})
    for date, code in (
        ("2018", "first"),
        ("2020-01-01", "first"),
        ("2021-05-01", "second"),
        ("2024-01-01T00:00:00Z", "second"),
        ("2031", "third"),
    ):
        assert await server.codes_of(f"{ALL}&date={date}") == [code]
    locked = value_set({"system": URL})
    locked["compose"]["lockedDate"] = "2020-01-01"
    assert await server.codes_of("ValueSet/$expand", parameters(valueSet=locked)) == ["first"]
    assert (await server.get(f"{ALL}&date=yesterday")).status == 400


async def test_properties_are_shown_as_r5_has_them(server: Speaking) -> None:
    await server.post("CodeSystem", ANIMALS)
    rows = (await server.get(f"{ALL}&filter=cat&property=legs")).json["expansion"]["contains"]
    assert rows[0]["extension"][0]["extension"] == [
        {"url": "code", "valueCode": "legs"},
        {"url": "value", "valueInteger": 4},
    ]


async def test_what_was_asked_is_said_in_the_expansion(server: Speaking) -> None:
    await server.post("CodeSystem", ANIMALS)
    query = "&filter=c&activeOnly=true&displayLanguage=fr&count=5&excludePostCoordinated=true&date=2026"
    said = (await server.get(ALL + query)).json["expansion"]["parameter"]
    assert {"name": "version", "valueUri": f"{URL}|1"} in said
    for row in (
        {"name": "filter", "valueString": "c"},
        {"name": "activeOnly", "valueBoolean": True},
        {"name": "count", "valueInteger": 5},
        {"name": "date", "valueDateTime": "2026"},
    ):
        assert row in said


async def test_value_sets_that_come_with_the_question(server: Speaking) -> None:
    await server.post("CodeSystem", ANIMALS)
    lent = value_set(filtered("legs", "=", "4"), url="http://example.org/lent")
    body: dict[str, Any] = parameters(valueSet=value_set({"valueSet": ["http://example.org/lent"]}))
    assert (await server.post("ValueSet/$expand", body)).status == 422
    body["parameter"].append({"name": "tx-resource", "resource": lent})
    assert await server.codes_of("ValueSet/$expand", body) == ["cat", "dog"]
    # Another content under the same canonical is another question, and nothing was kept for the next one.
    body["parameter"][-1] = {
        "name": "tx-resource",
        "resource": {**lent, "compose": {"include": [filtered("legs", "=", "2")]}},
    }
    assert await server.codes_of("ValueSet/$expand", body) == ["flyer"]
    assert (await server.post("ValueSet/$expand", {**body, "parameter": body["parameter"][:1]})).status == 422
    asked = {"resourceType": "Parameters", "parameter": [
        {"name": "url", "valueUri": "http://example.org/lent"}, {"name": "tx-resource", "resource": lent},
        {"name": "coding", "valueCoding": {"system": URL, "code": "cat"}},
    ]}  # fmt: skip
    assert (await server.said("ValueSet/$validate-code", asked))["result"] is True
    asked["parameter"][1]["resource"] = {"resourceType": "Patient"}  # type: ignore[index]
    assert (await server.post("ValueSet/$validate-code", asked)).status in (400, 422)


@pytest.mark.parametrize(
    ("op", "property", "code"),
    [
        ("child-of", "concept", "not-supported"),
        ("descendent-leaf", "concept", "not-supported"),
        ("=", "wings", "not-supported"),
    ],
)
async def test_a_filter_that_means_nothing_here_is_refused(server: Speaking, op: str, property: str, code: str) -> None:
    await server.post("CodeSystem", ANIMALS)
    answer = await server.post("ValueSet/$expand", parameters(valueSet=value_set(filtered(property, op, "mammal"))))
    assert (answer.status, answer.codes) == (422, [code])


async def test_a_regular_expression_of_a_filter_ends_in_time(server: Speaking) -> None:
    many = [{"code": "a" * 60 + str(n)} for n in range(300)]
    await server.post("CodeSystem", {**ANIMALS, "concept": many})
    answer = await server.post("ValueSet/$expand", parameters(valueSet=value_set(filtered("code", "regex", "(a+)+b"))))
    assert answer.status in (200, 422)
