"""https://hl7.org/fhir/R4/http.html#trules, https://hl7.org/fhir/R4/bundle.html#references"""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest

from tests.interactions.test_batch import asks
from tests.server.calls import Answer, Server

Json = dict[str, Any]
PATIENT: Json = {"resourceType": "Patient", "identifier": [{"system": "urn:ids", "value": "7"}]}
A, B = "urn:uuid:11111111-1111-4111-8111-111111111111", "urn:uuid:22222222-2222-4222-8222-222222222222"


def transaction(*entries: Json) -> Json:
    return {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}


def named(full_url: str, entry: Json) -> Json:
    return {"fullUrl": full_url, **entry}


def an_observation(subject: str, **more: Any) -> Json:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": subject},
        **more,
    }


def statuses(answer: Answer) -> list[str]:
    return [entry["response"]["status"][:3] for entry in answer.json["entry"]]


def place(answer: Answer, n: int) -> str:
    return str(answer.json["entry"][n]["response"]["location"].partition("/_history")[0])


async def counted(server: Server) -> int:
    return int((await server.get("?_summary=count")).json["total"])


async def test_links_between_entries_become_where_the_resources_are(server: Server) -> None:
    canonical = "urn:uuid:33333333-3333-4333-8333-333333333333"
    document = {
        "resourceType": "DocumentReference",
        "status": "current",
        "text": {
            "status": "additional",
            "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{A}">p</a> {A}</div>',
        },
        "subject": {"reference": A},
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": A}],
        "extension": [
            {"url": "http://example.org/e", "valueUri": f"{B}#part"},
            {"url": "http://example.org/f", "valueString": B},
        ],
        "contained": [{"resourceType": "Basic", "id": "c", "code": {"text": "x"}, "subject": {"reference": A}}],
        "content": [{"attachment": {"url": B}}],
        "context": {"related": [{"reference": "Patient/other"}, {"reference": "#c"}]},
    }
    binary = {"resourceType": "Binary", "contentType": "text/plain", "data": "aGk="}
    answer = await server.post(
        "",
        transaction(
            named(canonical, asks("POST", "DocumentReference", document)),
            named(A, asks("POST", "Patient", PATIENT)),
            named(B, asks("POST", "Binary", binary)),
        ),
    )
    assert (answer.status, statuses(answer)) == (200, ["201", "201", "201"])
    patient, file = place(answer, 1), place(answer, 2)
    made = (await server.get(place(answer, 0))).json
    assert made["subject"] == {"reference": patient}
    assert made["content"][0]["attachment"]["url"] == file
    assert made["extension"][0]["valueUri"] == f"{file}#part"
    assert made["contained"][0]["subject"]["reference"] == patient
    assert [one["reference"] for one in made["context"]["related"]] == ["Patient/other", "#c"]
    assert f'href="{patient}"' in made["text"]["div"]
    # R4: what is not a link keeps its value, whatever it looks like.
    assert (
        made["identifier"][0]["value"] == A
        and made["extension"][1]["valueString"] == B
        and f"</a> {A}" in made["text"]["div"]
    )


async def test_relative_references_are_read_from_the_entry_s_own_full_url(server: Server) -> None:
    far = "http://elsewhere.example/fhir"
    answer = await server.post(
        "",
        transaction(
            named(f"{far}/Patient/7", asks("POST", "Patient", {**PATIENT, "id": "7"})),
            named(f"{far}/Observation/8", asks("POST", "Observation", an_observation("Patient/7"))),
            named(A, asks("POST", "Observation", an_observation("Patient/7"))),
            named(B, asks("POST", "Observation", an_observation(f"{far}/Patient/7"))),
        ),
    )
    patient = place(answer, 0)
    references = [(await server.get(place(answer, n))).json["subject"]["reference"] for n in (1, 2, 3)]
    assert references == [patient, "Patient/7", patient]


async def test_canonicals_and_versioned_references_are_kept(server: Server) -> None:
    report = {
        "resourceType": "MeasureReport",
        "status": "complete",
        "type": "individual",
        "measure": A,
        "period": {"start": "2020"},
        "subject": {"reference": "Patient/1/_history/3"},
    }
    answer = await server.post(
        "", transaction(named(A, asks("POST", "Patient", PATIENT)), asks("POST", "MeasureReport", report))
    )
    made = (await server.get(place(answer, 1))).json
    assert (made["measure"], made["subject"]["reference"]) == (A, "Patient/1/_history/3")


async def test_an_entry_that_is_found_instead_of_created_is_what_others_refer_to(server: Server) -> None:
    there = await server.post("Patient", PATIENT)
    answer = await server.post(
        "",
        transaction(
            named(A, asks("POST", "Patient", PATIENT, ifNoneExist="identifier=urn:ids|7")),
            asks("POST", "Observation", an_observation(A)),
        ),
    )
    assert statuses(answer) == ["200", "201"]
    assert (await server.get(place(answer, 1))).json["subject"]["reference"] == f"Patient/{there.id}"
    assert (await server.get(f"Patient/{there.id}")).version == 1


@pytest.mark.parametrize("criteria", ["organization.name=x", "_has:Observation:patient:code=x", "identifier=a?b|1"])
async def test_a_reference_by_any_criteria_that_match_nothing_is_412(server: Server, criteria: str) -> None:
    entry = asks("POST", "Observation", an_observation(f"Patient?{criteria}"))
    answer = await server.post("", transaction(entry, asks("POST", "Patient", PATIENT)))
    assert (answer.status, answer.codes) == (412, ["not-found"]) and await counted(server) == 0


@pytest.mark.parametrize(("there", "status"), [(0, 412), (1, 200), (2, 412)])
async def test_a_reference_by_criteria_means_the_one_that_matches(server: Server, there: int, status: int) -> None:
    for n in range(there):
        await server.put(f"Patient/m{n}", {**PATIENT, "id": f"m{n}"})
    before = await counted(server)
    answer = await server.post(
        "", transaction(asks("POST", "Observation", an_observation("Patient?identifier=urn:ids|7")))
    )
    assert answer.status == status
    if status == 200:
        assert (await server.get(place(answer, 0))).json["subject"]["reference"] == "Patient/m0"
    else:
        assert answer.expressions == ["Bundle.entry[0].resource.subject.reference"]
        assert await counted(server) == before


async def test_a_reference_by_criteria_may_mean_what_the_transaction_creates(server: Server) -> None:
    answer = await server.post(
        "",
        transaction(
            asks("POST", "Observation", an_observation("Patient?identifier=urn:ids|7")),
            asks("POST", "Patient", PATIENT),
        ),
    )
    assert (await server.get(place(answer, 0))).json["subject"]["reference"] == place(answer, 1)


async def test_deletions_come_first_and_reads_last(server: Server) -> None:
    await server.put("Patient/old", {**PATIENT, "id": "old"})
    answer = await server.post(
        "",
        transaction(
            asks("GET", "Patient?identifier=urn:ids|7"),
            asks("PUT", "Patient/x", {"resourceType": "Patient", "id": "x"}),
            asks("POST", "Patient", PATIENT, ifNoneExist="identifier=urn:ids|7"),
            asks("GET", "Patient/x"),
            asks("DELETE", "Patient/old"),
        ),
    )
    assert statuses(answer) == ["200", "201", "201", "200", "204"]
    assert [entry["resource"]["id"] for entry in answer.json["entry"][0]["resource"]["entry"]] == [place(answer, 2)[8:]]
    assert answer.json["entry"][3]["resource"]["id"] == "x"


#: A read in the same transaction that names its Patient as the Bundle does → what it is owed.
READS = {
    "a reference": (f"Observation?subject={A}", "Observation"),
    "a reference to a type": (f"Observation?subject:Patient={A}", "Observation"),
    "one of several": (f"Observation?patient=Patient/nobody,{A}", "Observation"),
    "beside other criteria": (f"Observation?status=final&subject={A}&_count=1", "Observation"),
    "a chain": (f"Observation?subject._id={A}", "Observation"),
    "what refers to it": (f"Patient?_has:Observation:subject:_id={B}", "Patient"),
    "the id": (f"Patient?_id={A}", "Patient"),
    "an expression": (f"Observation?_filter=subject%20eq%20{A}", "Observation"),
    "a compartment": (f"Patient/{A}/Observation", "Observation"),
    "an operation": (f"Observation/$lastn?subject={A}&code:text=x", "Observation"),
    "an operation on it": (f"Patient/{A}/$everything?_type=Observation", "Observation"),
}


@pytest.mark.parametrize("found", [False, True], ids=["created", "found"])
@pytest.mark.parametrize("read", READS)
async def test_a_read_may_name_what_the_transaction_writes(server: Server, read: str, found: bool) -> None:
    url, type = READS[read]
    if found:
        await server.post("Patient", PATIENT)
    answer = await server.post(
        "",
        transaction(
            asks("GET", url),
            named(A, asks("POST", "Patient", PATIENT, ifNoneExist="identifier=urn:ids|7")),
            named(B, asks("POST", "Observation", an_observation(A))),
        ),
    )
    assert statuses(answer) == ["200", "200" if found else "201", "201"], answer.json
    entries = answer.json["entry"][0]["resource"].get("entry", [])
    matches = [e["resource"] for e in entries if e.get("search", {}).get("mode") != "include"]
    written = {"Patient": place(answer, 1), "Observation": place(answer, 2)}[type]
    assert [f"{one['resourceType']}/{one['id']}" for one in matches] == [written]


async def test_a_read_may_ask_for_what_the_transaction_writes_itself(server: Server) -> None:
    answer = await server.post("", transaction(asks("GET", A), named(A, asks("POST", "Patient", PATIENT))))
    assert f"Patient/{answer.json['entry'][0]['resource']['id']}" == place(answer, 1)


async def test_an_identifier_that_is_a_full_url_stays_what_it_is(server: Server) -> None:
    known = {**PATIENT, "identifier": [{"system": "urn:ietf:rfc:3986", "value": A}]}
    read = asks("GET", f"Patient?identifier=urn:ietf:rfc:3986|{A}")
    answer = await server.post("", transaction(read, named(A, asks("POST", "Patient", known))))
    assert answer.json["entry"][0]["resource"]["total"] == 1


async def test_every_problem_is_told_at_once_and_nothing_is_written(server: Server) -> None:
    answer = await server.post(
        "",
        transaction(
            asks("POST", "Patient", PATIENT),
            asks("POST", "Patient", {"resourceType": "Patient", "gender": "x"}),
            asks("PUT", "Patient/a", {"resourceType": "Patient", "id": "b"}),
            asks("PUT", "Patient/c", {"resourceType": "Patient", "id": "c"}, ifMatch='W/"3"'),
            asks("GET", "Patient/none"),
            asks("PATCH", "Patient/none", {"resourceType": "Parameters"}),
            asks("POST", "Foo", {"resourceType": "Foo"}),
            asks("POST", "Observation", PATIENT),
        ),
    )
    assert answer.status in (400, 412, 422)
    told = {expression.partition("]")[0] for expression in answer.expressions}
    assert told == {f"Bundle.entry[{n}" for n in (1, 2, 3, 4, 5, 6, 7)}
    assert await counted(server) == 0


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (asks("PUT", "Patient/a", {"resourceType": "Patient", "id": "a"}), asks("DELETE", "Patient/a")),
        (
            asks("PUT", "Patient/a", {"resourceType": "Patient", "id": "a"}),
            asks("PUT", "Patient/a", {"resourceType": "Patient", "id": "a"}),
        ),
        (asks("DELETE", "Patient?identifier=urn:ids|7"), asks("DELETE", "Patient/a")),
        (asks("PUT", "Patient?identifier=urn:ids|7", PATIENT), asks("PUT", "Patient/a", {**PATIENT, "id": "a"})),
    ],
)
async def test_two_entries_that_write_the_same_resource_are_refused(server: Server, first: Json, second: Json) -> None:
    await server.put("Patient/a", {**PATIENT, "id": "a"})
    answer = await server.post("", transaction(first, second))
    assert answer.status == 400
    assert (await server.get("Patient/a")).version == 1


async def test_two_entries_with_the_same_full_url_are_refused(server: Server) -> None:
    entry = named(A, asks("POST", "Patient", PATIENT))
    assert (await server.post("", transaction(entry, entry))).status in (400, 422)
    assert await counted(server) == 0


async def test_patches_of_both_kinds_are_entries(server: Server) -> None:
    await server.put("Patient/a", {**PATIENT, "id": "a"})
    await server.put("Patient/b", {"resourceType": "Patient", "id": "b", "active": True})
    data = base64.b64encode(json.dumps([{"op": "add", "path": "/gender", "value": "male"}]).encode()).decode()
    binary = {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": data}
    parts = [{"name": "type", "valueCode": "delete"}, {"name": "path", "valueString": "Patient.active"}]
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}
    answer = await server.post(
        "", transaction(asks("PATCH", "Patient/a", binary), asks("PATCH", "Patient?active=true", parameters))
    )
    assert statuses(answer) == ["200", "200"]
    assert (await server.get("Patient/a")).json["gender"] == "male"
    assert "active" not in (await server.get("Patient/b")).json


async def test_conditional_updates_and_deletes_are_entries(server: Server) -> None:
    await server.put("Patient/a", {**PATIENT, "id": "a"})
    await server.put("Patient/gone", {"resourceType": "Patient", "id": "gone", "active": False})
    answer = await server.post(
        "",
        transaction(
            named(A, asks("PUT", "Patient?identifier=urn:ids|7", {**PATIENT, "active": True})),
            named(B, asks("PUT", "Patient?identifier=urn:ids|8", {**PATIENT, "id": "new"})),
            asks("DELETE", "Patient?active=false"),
            asks("DELETE", "Patient?identifier=urn:ids|9"),
            asks("POST", "Observation", an_observation(A)),
        ),
    )
    assert statuses(answer) == ["200", "201", "204", "204", "201"]
    assert (place(answer, 0), place(answer, 1)) == ("Patient/a", "Patient/new")
    assert (await server.get(place(answer, 4))).json["subject"]["reference"] == "Patient/a"
    assert (await server.get("Patient/gone")).status == 410


async def test_simultaneous_transactions_with_the_same_condition_make_one_resource(server: Server) -> None:
    body = transaction(
        named(A, asks("POST", "Patient", PATIENT, ifNoneExist="identifier=urn:ids|7")),
        asks("POST", "Observation", an_observation(A)),
    )
    answers = await asyncio.gather(*(server.post("", body) for _ in range(20)))
    assert {answer.status for answer in answers} == {200}
    assert len({place(answer, 0) for answer in answers}) == 1
    assert (await server.get("Observation?_summary=count")).json["total"] == 20
    assert (await server.get(f"Observation?subject={place(answers[0], 0)}&_summary=count")).json["total"] == 20


async def test_decimals_and_order_survive_a_transaction(server: Server) -> None:
    body = (
        b'{"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Observation","valueQuantity":'
        b'{"value":1.50},"status":"final","code":{"text":"x"}},"request":{"method":"POST","url":"Observation"}}]}'
    )
    answer = await server.post("", body)
    stored = (await server.get(place(answer, 0))).response.body
    assert stored.endswith(b'"valueQuantity":{"value":1.50},"status":"final","code":{"text":"x"}}')


async def test_an_operation_in_a_transaction_is_read_after_what_is_written(server: Server) -> None:
    answer = await server.post(
        "",
        transaction(
            asks("GET", "Patient/x/$everything"), asks("PUT", "Patient/x", {"resourceType": "Patient", "id": "x"})
        ),
    )
    assert answer.json["entry"][0]["resource"]["total"] == 1
    refused = await server.post("", transaction(asks("POST", "Patient/x/$meta-add", {"resourceType": "Parameters"})))
    assert refused.status == 400
