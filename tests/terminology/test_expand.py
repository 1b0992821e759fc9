"""https://hl7.org/fhir/R4/valueset-operation-expand.html, https://hl7.org/fhir/R4/valueset.html#compositions"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fhir_server.fhir.json import serialize
from tests.terminology.conftest import Speaking
from tests.terminology.making import ANIMALS, URL, filtered, parameters, value_set

GENDER = "http://hl7.org/fhir/ValueSet/administrative-gender"


@pytest.mark.parametrize(
    ("value_set_", "expected"),
    [
        (value_set({"system": URL}), "animal mammal cat dog bat flyer dodo"),
        (value_set({"system": URL, "concept": [{"code": "dog"}, {"code": "cat"}, {"code": "yeti"}]}), "dog cat"),
        (value_set(filtered("concept", "is-a", "mammal")), "mammal cat dog bat"),
        (value_set(filtered("concept", "is-a", "flyer")), "bat flyer"),
        (value_set(filtered("concept", "descendent-of", "mammal")), "cat dog bat"),
        (value_set(filtered("concept", "is-not-a", "mammal")), "animal flyer dodo"),
        (value_set(filtered("concept", "generalizes", "bat")), "animal mammal bat flyer"),
        (value_set(filtered("code", "regex", "[cd].+")), "cat dog dodo"),
        (value_set(filtered("display", "=", "Cat")), "cat"),
        (value_set(filtered("legs", "=", "4")), "cat dog"),
        (value_set(filtered("legs", "in", "2, 4")), "cat dog flyer"),
        (value_set(filtered("legs", "not-in", "2,4")), "animal mammal bat dodo"),
        (value_set(filtered("legs", "exists", "true")), "cat dog flyer"),
        (value_set(filtered("legs", "exists", "false")), "animal mammal bat dodo"),
        (value_set(filtered("parent", "=", "mammal")), "cat dog bat"),
        (value_set(filtered("notSelectable", "=", "false")), "mammal cat dog bat flyer dodo"),
        (value_set(filtered("concept", "is-a", "mammal"), exclude=[filtered("legs", "=", "4")]), "mammal bat"),
        (value_set({"system": URL}, exclude=[filtered("concept", "is-a", "mammal")]), "animal flyer dodo"),
        (value_set(filtered("legs", "=", "2"), filtered("legs", "=", "4")), "flyer cat dog"),
        (value_set(filtered("legs", "=", "4"), filtered("concept", "is-a", "mammal")), "cat dog mammal bat"),
    ],
)
async def test_a_composition_means_what_r4_says(server: Speaking, value_set_: dict[str, Any], expected: str) -> None:
    await server.post("CodeSystem", ANIMALS)
    assert await server.codes_of("ValueSet/$expand", parameters(valueSet=value_set_)) == expected.split()


async def test_the_filters_of_one_include_all_hold_and_its_imports_too(server: Speaking) -> None:
    await server.post("CodeSystem", ANIMALS)
    four = value_set(filtered("legs", "=", "4"), url="http://example.org/four")
    await server.post("ValueSet", four)
    both = value_set({**filtered("concept", "is-a", "mammal"), "valueSet": ["http://example.org/four"]})
    assert await server.codes_of("ValueSet/$expand", parameters(valueSet=both)) == ["cat", "dog"]
    alone = value_set({"valueSet": ["http://example.org/four"]})
    assert await server.codes_of("ValueSet/$expand", parameters(valueSet=alone)) == ["cat", "dog"]
    without = value_set({"system": URL}, exclude=[{"valueSet": ["http://example.org/four"]}])
    assert "cat" not in await server.codes_of("ValueSet/$expand", parameters(valueSet=without))


async def test_r4s_own_value_sets_expand_out_of_the_box(server: Speaking) -> None:
    answer = await server.get(f"ValueSet/$expand?url={GENDER}")
    assert answer.json["url"] == GENDER and answer.json["expansion"]["total"] == 4
    assert answer.json["expansion"]["contains"][0] == {
        "system": "http://hl7.org/fhir/administrative-gender",
        "version": "4.0.1",
        "code": "male",
        "display": "Male",
    }


async def test_what_is_written_is_in_the_next_expansion(server: Speaking) -> None:
    made = await server.post("CodeSystem", ANIMALS)
    stored = await server.post("ValueSet", value_set({"system": URL}, url="http://example.org/vs"))
    assert len(await server.codes_of(f"ValueSet/{stored.id}/$expand")) == 7
    await server.put(f"CodeSystem/{made.id}", {**ANIMALS, "id": made.id, "concept": [{"code": "yeti"}]})
    assert await server.codes_of("ValueSet/$expand?url=http://example.org/vs") == ["yeti"]
    await server.delete(f"CodeSystem/{made.id}")
    assert (await server.get("ValueSet/$expand?url=http://example.org/vs")).status == 422


async def test_pages_of_an_expansion(server: Speaking) -> None:
    await server.post("CodeSystem", ANIMALS)
    url = "ValueSet/$expand?url=http://example.org/all-animals&count=3"
    first, second = await server.get(url), await server.get(url + "&offset=3")
    assert [len(a.json["expansion"]["contains"]) for a in (first, second)] == [3, 3]
    assert (first.json["expansion"]["total"], second.json["expansion"]["offset"]) == (7, 3)
    assert "contains" not in (await server.get(url.replace("=3", "=0"))).json["expansion"]
    assert (await server.get(url + "&offset=-1")).status == 400


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("filter=ma", "mammal"),
        ("filter=MAMMIFERE", "mammal"),
        ("filter=%21%21", ""),
        ("activeOnly=true", "animal mammal cat dog bat flyer"),
        ("excludeNotForUI=true", "mammal cat dog bat flyer dodo"),
        ("filter=d&activeOnly=true", "dog"),
        (f"exclude-system={URL}", ""),
    ],
)
async def test_what_is_wanted_of_an_expansion(server: Speaking, query: str, expected: str) -> None:
    await server.post("CodeSystem", ANIMALS)
    assert await server.codes_of(f"ValueSet/$expand?url=http://example.org/all-animals&{query}") == expected.split()


async def test_languages_designations_and_nesting(server: Speaking) -> None:
    await server.post("CodeSystem", ANIMALS)
    url = "ValueSet/$expand?url=http://example.org/all-animals&displayLanguage=fr&includeDesignations=true"
    rows = (await server.get(url + "&excludeNested=false")).json["expansion"]["contains"]
    assert [row["code"] for row in rows] == ["animal"] and rows[0]["abstract"]
    mammal = rows[0]["contains"][0]
    assert mammal["display"] == "Mammifère" and mammal["designation"] == [{"language": "fr", "value": "Mammifère"}]
    assert [row["code"] for row in mammal["contains"]] == ["cat", "dog", "bat"]


async def test_a_supplement_adds_words_and_properties(server: Speaking) -> None:
    await server.post("CodeSystem", ANIMALS)
    more = {"code": "dog", "designation": [{"language": "fr", "value": "Chien"}], "property": [{"code": "barks", "valueBoolean": True}]}  # fmt: skip
    await server.post("CodeSystem", {"resourceType": "CodeSystem", "url": "http://example.org/more", "status": "active", "content": "supplement", "supplements": URL, "concept": [more]})  # fmt: skip
    said = await server.said(f"CodeSystem/$lookup?system={URL}&code=dog&displayLanguage=fr")
    assert said["display"] == "Chien" and {"code": "barks", "value": True} in said["property"]
    body = parameters(valueSet=value_set(filtered("barks", "=", "true")))
    assert await server.codes_of("ValueSet/$expand", body) == ["dog"]


async def test_versions_of_a_code_system(server: Speaking) -> None:
    for version, code in (("1.9", "old"), ("1.10", "new")):
        await server.post("CodeSystem", {**ANIMALS, "version": version, "concept": [{"code": code}]})
    body = value_set({"system": URL})
    assert await server.codes_of("ValueSet/$expand", parameters(valueSet=body)) == ["new"]
    pinned = parameters(valueSet=body, system_version=f"{URL}|1.9")
    assert await server.codes_of("ValueSet/$expand", pinned) == ["old"]
    own = value_set({"system": URL, "version": "1.10"})
    assert await server.codes_of("ValueSet/$expand", parameters(valueSet=own, system_version=f"{URL}|1.9")) == ["new"]
    forced = parameters(valueSet=own, force_system_version=f"{URL}|1.9")
    assert await server.codes_of("ValueSet/$expand", forced) == ["old"]
    checked = await server.post("ValueSet/$expand", parameters(valueSet=own, check_system_version=f"{URL}|1.9"))
    assert checked.status == 422


@pytest.mark.parametrize(
    ("value_set_", "status", "code"),
    [
        (value_set({"system": "http://snomed.info/sct"}), 422, "not-found"),
        (value_set({"system": "http://unitsofmeasure.org"}), 422, "too-costly"),
        (value_set({"valueSet": ["http://example.org/nowhere"]}), 422, "not-found"),
        (value_set({}), 422, "invalid"),
        (value_set(filtered("code", "resembles", "x")), 422, "invalid"),
        (value_set(filtered("code", "regex", "(")), 422, "invalid"),
        (value_set({"system": URL, "filter": "x"}), 422, "invalid"),
        (value_set({"system": 3}), 422, "invalid"),
        (value_set({"system": URL, "concept": [{}]}), 422, "invalid"),
        ({"resourceType": "ValueSet", "compose": []}, 422, "invalid"),
    ],
)
async def test_what_cannot_be_expanded_says_why(
    server: Speaking, value_set_: dict[str, Any], status: int, code: str
) -> None:
    await server.post("CodeSystem", ANIMALS)
    answer = await server.post("ValueSet/$expand", parameters(valueSet=value_set_))
    assert (answer.status, answer.codes) == (status, [code])


async def test_value_sets_that_import_one_another_are_refused(server: Speaking) -> None:
    for own, other in (("a", "b"), ("b", "a")):
        tree = value_set({"valueSet": [f"http://example.org/{other}"]}, url=f"http://example.org/{own}")
        await server.post("ValueSet", tree)
    assert (await server.get("ValueSet/$expand?url=http://example.org/a")).status == 422
    assert (await server.get("ValueSet/$expand?url=http://example.org/nowhere")).status == 404
    assert (await server.get("ValueSet/$expand")).status == 400


async def test_a_hierarchy_that_is_a_circle_ends(server: Speaking) -> None:
    round = [{"code": a, "property": [{"code": "parent", "valueCode": b}]} for a, b in (("a", "b"), ("b", "a"))]
    await server.post("CodeSystem", {**ANIMALS, "concept": round})
    body = parameters(valueSet=value_set(filtered("concept", "is-a", "a")))
    assert await server.codes_of("ValueSet/$expand", body) == ["a", "b"]
    assert (await server.get("ValueSet/$expand?url=http://example.org/all-animals&excludeNested=false")).status == 200


async def test_too_many_codes_for_one_answer_are_asked_for_in_pages(server: Speaking) -> None:
    many = [{"code": f"c{n}", "display": f"Word{n}"} for n in range(10_001)]
    await server.post("CodeSystem", {**ANIMALS, "concept": many})
    url = "ValueSet/$expand?url=http://example.org/all-animals"
    answer = await server.get(url)
    assert (answer.status, answer.codes) == (422, ["too-costly"])
    assert (await server.get(url + "&count=10")).json["expansion"]["total"] == 10_001
    assert await server.codes_of(url + "&filter=word777&count=3") == ["c777", "c7770", "c7771"]


@pytest.mark.parametrize(
    ("value_set", "count", "code"),
    [("currencies", 190, "EUR"), ("iso3166-1-2", 249, "FR"), ("iso3166-1-3", 249, "FRA"), ("iso3166-1-N", 249, "250")],
)
async def test_countries_and_currencies_expand(server: Speaking, value_set: str, count: int, code: str) -> None:
    url = f"http://hl7.org/fhir/ValueSet/{value_set}"
    expansion = (await server.get(f"ValueSet/$expand?url={url}&displayLanguage=fr")).json["expansion"]
    named = {row["code"]: row["display"] for row in expansion["contains"]}
    assert expansion["total"] == len(named) == count
    assert named[code] in ("euro", "France")


async def test_a_decimal_property_keeps_its_digits(server: Speaking) -> None:
    weight = {"code": "weight", "valueDecimal": Decimal("4.50")}
    tree = {
        **ANIMALS,
        "property": [{"code": "weight", "type": "decimal"}],
        "concept": [{"code": "cat", "property": [weight]}],
    }
    await server.post("CodeSystem", serialize(tree))
    answer = await server.get(f"CodeSystem/$lookup?system={URL}&code=cat&property=weight")
    assert b'"valueDecimal":4.50' in answer.response.body
    weighed = parameters(valueSet=value_set(filtered("weight", "=", "4.50")))
    assert await server.codes_of("ValueSet/$expand", weighed) == ["cat"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (("inactive", "=", "true"), "dodo mammoth"),
        (("inactive", "=", "false"), "animal cat"),
        (("notSelectable", "=", "true"), "animal"),
    ],
)
async def test_what_properties_mean_counts_whatever_they_are_called(
    server: Speaking, filters: tuple[str, str, str], expected: str
) -> None:
    meant = "http://hl7.org/fhir/concept-properties#"
    properties = [
        {"code": "status", "type": "code", "uri": f"{meant}status"},
        {"code": "inactive", "type": "boolean", "uri": f"{meant}inactive"},
        {"code": "group", "type": "boolean", "uri": f"{meant}notSelectable"},
    ]
    concepts = [
        {"code": "animal", "property": [{"code": "group", "valueBoolean": True}]},
        {"code": "cat", "property": [{"code": "status", "valueCode": "active"}]},
        {"code": "dodo", "property": [{"code": "inactive", "valueBoolean": True}]},
        {"code": "mammoth", "property": [{"code": "status", "valueCode": "retired"}]},
    ]
    await server.post("CodeSystem", {**ANIMALS, "property": properties, "concept": concepts})
    body = parameters(valueSet=value_set(filtered(*filters)))
    assert await server.codes_of("ValueSet/$expand", body) == expected.split()
