"""Conditions that name other entries of their transaction, and references that name none.

https://hl7.org/fhir/R4/http.html#trules, https://hl7.org/fhir/R4/http.html#ccreate, https://hl7.org/fhir/R4/http.html#cond-update,
https://hl7.org/fhir/R4/bundle.html#references, https://hl7.org/fhir/R4/references.html#literal
"""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from tests.interactions.test_batch import asks, batch
from tests.interactions.test_transaction import A, B, an_observation, counted, named, place, statuses, transaction
from tests.server.calls import Answer, Server

Json = dict[str, Any]
PERSON: Json = {"resourceType": "Patient", "identifier": [{"system": "urn:ids", "value": "7"}]}
C = "urn:uuid:44444444-4444-4444-8444-444444444444"
FAR = "http://elsewhere.example/fhir"
HERE = "http://example.org/fhir"


def the_person(full_url: str = A) -> Json:
    """A patient who is made once and then found."""
    return named(full_url, asks("POST", "Patient", PERSON, ifNoneExist="identifier=urn:ids|7"))


def coded(code: str, subject: str = A) -> Json:
    return an_observation(subject, code={"coding": [{"system": "http://c", "code": code}]})


#: How the entry that depends on the person finds its resource: the entry, and what the second time must answer.
FORMS: dict[str, tuple[Json, str]] = {
    "ifNoneExist": (asks("POST", "Observation", coded("x"), ifNoneExist=f"code=x&subject={A}"), "200"),
    "ifNoneExist with the type in front": (
        asks("POST", "Observation", coded("x"), ifNoneExist=f"Observation?subject={A}"),
        "200",
    ),
    "ifNoneExist, escaped": (
        asks("POST", "Observation", coded("x"), ifNoneExist=f"subject={A.replace(':', '%3A')}"),
        "200",
    ),
    "ifNoneExist by a parameter for one type": (
        asks("POST", "Observation", coded("x"), ifNoneExist=f"patient={A}"),
        "200",
    ),
    "ifNoneExist with several values": (
        asks("POST", "Observation", coded("x"), ifNoneExist=f"subject={A},Patient/nobody"),
        "200",
    ),
    "ifNoneExist through a chain": (
        asks("POST", "Observation", coded("x"), ifNoneExist="subject:Patient.identifier=urn:ids|7&code=x"),
        "200",
    ),
    "conditional update": (asks("PUT", f"Observation?code=x&subject={A}", coded("x")), "200"),
}


@pytest.mark.parametrize(("entry", "again"), FORMS.values(), ids=FORMS)
async def test_a_condition_that_names_another_entry_finds_what_was_made_before(
    server: Server, entry: Json, again: str
) -> None:
    first = await server.post("", transaction(named(B, entry), the_person()))
    assert statuses(first) == ["201", "201"]
    before = await counted(server)
    second = await server.post("", transaction(named(B, entry), the_person()))
    assert statuses(second) == [again, "200"]
    assert (place(second, 0), await counted(server)) == (place(first, 0), before)


@pytest.mark.parametrize("full_url", [A, f"{FAR}/Patient/7", f"{HERE}/Patient/temporary", "urn:oid:1.2.3.4"])
async def test_an_entry_is_named_however_its_full_url_is_written(server: Server, full_url: str) -> None:
    entries = (
        named(full_url, asks("POST", "Patient", PERSON, ifNoneExist="identifier=urn:ids|7")),
        named(B, asks("POST", "Observation", coded("x", full_url), ifNoneExist=f"subject={full_url}")),
    )
    made = [await server.post("", transaction(*entries)) for _ in "12"]
    assert [statuses(one) for one in made] == [["201", "201"], ["200", "200"]]


async def test_a_relative_reference_in_a_condition_is_read_from_the_entry_s_own_full_url(server: Server) -> None:
    entries = (
        named(f"{FAR}/Patient/7", asks("POST", "Patient", PERSON, ifNoneExist="identifier=urn:ids|7")),
        named(f"{FAR}/Observation/8", asks("POST", "Observation", coded("x", "Patient/7"), ifNoneExist="patient=7")),
    )
    made = [await server.post("", transaction(*entries)) for _ in "12"]
    assert [statuses(one) for one in made] == [["201", "201"], ["200", "200"]]


async def test_the_outcome_does_not_depend_on_the_order_of_entries_that_name_one_another(server: Server) -> None:
    """Each is named by the next: a patient, an encounter of theirs, an observation made in it."""
    visit = {"resourceType": "Encounter", "status": "planned", "class": {"code": "AMB"}, "subject": {"reference": A}}
    rows = [
        the_person(),
        named(B, asks("POST", "Encounter", visit, ifNoneExist=f"patient={A}")),
        named(C, asks("POST", "Observation", {**coded("x"), "encounter": {"reference": B}}, ifNoneExist=f"encounter={B}")),
    ]  # fmt: skip
    for order in itertools.permutations(range(3)):
        answer = await server.post("", transaction(*(rows[n] for n in order)))
        assert answer.status == 200, answer.json
    assert await counted(server) == 3


async def test_two_entries_with_the_same_named_condition_make_one_resource(server: Server) -> None:
    rows = [named(url, asks("POST", "Observation", coded("x"), ifNoneExist=f"subject={A}")) for url in (B, C)]
    answer = await server.post("", transaction(*rows, the_person()))
    assert place(answer, 0) == place(answer, 1) and await counted(server) == 2


async def test_conditional_patches_and_references_name_entries_too(server: Server) -> None:
    await server.post("", transaction(the_person(), named(B, asks("POST", "Observation", coded("x")))))
    patch = {
        "resourceType": "Parameters",
        "parameter": [
            {
                "name": "operation",
                "part": [
                    {"name": "type", "valueCode": "replace"},
                    {"name": "path", "valueString": "Observation.status"},
                    {"name": "value", "valueCode": "amended"},
                ],
            }
        ],
    }
    report = {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "code": {"text": "r"},
        "result": [{"reference": f"Observation?subject={A}&code=x"}],
    }
    answer = await server.post(
        "",
        transaction(
            asks("PATCH", f"Observation?subject={A}", patch), asks("POST", "DiagnosticReport", report), the_person()
        ),
    )
    assert answer.status == 200, answer.json
    made = (await server.get(place(answer, 1))).json
    assert made["result"] == [{"reference": place(answer, 0)}]
    assert (await server.get(place(answer, 0))).json["status"] == "amended"


async def test_a_reference_by_criteria_may_mean_an_entry_by_what_that_refers_to(server: Server) -> None:
    report = {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "code": {"text": "r"},
        "result": [{"reference": f"Observation?subject={A}"}],
    }
    for order in itertools.permutations(
        [the_person(), named(B, asks("POST", "Observation", coded("x"))), asks("POST", "DiagnosticReport", report)]
    ):
        answer = await server.post("", transaction(*order))
        assert answer.status == 200, answer.json
        reports = next(n for n, row in enumerate(order) if row["request"]["url"] == "DiagnosticReport")
        observation = next(n for n, row in enumerate(order) if row["request"]["url"] == "Observation")
        assert (await server.get(place(answer, reports))).json["result"][0]["reference"] == place(answer, observation)
        await server.delete(place(answer, observation))


async def test_what_only_looks_like_a_name_stays_as_it_is(server: Server) -> None:
    """A token or canonical with the same urn speaks of an identifier or URL, which R4 does not rewrite."""
    manifest = {
        "resourceType": "DocumentManifest",
        "status": "current",
        "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": A},
        "content": [{"reference": A}],
    }
    entry = named(A, asks("POST", "Patient", PERSON, ifNoneExist="identifier=urn:ids|7"))
    master = asks("POST", "DocumentManifest", manifest, ifNoneExist=f"identifier=urn:ietf:rfc:3986|{A}")
    made = [await server.post("", transaction(entry, named(B, master))) for _ in "12"]
    assert [statuses(one) for one in made] == [["201", "201"], ["200", "200"]]


@pytest.mark.parametrize(
    ("rows", "status", "at"),
    [
        ([the_person(), asks("DELETE", f"Observation?subject={A}")], 400, "Bundle.entry[1].request.url"),
        (
            [
                named(A, asks("POST", "List", {"resourceType": "List", "status": "current", "mode": "working"}, ifNoneExist=f"item={B}")),
                named(B, asks("POST", "List", {"resourceType": "List", "status": "current", "mode": "working"}, ifNoneExist=f"item={A}")),
            ],
            400,
            "Bundle.entry[0].request",
        ),
        ([asks("POST", "Patient", PERSON, ifNoneExist="Observation?code=x")], 400, "Bundle.entry[0].request"),
        ([asks("POST", "Patient?identifier=urn:ids|7", PERSON)], 400, "Bundle.entry[0].request"),
        ([asks("PUT", "Patient/a?active=true", {**PERSON, "id": "a"})], 400, "Bundle.entry[0].request"),
        ([asks("PUT", "Patient/a", {**PERSON, "id": "a"}, ifNoneExist="active=true")], 400, "Bundle.entry[0].request"),
        ([asks("DELETE", "Patient/a?active=true")], 400, "Bundle.entry[0].request"),
    ],
)  # fmt: skip
async def test_a_condition_that_cannot_be_judged_is_refused_with_the_reason(
    server: Server, rows: list[Json], status: int, at: str
) -> None:
    answer = await server.post("", transaction(*rows))
    assert answer.status == status and at in answer.expressions
    assert await counted(server) == 0
    if "Observation?subject" not in json.dumps(rows) and len(rows) == 1:
        alone = await server.post("", batch(*rows))
        assert alone.json["entry"][0]["response"]["status"].startswith("400")


async def test_many_entries_that_each_name_the_next_are_resolved(server: Server) -> None:
    urls = [f"urn:uuid:00000000-0000-4000-8000-{n:012d}" for n in range(400)]
    rows = [
        named(
            url,
            asks(
                "POST",
                "List",
                {"resourceType": "List", "status": "current", "mode": "working", "entry": [{"item": {"reference": after}}]},
                ifNoneExist=f"item={after}",
            ),
        )
        for url, after in itertools.pairwise([*urls, A])
    ]  # fmt: skip
    answer = await server.post("", transaction(*rows, the_person()))
    assert answer.status == 200
    again = await server.post("", transaction(*rows, the_person()))
    assert set(statuses(again)) == {"200"}


# ------------------------------------------------------------------------------ references that name no entry

LOST = "urn:uuid:99999999-9999-4999-8999-999999999999"
DANGLING: dict[str, tuple[Json, str]] = {
    "a reference": (an_observation(LOST), "Observation.subject.reference"),
    "an oid": (an_observation("urn:oid:1.2.3"), "Observation.subject.reference"),
    "in upper case": (an_observation(LOST.upper()), "Observation.subject.reference"),
    "in a list": (an_observation("Patient/1", performer=[{"reference": LOST}]), "Observation.performer[0].reference"),
    "in an extension": (
        an_observation("Patient/1", extension=[{"url": "http://e", "valueReference": {"reference": LOST}}]),
        "Observation.extension[0].valueReference.reference",
    ),
    "in what is contained": (
        an_observation(
            "Patient/1",
            performer=[{"reference": "#w"}],
            contained=[{"resourceType": "PractitionerRole", "id": "w", "practitioner": {"reference": LOST}}],
        ),
        "Observation.contained[0].practitioner.reference",
    ),
}


@pytest.mark.parametrize("way", ["POST", "PUT", "conditional PUT", "batch", "transaction"])
@pytest.mark.parametrize(("resource", "path"), DANGLING.values(), ids=DANGLING)
async def test_a_reference_that_names_no_entry_is_refused(server: Server, way: str, resource: Json, path: str) -> None:
    answer: Answer
    match way:
        case "POST":
            answer = await server.post("Observation", resource)
        case "PUT":
            answer = await server.put("Observation/o", {**resource, "id": "o"})
        case "conditional PUT":
            answer = await server.put("Observation?code=x", resource)
        case "batch":
            whole = await server.post(
                "", batch(named(A, asks("POST", "Patient", PERSON)), asks("POST", "Observation", resource))
            )
            failed = whole.json["entry"][1]["response"]
            assert failed["status"].startswith("422")
            assert [one["expression"] for one in failed["outcome"]["issue"]] == [
                [f"Bundle.entry[1].resource{path[11:]}"]
            ]
            return
        case _:
            answer = await server.post("", transaction(the_person(), asks("POST", "Observation", resource)))
            path = f"Bundle.entry[1].resource{path[11:]}"
    assert (answer.status, answer.codes, answer.expressions) == (422, ["not-found"], [path])
    assert await counted(server) == 0


async def test_a_batch_whose_entries_name_each_other_is_told_that_a_transaction_is_for_that(server: Server) -> None:
    """R4 http.html#transaction: the entries of a batch are independent of one another."""
    answer = await server.post("", batch(the_person(), asks("POST", "Observation", an_observation(A))))
    outcome = answer.json["entry"][1]["response"]["outcome"]
    assert "transaction" in outcome["issue"][0]["diagnostics"]


@pytest.mark.parametrize(
    "entry",
    [
        asks("POST", "Observation", an_observation("Patient/1"), ifNoneExist=f"subject={A}"),
        asks("PUT", f"Observation?subject={A}", an_observation("Patient/1")),
        asks("DELETE", f"Observation?subject={A}"),
    ],
    ids=["create", "update", "delete"],
)
async def test_a_condition_in_a_batch_names_no_other_entry(server: Server, entry: Json) -> None:
    answer = await server.post("", batch(the_person(), entry))
    assert [row["response"]["status"][:3] for row in answer.json["entry"]] == ["201", "400"]
    assert "transaction" in answer.json["entry"][1]["response"]["outcome"]["issue"][0]["diagnostics"]
    assert await counted(server) == 1


async def test_a_bundle_that_is_kept_whole_resolves_its_own_references(server: Server) -> None:
    kept = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {"fullUrl": A, "resource": PERSON},
            {"fullUrl": B, "resource": an_observation(A)},
        ],
    }
    assert (await server.post("Bundle", kept)).status == 201
    assert (await server.post("", transaction(asks("POST", "Bundle", kept)))).status == 200


async def test_what_an_identifier_or_an_address_says_is_no_reference(server: Server) -> None:
    document = {
        "resourceType": "DocumentReference",
        "status": "current",
        "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": LOST},
        "subject": {"identifier": {"system": "urn:ietf:rfc:3986", "value": LOST}},
        "content": [{"attachment": {"url": LOST}}],
    }
    assert (await server.post("DocumentReference", document)).status == 201


async def test_a_patch_may_leave_what_was_there_and_bring_nothing_new(server: Server) -> None:
    made = await server.post("Observation", an_observation("Patient/1"))

    def patch(path: str, value: Any) -> bytes:
        return json.dumps([{"op": "replace", "path": path, "value": value}]).encode()

    refused = await server.call(
        "PATCH", f"Observation/{made.id}", patch("/subject/reference", LOST), content_type="application/json-patch+json"
    )
    assert (refused.status, refused.expressions) == (422, ["Observation.subject.reference"])
