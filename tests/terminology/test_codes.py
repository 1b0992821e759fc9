"""$validate-code, $lookup, $subsumes, $translate, and the questions of searches and validation.

https://hl7.org/fhir/R4/terminology-service.html, https://hl7.org/fhir/R4/search.html#token
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.terminology.conftest import Speaking
from tests.terminology.making import ANIMALS, URL, filtered, parameters, value_set

GENDER = "http://hl7.org/fhir/ValueSet/administrative-gender"
GENDERS = "http://hl7.org/fhir/administrative-gender"
ACTS = "http://terminology.hl7.org/CodeSystem/v3-ActCode"


@pytest.mark.parametrize(
    ("query", "result"),
    [
        (f"url={GENDER}&system={GENDERS}&code=male", True),
        (f"url={GENDER}&system={GENDERS}&code=MALE", False),
        (f"url={GENDER}&system={GENDERS}&code=male&display=male", True),
        (f"url={GENDER}&system={GENDERS}&code=male&display=Woman", False),
        (f"url={GENDER}&system=http://example.org/other&code=male", False),
        ("url=http://hl7.org/fhir/ValueSet/ucum-units&system=http://unitsofmeasure.org&code=mm[Hg]", True),
        ("url=http://hl7.org/fhir/ValueSet/ucum-units&system=http://unitsofmeasure.org&code=furlong", False),
        ("url=http://hl7.org/fhir/ValueSet/all-languages&system=urn:ietf:bcp:47&code=fr-CA", True),
        ("url=http://hl7.org/fhir/ValueSet/all-languages&system=urn:ietf:bcp:47&code=not_one", False),
        ("url=http://hl7.org/fhir/ValueSet/mimetypes&system=urn:ietf:bcp:13&code=text/plain", True),
        (f"url=http://example.org/all-animals&system={URL}&code=animal&abstract=false", False),
        (f"url=http://example.org/all-animals&system={URL}&code=animal&abstract=true", True),
        (f"url=http://example.org/all-animals&system={URL}&code=mammal&display=mammifère", True),
    ],
)
async def test_codes_of_value_sets(server: Speaking, query: str, result: bool) -> None:
    await server.post("CodeSystem", ANIMALS)
    said = await server.said(f"ValueSet/$validate-code?{query}")
    assert said["result"] is result and (result or said["message"])


@pytest.mark.parametrize(
    ("filters", "code", "result"),
    [
        (("concept", "is-a", "mammal"), "cat", True),
        (("concept", "is-a", "mammal"), "mammal", True),
        (("concept", "descendent-of", "mammal"), "mammal", False),
        (("concept", "is-a", "mammal"), "flyer", False),
        (("concept", "is-not-a", "mammal"), "flyer", True),
        (("concept", "generalizes", "bat"), "flyer", True),
        (("code", "regex", "c.."), "cat", True),
        (("code", "regex", "c"), "cat", False),
        (("legs", "exists", "true"), "bat", False),
    ],
)
async def test_a_filter_asked_of_one_code_agrees_with_its_expansion(
    server: Speaking, filters: tuple[str, str, str], code: str, result: bool
) -> None:
    await server.post("CodeSystem", ANIMALS)
    tree = value_set(filtered(*filters))
    said = await server.said("ValueSet/$validate-code", parameters(valueSet=tree, coding={"system": URL, "code": code}))
    assert said["result"] is result
    assert (code in await server.codes_of("ValueSet/$expand", parameters(valueSet=tree))) is result


async def test_one_right_coding_of_a_concept_is_enough(server: Speaking) -> None:
    concept = {"coding": [{"system": "http://example.org/x", "code": "1"}, {"system": GENDERS, "code": "female"}]}
    said = await server.said("ValueSet/$validate-code", parameters(url=GENDER, codeableConcept=concept))
    assert said == {"result": True, "display": "Female"}


@pytest.mark.parametrize(
    ("url", "status"),
    [
        (f"ValueSet/$validate-code?url={GENDER}", 400),
        (f"ValueSet/$validate-code?url={GENDER}&code=male", 400),
        (f"ValueSet/$validate-code?code=male&system={GENDERS}", 400),
        (f"ValueSet/$validate-code?url=http://example.org/no&code=male&system={GENDERS}", 404),
        ("ValueSet/absent/$validate-code?code=male&system=x", 404),
        ("CodeSystem/$validate-code?url=http://example.org/no&code=male", 404),
        (f"CodeSystem/$lookup?system={GENDERS}&code=x", 404),
        ("CodeSystem/$lookup?system=http://example.org/no&code=x", 404),
        ("CodeSystem/$lookup?code=x", 400),
        (f"CodeSystem/$subsumes?system={GENDERS}&codeA=male", 400),
        (f"CodeSystem/$subsumes?system={GENDERS}&codeA=male&codeB=x", 404),
        (f"ConceptMap/$translate?system={GENDERS}&code=male", 400),
        (f"ConceptMap/$translate?url=http://example.org/no&system={GENDERS}&code=male", 404),
    ],
)
async def test_questions_that_cannot_be_answered_are_errors(server: Speaking, url: str, status: int) -> None:
    assert (await server.get(url)).status == status


async def test_codes_of_a_code_system(server: Speaking) -> None:
    made = await server.post("CodeSystem", ANIMALS)
    assert (await server.said(f"CodeSystem/$validate-code?url={URL}&code=cat"))["display"] == "Cat"
    assert (await server.said(f"CodeSystem/{made.id}/$validate-code?code=cat"))["result"] is True
    assert (await server.said(f"CodeSystem/{made.id}/$validate-code?code=yeti"))["result"] is False


async def test_where_case_does_not_matter(server: Speaking) -> None:
    await server.post("CodeSystem", {**ANIMALS, "caseSensitive": False})
    assert (await server.said(f"CodeSystem/$validate-code?url={URL}&code=CAT"))["result"] is True
    query = f"url=http://example.org/all-animals&system={URL}&code=CAT"
    assert (await server.said(f"ValueSet/$validate-code?{query}"))["result"] is True


async def test_all_that_is_known_of_a_code(server: Speaking) -> None:
    await server.post("CodeSystem", ANIMALS)
    said = await server.said(f"CodeSystem/$lookup?system={URL}&code=mammal")
    assert (said["name"], said["version"], said["display"]) == ("Animals", "1", "Mammal")
    assert said["designation"] == [{"language": "fr", "value": "Mammifère"}]
    assert {"code": "definition", "value": "It drinks milk."} in said["property"]
    assert {"code": "parent", "value": "animal"} in said["property"]
    assert [p["value"] for p in said["property"] if p["code"] == "child"] == ["cat", "dog", "bat"]
    only = await server.said(f"CodeSystem/$lookup?system={URL}&code=cat&property=legs")
    assert only["property"] == [{"code": "legs", "value": 4}]
    coding = parameters(coding={"system": "http://unitsofmeasure.org", "code": "mg"})
    assert (await server.said("CodeSystem/$lookup", coding))["display"] == "mg"


@pytest.mark.parametrize(
    ("a", "b", "outcome"),
    [
        ("cat", "cat", "equivalent"),
        ("animal", "cat", "subsumes"),
        ("cat", "animal", "subsumed-by"),
        ("flyer", "bat", "subsumes"),
        ("mammal", "bat", "subsumes"),
        ("cat", "dog", "not-subsumed"),
    ],
)
async def test_how_two_codes_stand(server: Speaking, a: str, b: str, outcome: str) -> None:
    await server.post("CodeSystem", ANIMALS)
    assert (await server.said(f"CodeSystem/$subsumes?system={URL}&codeA={a}&codeB={b}"))["outcome"] == outcome


MAP: dict[str, Any] = {
    "resourceType": "ConceptMap",
    "url": "http://example.org/map",
    "status": "active",
    "sourceUri": "http://example.org/all-animals",
    "targetUri": "http://example.org/all-pets",
    "group": [
        {
            "source": URL,
            "target": "http://example.org/pets",
            "element": [
                {
                    "code": "cat",
                    "target": [{"code": "C", "display": "Kitty", "equivalence": "narrower", "comment": "Tame."}],
                },
                {"code": "bat", "target": [{"equivalence": "unmatched", "comment": "None."}]},
            ],
            "unmapped": {"mode": "fixed", "code": "O", "display": "Other"},
        }
    ],
}


@pytest.mark.parametrize(
    ("query", "result", "code", "equivalence"),
    [
        (f"url=http://example.org/map&system={URL}&code=cat", True, "C", "narrower"),
        (f"url=http://example.org/map&system={URL}&code=bat", False, None, "unmatched"),
        (f"url=http://example.org/map&system={URL}&code=dog", True, "O", "wider"),
        (f"target=http://example.org/all-pets&system={URL}&code=cat", True, "C", "narrower"),
        (f"targetsystem=http://example.org/pets&system={URL}&code=cat", True, "C", "narrower"),
        ("url=http://example.org/map&system=http://example.org/pets&code=C&reverse=true", True, "cat", "wider"),
    ],
)
async def test_translations(server: Speaking, query: str, result: bool, code: str | None, equivalence: str) -> None:
    await server.post("ConceptMap", MAP)
    said = await server.said(f"ConceptMap/$translate?{query}")
    [match] = said["match"]
    assert (said["result"], match.get("concept", {}).get("code"), match["equivalence"]) == (result, code, equivalence)


async def test_r4s_own_maps_translate(server: Speaking) -> None:
    said = await server.said("ConceptMap/$translate?url=http://hl7.org/fhir/ConceptMap/101&system=http://hl7.org/fhir/address-use&code=home")  # fmt: skip
    assert said["match"][0]["concept"]["code"] == "H"


async def test_searches_by_value_set_and_subsumption(server: Speaking) -> None:
    await server.post("CodeSystem", ANIMALS)
    await server.post("ValueSet", value_set(filtered("legs", "=", "4"), url="http://example.org/four"))
    for code in ("cat", "bat", "flyer"):
        await server.put(f"Basic/{code}", {"resourceType": "Basic", "id": code, "code": {"coding": [{"system": URL, "code": code}]}})  # fmt: skip

    async def found(query: str) -> set[str]:
        answer = await server.get(f"Basic?{query}")
        assert answer.status == 200, answer.json
        return {resource["id"] for resource in answer.resources}

    assert await found("code:in=http://example.org/four") == {"cat"}
    assert await found("code:not-in=http://example.org/four") == {"bat", "flyer"}
    assert await found(f"code:below={URL}|mammal") == {"cat", "bat"}
    assert await found(f"code:above={URL}|bat") == {"bat", "flyer"}
    assert (await server.get("Basic?code:in=http://example.org/nowhere")).status in (400, 404)


async def test_validation_asks_without_waiting_and_is_never_told_a_guess(server: Speaking) -> None:
    known = server.terminology
    assert known.validate_code(GENDER, GENDERS, "male") is None  # nothing was read yet
    await known.refresh()
    assert known.validate_code(GENDER + "|4.0.1", GENDERS, "male") is True
    assert known.validate_code(GENDER, "", "male") is True
    assert known.validate_code(GENDER, GENDERS, "other-one") is False
    assert known.validate_code("http://example.org/nowhere", GENDERS, "male") is None
    assert known.validate_code("http://hl7.org/fhir/ValueSet/condition-code", "http://snomed.info/sct", "1") is None
    concept = {"coding": [{"system": GENDERS, "code": "x"}, {"system": GENDERS, "code": "female"}]}
    assert known.member_of(concept, "CodeableConcept", GENDER) is True
    assert known.subsumes(ACTS, "_ActEncounterCode", "AMB") is True
    assert known.subsumes(ACTS, "AMB", "_ActEncounterCode") is False
    assert known.subsumes(ACTS, "AMB", "nothing") is None
