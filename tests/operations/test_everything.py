"""https://hl7.org/fhir/R4/patient-operation-everything.html, -document.html, https://hl7.org/fhir/R4/observation-operation-lastn.html"""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.calls import BASE, Answer, Server

Json = dict[str, Any]


def ref(target: str) -> Json:
    return {"reference": target}


def an_observation(id: str, code: str, when: str, **more: Any) -> Json:
    coded = {"coding": [{"system": "urn:c", "code": one} for one in code.split("+")]}
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": coded,
        "subject": ref("Patient/1"),
        "effectiveDateTime": when,
        **more,
    }


RECORD: list[Json] = [
    {"resourceType": "Organization", "id": "parent", "name": "Parent"},
    {"resourceType": "Organization", "id": "org", "name": "Org", "partOf": ref("Organization/parent")},
    {"resourceType": "Practitioner", "id": "doc"},
    {"resourceType": "Patient", "id": "1", "managingOrganization": ref("Organization/org")},
    {"resourceType": "Patient", "id": "2"},
    an_observation("o1", "a", "2020-05-01", performer=[ref("Practitioner/doc")]),
    an_observation("o2", "a", "2022-05-01"),
    {**an_observation("o3", "a", "2022-05-01"), "subject": ref("Patient/2")},
    {"resourceType": "Binary", "id": "bin", "contentType": "text/plain", "data": "aGk="},
    {
        "resourceType": "DocumentReference", "id": "d", "status": "current", "subject": ref("Patient/1"),
        "content": [{"attachment": {"url": "Binary/bin"}}],
    },
]  # fmt: skip


@pytest.fixture
async def record(server: Server) -> Server:
    for resource in RECORD:
        assert (await server.put(f"{resource['resourceType']}/{resource['id']}", resource)).status == 201
    return server


def found(answer: Answer, mode: str) -> set[str]:
    entries = answer.json.get("entry", ())
    return {f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in entries if e["search"]["mode"] == mode}


async def test_everything_is_the_compartment_and_what_it_needs_to_be_read(record: Server) -> None:
    answer = await record.get("Patient/1/$everything")
    assert found(answer, "match") == {"Patient/1", "Observation/o1", "Observation/o2", "DocumentReference/d"}
    assert found(answer, "include") == {"Organization/org", "Organization/parent", "Practitioner/doc", "Binary/bin"}
    assert (answer.json["type"], answer.json["total"]) == ("searchset", 4)
    assert found(await record.post("Patient/1/$everything", None), "match") == found(answer, "match")


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        ("start=2021-01-01", {"Patient/1", "Observation/o2", "DocumentReference/d"}),
        ("end=2021-01-01", {"Patient/1", "Observation/o1", "DocumentReference/d"}),
        ("start=2020-05-01&end=2020-05-01&_type=Observation", {"Observation/o1"}),
        ("_type=Observation,Patient", {"Patient/1", "Observation/o1", "Observation/o2"}),
        ("_type=Observation&_type=Patient", {"Patient/1", "Observation/o1", "Observation/o2"}),
        ("_type=Organization", set()),
        ("_since=2100-01-01T00:00:00Z", set()),
    ],
)
async def test_everything_can_be_narrowed(record: Server, query: str, matches: set[str]) -> None:
    assert found(await record.get(f"Patient/1/$everything?{query}"), "match") == matches


async def test_everything_of_all_patients(record: Server) -> None:
    answer = await record.get("Patient/$everything")
    assert {"Patient/1", "Patient/2", "Observation/o1", "Observation/o3"} <= found(answer, "match")


async def test_everything_comes_in_signed_pages_when_asked(record: Server) -> None:
    url: str | None = "Patient/1/$everything?_count=3"
    seen: list[str] = []
    while url:
        page = await record.get(url)
        assert page.status == 200
        seen += sorted(found(page, "match"))
        following = [link["url"] for link in page.json["link"] if link["relation"] == "next"]
        url = following[0].removeprefix(BASE + "/") if following else None
        if url:
            assert (await record.get(url.replace("Patient/1", "Patient/2"))).status == 400
    assert sorted(seen) == ["DocumentReference/d", "Observation/o1", "Observation/o2", "Patient/1"]


async def test_a_deleted_patient_has_no_everything(record: Server) -> None:
    await record.delete("Patient/2")
    assert (await record.get("Patient/2/$everything")).status == 410


COMPOSITION: Json = {
    "resourceType": "Composition", "id": "c", "status": "final", "type": {"text": "t"}, "date": "2020", "title": "T",
    "subject": ref("Patient/1"), "author": [ref("Practitioner/doc")],
    "section": [{"title": "s", "entry": [ref("Observation/o1")], "section": [{"title": "n", "entry": [ref("Observation/o2")]}]}],
}  # fmt: skip


async def test_a_document_holds_all_the_composition_refers_to(record: Server) -> None:
    await record.put("Composition/c", COMPOSITION)
    answer = await record.get("Composition/c/$document")
    document = answer.json
    assert (answer.status, document["type"], document["entry"][0]["resource"]["id"]) == (200, "document", "c")
    held = {f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in document["entry"]}
    assert held >= {
        "Composition/c",
        "Patient/1",
        "Practitioner/doc",
        "Observation/o1",
        "Observation/o2",
        "Organization/org",
    }
    assert document["identifier"]["value"].startswith("urn:uuid:") and document["timestamp"]
    assert (await record.get("Composition/$document?id=c")).json["entry"] == document["entry"]
    assert (await record.get("Bundle?_summary=count")).json["total"] == 0


async def test_a_document_is_kept_when_asked(record: Server) -> None:
    await record.put("Composition/c", COMPOSITION)
    kept = await record.post("Composition/c/$document?persist=true", None)
    assert kept.status == 201
    assert (await record.get(f"Bundle/{kept.id}")).json["type"] == "document"


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("Composition/none/$document", 404),
        ("Composition/$document", 400),
        ("Composition/c/$document?id=c", 400),
        ("Composition/c/$document?persist=maybe", 400),
        ("Composition/c/$document?graph=http://example.org/g", 400),
        ("Composition/$document?id=http://elsewhere.example/fhir/Composition/c", 400),
        ("Composition/broken/$document", 422),
    ],
)
async def test_a_document_that_cannot_be_made_is_refused(record: Server, url: str, status: int) -> None:
    await record.put("Composition/c", COMPOSITION)
    await record.put("Composition/broken", {**COMPOSITION, "id": "broken", "author": [ref("Practitioner/none")]})
    assert (await record.get(url)).status == status


#: (id, codes, when), max → what is given: the tables of the operation's own page
@pytest.mark.parametrize(
    ("observations", "most", "given"),
    [
        ([("1", "a", "2020"), ("2", "b", "2020"), ("3", "c", "2020")], 1, {"1", "2", "3"}),
        ([("1", "a", "2021"), ("2", "b", "2020"), ("3", "a+c", "2020")], 1, {"1", "2"}),
        ([("1", "a", "2020"), ("2", "b", "2021"), ("3", "a+b", "2022")], 1, {"3"}),
        ([("1", "a", "2020"), ("2", "a", "2021"), ("3", "a", "2022")], 2, {"2", "3"}),
        ([("1", "a", "2022"), ("2", "a", "2021"), ("3", "a", "2021"), ("4", "a", "2020")], 2, {"1", "2", "3"}),
    ],
)
async def test_lastn_gives_the_latest_of_each_kind(
    server: Server, observations: list[tuple[str, str, str]], most: int, given: set[str]
) -> None:
    for id, code, when in observations:
        await server.put(f"Observation/{id}", an_observation(id, code, when, category=[{"coding": [{"code": "x"}]}]))
    answer = await server.get(f"Observation/$lastn?patient=Patient/1&category=x&max={most}")
    assert {resource["id"] for resource in answer.resources} == given


async def test_lastn_knows_the_kinds_of_those_it_does_not_show_and_texts_as_they_are_written(server: Server) -> None:
    category = [{"coding": [{"code": "x"}]}]
    many = [an_observation(f"n{n}", "a", f"2021-01-01T00:00:{n % 60:02}Z", category=category) for n in range(230)]
    for old in ("b", "a+c"):
        many.append(an_observation(f"old-{old[0]}", old, "2019", category=category))
    for n, text in enumerate(("Pouls", "pouls", "Pouls")):
        told = {**an_observation(f"text{n}", "a", f"201{8 - n}", category=category), "code": {"text": text}}
        many.append(told)
    entries = [{"resource": o, "request": {"method": "PUT", "url": f"Observation/{o['id']}"}} for o in many]
    made = await server.post("", {"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert made.status == 200
    answer = await server.get("Observation/$lastn?patient=Patient/1&category=x")
    newest = {f"n{n}" for n in range(230) if n % 60 == 59}
    assert {resource["id"] for resource in answer.resources} == {*newest, "old-b", "text0", "text1"}


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("category=x", 400),
        ("patient=1", 400),
        ("patient=1&code=a", 200),
        ("patient=1&code=a&max=0", 400),
        ("patient=1&code=a&nothing=1", 400),
    ],
)
async def test_lastn_needs_to_know_of_whom_and_of_what(server: Server, query: str, status: int) -> None:
    assert (await server.get(f"Observation/$lastn?{query}")).status == status
