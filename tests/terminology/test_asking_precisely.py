"""Versions, systems that are not said, contained value sets, dependencies: what a question leaves open or pins down.

https://hl7.org/fhir/R4/valueset-operation-validate-code.html, https://hl7.org/fhir/R4/conceptmap-operation-translate.html
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.terminology.conftest import Speaking
from tests.terminology.making import ANIMALS, URL, filtered, parameters, value_set

GENDER = "http://hl7.org/fhir/ValueSet/administrative-gender"
UNITS = "http://unitsofmeasure.org"


async def expansion(server: Speaking, url: str, body: Any = None) -> dict[str, Any]:
    answer = await (server.get(url) if body is None else server.post(url, body))
    assert answer.status == 200, answer.json
    found: dict[str, Any] = answer.json["expansion"]
    return found


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("ValueSet/$expand?url=http://example.org/nowhere", "http.url"),
        (f"ValueSet/$expand?url={GENDER}|9.9", "http.url"),
        (f"ValueSet/$expand?url={GENDER}&valueSetVersion=9.9", "http.url"),
        ("CodeSystem/$lookup?system=http://example.org/no&code=1", "http.system"),
        ("CodeSystem/$lookup?system=http://hl7.org/fhir/administrative-gender&code=1", "http.code"),
        ("CodeSystem/$validate-code?url=http://example.org/no&code=1", "http.url"),
        ("ConceptMap/$translate?url=http://example.org/no&code=1&system=x", "http.url"),
    ],
)
async def test_what_is_not_known_is_404_and_says_which_parameter_named_it(
    server: Speaking, url: str, where: str
) -> None:
    answer = await server.get(url)
    assert (answer.status, answer.codes) == (404, ["not-found"])
    assert answer.json["issue"][0]["expression"] == [where]


async def test_pages_of_one_expansion_have_one_identifier(server: Speaking) -> None:
    made = await server.post("CodeSystem", ANIMALS)
    url = "ValueSet/$expand?url=http://example.org/all-animals&count=3"
    first, second = await expansion(server, url), await expansion(server, url + "&offset=3")
    filtered_ = await expansion(server, url + "&filter=d")
    await server.put(f"CodeSystem/{made.id}", {**ANIMALS, "id": made.id, "concept": [{"code": "yeti"}]})
    after = await expansion(server, url)
    assert first["identifier"] == second["identifier"]
    assert len({first["identifier"], filtered_["identifier"], after["identifier"]}) == 3


async def test_an_expansion_names_the_code_systems_and_value_sets_it_was_made_from(server: Speaking) -> None:
    await server.post("CodeSystem", ANIMALS)
    inner = value_set(filtered("legs", "=", "4"), url="http://example.org/four", version="2")
    await server.post("ValueSet", inner)
    await server.post("ValueSet", value_set({"valueSet": ["http://example.org/four"]}, url="http://example.org/outer"))
    said = (await expansion(server, "ValueSet/$expand?url=http://example.org/outer"))["parameter"]
    for name, value in (
        ("version", f"{URL}|1"),
        ("used-codesystem", f"{URL}|1"),
        ("used-valueset", "http://example.org/four|2"),
    ):
        assert {"name": name, "valueUri": value} in said


async def test_a_value_set_without_inactive_codes_has_none_where_it_is_imported(server: Speaking) -> None:
    await server.post("CodeSystem", ANIMALS)
    active = value_set({"system": URL}, url="http://example.org/active")
    active["compose"]["inactive"] = False
    await server.post("ValueSet", active)
    outer = parameters(valueSet=value_set({"valueSet": ["http://example.org/active"]}))
    assert "dodo" not in await server.codes_of("ValueSet/$expand", outer)
    assert "dodo" not in await server.codes_of("ValueSet/$expand?url=http://example.org/active")
    outer["parameter"].append({"name": "coding", "valueCoding": {"system": URL, "code": "dodo"}})
    assert (await server.said("ValueSet/$validate-code", outer))["result"] is False


async def test_a_contained_value_set_is_imported_by_its_id(server: Speaking) -> None:
    await server.post("CodeSystem", ANIMALS)
    inner = {**value_set(filtered("legs", "=", "4")), "id": "four"}
    outer = value_set({"valueSet": ["#four"]}, contained=[inner])
    assert await server.codes_of("ValueSet/$expand", parameters(valueSet=outer)) == ["cat", "dog"]
    for code, result in (("cat", True), ("bat", False)):
        body = parameters(valueSet=outer, coding={"system": URL, "code": code})
        assert (await server.said("ValueSet/$validate-code", body))["result"] is result
    absent = value_set({"valueSet": ["#five"]}, contained=[inner])
    assert (await server.post("ValueSet/$expand", parameters(valueSet=absent))).status == 422


@pytest.mark.parametrize(
    ("query", "result"),
    [
        (f"url={GENDER}&code=male&inferSystem=true", True),
        (f"url={GENDER}&code=nobody&inferSystem=true", False),
        ("context=Patient.gender&code=male", True),
        ("context=Patient.gender&code=nobody", False),
        ("url=http://example.org/two&code=cat&inferSystem=true", False),  # of two code systems
        ("url=http://example.org/two&code=other&inferSystem=true", True),
    ],
)
async def test_a_system_that_is_not_said_is_the_one_the_value_set_has(
    server: Speaking, query: str, result: bool
) -> None:
    other = {"system": "http://example.org/other", "concept": [{"code": "cat"}, {"code": "other"}]}
    await server.post("CodeSystem", ANIMALS)
    await server.post("ValueSet", value_set({"system": URL}, other, url="http://example.org/two"))
    assert (await server.said(f"ValueSet/$validate-code?{query}"))["result"] is result


@pytest.mark.parametrize(
    ("include", "given", "result"),
    [
        ({}, "1", True),
        ({}, "2", True),
        ({}, "3", False),  # no such version here
        ({"version": "1"}, "1", True),
        ({"version": "1"}, "2", False),  # the value set is of another version
        ({"version": "1"}, "", True),
    ],
)
async def test_a_coding_s_version_must_be_that_of_the_value_set(
    server: Speaking, include: dict[str, str], given: str, result: bool
) -> None:
    for version in ("1", "2"):
        await server.post("CodeSystem", {**ANIMALS, "version": version})
    coding = {"system": URL, "code": "cat", **({"version": given} if given else {})}
    body = parameters(valueSet=value_set({"system": URL, **include}), coding=coding)
    said = await server.said("ValueSet/$validate-code", body)
    assert said["result"] is result and (result or said["message"])


async def test_a_membership_is_of_the_version_asked_for(server: Speaking) -> None:
    for version, code in (("1", "old"), ("2", "new")):
        await server.post("CodeSystem", {**ANIMALS, "version": version, "concept": [{"code": code}]})
    body = parameters(valueSet=value_set({"system": URL}), coding={"system": URL, "code": "old"})
    assert (await server.said("ValueSet/$validate-code", body))["result"] is False
    body["parameter"].append({"name": "system-version", "valueUri": f"{URL}|1"})
    assert (await server.said("ValueSet/$validate-code", body))["result"] is True


@pytest.mark.parametrize(
    ("url", "code", "result"),
    [
        ("all-time-units", "min", True),
        ("all-time-units", "a", True),
        ("all-time-units", "kg", False),
        ("all-time-units", "furlong", False),
        ("all-distance-units", "km", True),
        ("all-distance-units", "s", False),
        ("ucum-units", "mm[Hg]", True),
    ],
)
async def test_units_are_members_by_what_they_measure(server: Speaking, url: str, code: str, result: bool) -> None:
    query = f"url=http://hl7.org/fhir/ValueSet/{url}&system={UNITS}&code={code}"
    assert (await server.said(f"ValueSet/$validate-code?{query}"))["result"] is result


@pytest.mark.parametrize(
    ("display", "result"), [("Minou", True), ("Chat domestique", True), ("Cat", True), ("Hund", False)]
)
async def test_a_code_may_be_called_as_the_value_set_calls_it(server: Speaking, display: str, result: bool) -> None:
    await server.post("CodeSystem", ANIMALS)
    concept = {"code": "cat", "display": "Minou", "designation": [{"language": "fr", "value": "Chat domestique"}]}
    for system in (URL, "http://example.org/not-here"):
        names = value_set({"system": system, "concept": [concept]})
        coding = {"system": system, "code": "cat", "display": display}
        said = await server.said("ValueSet/$validate-code", parameters(valueSet=names, coding=coding))
        assert said["display"] == "Minou"
        assert said["result"] is (result and (system == URL or display != "Cat"))


async def test_each_coding_of_a_concept_is_asked_of_its_own_code_system(server: Speaking) -> None:
    await server.post("CodeSystem", ANIMALS)
    for first in ("http://example.org/not-here", "http://hl7.org/fhir/administrative-gender", UNITS):
        concept = {"coding": [{"system": first, "code": "x y"}, {"system": URL, "code": "cat"}]}
        said = await server.said("CodeSystem/$validate-code", parameters(codeableConcept=concept))
        assert (said["result"], said["display"]) == (True, "Cat")


HEIGHT = "http://example.org/StructureDefinition/height"
DEPENDING: dict[str, Any] = {
    "resourceType": "ConceptMap",
    "url": "http://example.org/depending",
    "status": "active",
    "group": [
        {
            "source": URL,
            "target": "http://example.org/pets",
            "element": [
                {
                    "code": "dog",
                    "target": [
                        {
                            "code": size,
                            "equivalence": "equivalent",
                            "dependsOn": [{"property": HEIGHT, "system": "http://example.org/sizes", "value": size}],
                            "product": [{"property": "http://example.org/leash", "value": "long"}],
                        }
                        for size in ("small", "large")
                    ],
                }
            ],
        }
    ],
}


@pytest.mark.parametrize(("size", "found"), [("small", ["small"]), ("large", ["large"]), ("huge", []), (None, [])])
async def test_a_translation_that_depends_on_another_element_needs_its_value(
    server: Speaking, size: str | None, found: list[str]
) -> None:
    await server.post("ConceptMap", DEPENDING)
    body = parameters(url=DEPENDING["url"], coding={"system": URL, "code": "dog"})
    if size:
        concept = {"coding": [{"system": "http://example.org/sizes", "code": size}]}
        parts = [{"name": "element", "valueUri": HEIGHT}, {"name": "concept", "valueCodeableConcept": concept}]
        body["parameter"].append({"name": "dependency", "part": parts})
    said = await server.said("ConceptMap/$translate", body)
    assert [match["concept"]["code"] for match in said.get("match", ())] == found
    assert said["result"] is bool(found) and (found or HEIGHT in said["message"])


async def test_a_dependency_that_is_none_is_refused(server: Speaking) -> None:
    await server.post("ConceptMap", DEPENDING)
    body = parameters(url=DEPENDING["url"], coding={"system": URL, "code": "dog"})
    body["parameter"].append({"name": "dependency", "part": [{"name": "element", "valueUri": HEIGHT}]})
    assert (await server.post("ConceptMap/$translate", body)).status == 400


@pytest.mark.parametrize(
    ("unmapped", "expected"),
    [
        ({"mode": "provided"}, [("yeti", "equal")]),
        ({"mode": "fixed", "code": "O"}, [("O", "wider")]),
        ({"mode": "other-map", "url": "http://example.org/last"}, [("L", "equivalent")]),
        ({"mode": "other-map", "url": "http://example.org/nowhere"}, []),
        ({"mode": "other-map", "url": "http://example.org/map"}, []),  # itself
    ],
)
async def test_what_is_not_mapped(server: Speaking, unmapped: dict[str, str], expected: list[tuple[str, str]]) -> None:
    group: dict[str, Any] = {"source": URL, "target": "http://example.org/pets", "element": [{"code": "cat"}]}
    last = {**group, "element": [{"code": "yeti", "target": [{"code": "L", "equivalence": "equivalent"}]}]}
    head = {"resourceType": "ConceptMap", "status": "active"}
    await server.post(
        "ConceptMap", {**head, "url": "http://example.org/map", "group": [{**group, "unmapped": unmapped}]}
    )
    await server.post("ConceptMap", {**head, "url": "http://example.org/last", "group": [last]})
    said = await server.said(f"ConceptMap/$translate?url=http://example.org/map&system={URL}&code=yeti")
    found = [(match["concept"]["code"], match["equivalence"]) for match in said.get("match", ())]
    assert (found, said["result"]) == (expected, bool(expected))


@pytest.mark.parametrize("designation", [3, "x", {"value": "x"}, [3], [{}], [{"value": 3}], [{"value": "x", "use": 3}]])
async def test_designations_that_are_none_are_refused(server: Speaking, designation: Any) -> None:
    wrong = value_set({"system": URL, "concept": [{"code": "cat", "designation": designation}]})
    for operation in ("$expand", "$validate-code"):
        rows = {"coding": {"system": URL, "code": "cat"}} if operation == "$validate-code" else {}
        answer = await server.post(f"ValueSet/{operation}", parameters(valueSet=wrong, **rows))
        assert (answer.status, answer.codes) == (422, ["invalid"])


@pytest.mark.parametrize("equivalence", [3, {}, []])
async def test_an_equivalence_that_is_none_is_refused(server: Speaking, equivalence: Any) -> None:
    target = [{"code": "C", "equivalence": equivalence}]
    group = {"source": URL, "target": "http://example.org/p", "element": [{"code": "cat", "target": target}]}
    wrong = {"resourceType": "ConceptMap", "status": "active", "group": [group]}
    for backwards, code, system in ((False, "cat", URL), (True, "C", "http://example.org/p")):
        body = parameters(conceptMap=wrong, coding={"system": system, "code": code}, reverse=backwards)
        assert (await server.post("ConceptMap/$translate", body)).status == 422
