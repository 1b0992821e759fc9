"""Nobody writes into another's record, by any type, verb or way in.

https://hl7.org/fhir/R4/compartmentdefinition-patient.html, https://hl7.org/fhir/R4/http.html, R4 security.html
The links of each type are those of R4's own definitions; which of them say whose it is, is `access/record_owner.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from fhir_server.access.grant import VERBS, Grant, Scope
from fhir_server.access.record_owner import rows
from fhir_server.fhir import definitions
from fhir_server.store.filters import EVERYTHING, Token
from fhir_server.validation.validator import validate
from tests.access.minimal import links, referring, resource
from tests.interactions.test_batch import asks, batch
from tests.server.calls import Server, serving

A, B = {"reference": "Patient/a"}, {"reference": "Patient/b"}
RECORDS = sorted(type for type, row in rows().items() if row.kind == "record")


def grant(subject: str, level: str = "user", **more: Any) -> Grant:
    return Grant((Scope(level, "*", VERBS),), subject=subject, client="app", traced=False, **more)  # type: ignore[arg-type]


#: Everybody who may write into a's record and into no other.
CALLERS = {
    "patient's app": grant("Patient/a", "patient", patient="a"),
    "patient": grant("Patient/a"),
    "patient, in context": grant("Patient/a", patient="a", wards=frozenset({"b"})),
    "representative": grant("RelatedPerson/r", wards=frozenset({"a"})),
    "representative's app": grant("RelatedPerson/r", "patient", wards=frozenset({"a", "b"}), patient="a"),
    "parent's app": grant("Patient/p", "patient", wards=frozenset({"a"}), patient="a"),
    "professional's tool opened on a": grant("Practitioner/d", "patient", patient="a"),
    "professional, in context": grant("Practitioner/d", patient="a"),
}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with serving(tmp_path) as found:
        for id in "ab":
            identifier = [{"system": "urn:system", "value": id}]
            await found.put(f"Patient/{id}", {"resourceType": "Patient", "id": id, "identifier": identifier})
        yield found


def owned(type: str, *patients: dict[str, Any]) -> dict[str, Any]:
    """The smallest resource that every element of the table says to be of `patients`; of nobody without any."""
    row, tree = rows()[type], resource(type)
    for path in (*row.whose, *row.among):
        tree = referring(tree, path, *(patients or ({"display": "a"},)))
    return tree


def secondary(type: str) -> Iterator[str]:
    row = rows()[type]
    yield from (path for path in links(type) if path not in (*row.whose, *row.among))


def is_valid(tree: dict[str, Any]) -> bool:
    return not any(issue.severity in ("error", "fatal") for issue in validate(tree))


def test_every_type_has_its_row_and_every_element_and_parameter_of_it_is_r4s_own() -> None:
    assert rows().keys() == definitions.resource_types()
    parameters = {(base, p.code) for p in definitions.search_parameters() for base in p.base if p.type == "reference"}
    for type, row in rows().items():
        assert {*row.whose, *row.among, *row.parties} <= {*links(type)}, type
        assert all((type, param) in parameters for param in row.read), type
        assert (row.kind == "record") == bool(row.whose or row.among), type


def test_every_record_of_r4s_patient_compartment_is_somebodys() -> None:
    others = {"AuditEvent", "Group", "Patient", "Person", "Provenance", "RelatedPerson"}
    assert {type for type, params in definitions.compartments()["Patient"].items() if params} <= {*RECORDS} | others


@pytest.mark.parametrize("type", RECORDS)
def test_each_record_can_be_made_from_the_definitions(type: str) -> None:
    assert is_valid(owned(type, A))


def created(tree: dict[str, Any]) -> list[tuple[str, str, Any, dict[str, str]]]:
    """Ways to create: method, URL, body, headers."""
    type = tree["resourceType"]
    return [
        ("POST", type, tree, {}),
        ("POST", type, tree, {"if_none_exist": "_id=nothing"}),
        ("PUT", f"{type}?_id=nothing", tree, {}),
        ("POST", "", batch(asks("POST", type, tree), type="transaction"), {}),
        ("POST", "", batch(asks("POST", type, tree)), {}),
    ]


def updated(id: str, tree: dict[str, Any]) -> list[tuple[str, str, Any, dict[str, str]]]:
    type = tree["resourceType"]
    named = {**tree, "id": id}
    patches = [
        {"op": "add", "path": f"/{name}", "value": value} for name, value in tree.items() if name != "resourceType"
    ]
    return [
        ("PUT", f"{type}/{id}", named, {}),
        ("PUT", f"{type}?_id={id}", named, {}),
        ("PATCH", f"{type}/{id}", patches, {"content_type": "application/json-patch+json"}),
        ("PATCH", f"{type}?_id={id}", patches, {"content_type": "application/json-patch+json"}),
        ("POST", "", batch(asks("PUT", f"{type}/{id}", named), type="transaction"), {}),
        ("POST", "", batch(asks("PUT", f"{type}?_id={id}", named), type="transaction"), {}),
        ("POST", "", batch(asks("PUT", f"{type}/{id}", named)), {}),
    ]


def ended(type: str, id: str, found: bool = False) -> list[tuple[str, str, Any, dict[str, str]]]:
    tag = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"tag": [{"code": "a"}]}}]}
    return [
        ("DELETE", f"{type}/{id}", None, {}),
        ("POST", f"{type}/{id}/$meta-add", tag, {}),
        ("POST", "", batch(asks("DELETE", f"{type}/{id}"), type="transaction"), {}),
        ("POST", "", batch(asks("DELETE", f"{type}/{id}")), {}),
        # A condition that matches nothing its caller could find is no error.
        *([("DELETE", f"{type}?_id={id}", None, {})] if found else []),
    ]


async def statuses(server: Server, calls: list[tuple[str, str, Any, dict[str, str]]]) -> list[int]:
    """What each is answered: of a batch, its entry."""
    found = []
    for method, url, body, headers in calls:
        answer = await server.call(method, url, body, **headers)
        entries = answer.json.get("entry") if method == "POST" and not url and answer.status == 200 else None
        found.append(int(entries[0]["response"]["status"][:3]) if entries else answer.status)
    return found


def refused(found: list[int]) -> bool:
    """Hidden counts: what is another's is not found, what would become another's is forbidden."""
    return all(status in (403, 404) for status in found)


#: Callers by whom every way in is tried; the others have the same rule and take the first.
EVERY_WAY = {
    "patient's app",
    "professional, in context",
    "professional",
    "professional behind an establishment's software",
}


def ways(name: str, calls: list[tuple[str, str, Any, dict[str, str]]]) -> list[tuple[str, str, Any, dict[str, str]]]:
    return calls if name in EVERY_WAY else calls[:1]


async def stored(server: Server) -> int:
    """Versions there are of everything."""
    return await server.engine.store.history_count(dict.fromkeys(definitions.resource_types(), EVERYTHING))


@pytest.mark.parametrize("type", RECORDS)
async def test_a_record_is_written_by_every_way_when_it_is_the_patients(server: Server, type: str) -> None:
    app = server.as_caller(CALLERS["patient's app"])
    mine = owned(type, A)
    assert await statuses(app, created(mine)) == [201] * 5
    await server.put(f"{type}/x", {**mine, "id": "x"})
    assert await statuses(app, updated("x", mine)) == [200] * 7
    for call in ended(type, "x", found=True):
        await server.put(f"{type}/x", {**mine, "id": "x"})
        assert (await statuses(app, [call]))[0] in (200, 204)


@pytest.mark.parametrize("type", RECORDS)
async def test_no_record_is_made_for_another_for_nobody_or_for_several(server: Server, type: str) -> None:
    before = await stored(server)
    element = next(iter((*rows()[type].whose, *rows()[type].among)))
    both = referring(resource(type), element, A, B)
    several = [owned(type, A, B)] if str(both).count("Patient/") == 2 else []
    for name, caller in CALLERS.items():
        for tree in (owned(type, B), owned(type), *several):
            assert refused(await statuses(server.as_caller(caller), ways(name, created(tree)))), (name, tree)
    assert await stored(server) == before


@pytest.mark.parametrize("type", RECORDS)
async def test_no_secondary_link_makes_anothers_record_ones_own(server: Server, type: str) -> None:
    app = server.as_caller(CALLERS["patient's app"])
    trees = [tree for path in secondary(type) if is_valid(tree := referring(owned(type, B), path, A))]
    before = await stored(server)
    for tree in trees:
        assert refused(await statuses(app, created(tree))), tree
    assert await stored(server) == before
    for number, tree in enumerate(trees):
        await server.put(f"{type}/s{number}", {**tree, "id": f"s{number}"})
        before = await stored(server)
        assert refused(await statuses(app, updated(f"s{number}", owned(type, A)))), tree
        assert refused(await statuses(app, ended(type, f"s{number}"))), tree
        assert await stored(server) == before


@pytest.mark.parametrize("type", RECORDS)
async def test_a_secondary_link_to_another_puts_nothing_before_them_or_into_their_compartment(
    server: Server, type: str
) -> None:
    app, other = (
        server.as_caller(CALLERS["patient's app"]),
        server.as_caller(grant("Patient/b", "patient", patient="b")),
    )
    for path in secondary(type):
        tree = referring(owned(type, A), path, B)
        if is_valid(tree):
            assert set(await statuses(app, created(tree))) <= {201, 403}, path
            assert (await other.get(type)).json["total"] == 0, path
            assert (await server.get(f"Patient/b/{type}")).json["total"] == 0, path
            # What others made so is still the patient's, and a change of it puts nobody else there.
            made = await server.post(type, tree)
            await server.put(f"{type}/{made.id}", {**tree, "id": made.id, "language": "fr"})
            assert set(await statuses(app, updated(made.id, {**tree, "language": "en"}))) == {200}, path
            assert (await server.delete(f"{type}/{made.id}")).status == 204


@pytest.mark.parametrize("type", RECORDS)
async def test_no_record_is_moved_or_ended_from_or_to_another(server: Server, type: str) -> None:
    for id, patient in (("mine", A), ("theirs", B)):
        await server.put(f"{type}/{id}", {**owned(type, patient), "id": id})
    before = await stored(server)
    for name, caller in CALLERS.items():
        here = server.as_caller(caller)
        for id, tree in (("mine", owned(type, B)), ("theirs", owned(type, A)), ("theirs", owned(type, B))):
            assert refused(await statuses(here, ways(name, updated(id, tree)))), (name, id)
        assert refused(await statuses(here, ways(name, ended(type, "theirs")))), name
        assert (await here.delete(f"{type}?_id=theirs")).status in (204, 403), name
        assert await stored(server) == before, name


@pytest.mark.parametrize("type", sorted(rows().keys() - {*RECORDS, "Binary"}))
async def test_what_is_nobodys_record_is_written_by_no_patients_token(server: Server, type: str) -> None:
    tree = resource(type)
    await server.put(f"{type}/x", {**tree, "id": "x"})
    before = await stored(server)
    for name, caller in CALLERS.items():
        if name == "professional, in context" and rows()[type].kind == "shared":
            continue
        here = server.as_caller(caller)
        for calls in (created(tree), updated("x", tree), ended(type, "x")):
            assert refused(await statuses(here, ways(name, calls))), name
    assert await stored(server) == before


#: What stands in `Observation.subject`, and whether it says that a's it is.
SPELLED: list[tuple[dict[str, Any], bool]] = [
    ({"reference": "Patient/a"}, True),
    ({"reference": "http://example.org/fhir/Patient/a"}, True),
    ({"reference": "Patient/a/_history/1"}, True),
    ({"reference": "Patient/a", "display": "b"}, True),
    ({"reference": "Patient/a", "identifier": {"system": "urn:system", "value": "a"}}, True),
    ({"reference": "Patient/a", "identifier": {"system": "urn:system", "value": "b"}}, False),
    ({"reference": "Patient/a", "identifier": {"value": "a"}}, False),
    ({"reference": "Patient/b", "identifier": {"system": "urn:system", "value": "a"}}, False),
    ({"identifier": {"system": "urn:system", "value": "a"}}, False),
    ({"display": "a"}, False),
    ({"type": "Patient"}, False),
    ({"reference": "#a"}, False),
    ({"reference": "Patient/a#b"}, False),
    ({"reference": "https://example.org/fhir/Patient/a"}, False),
    ({"reference": "http://elsewhere.example/fhir/Patient/a"}, False),
    ({"reference": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"}, False),
    ({"reference": "Patient?identifier=urn:system|a"}, False),
    ({"reference": "Group/a"}, False),
    ({"reference": "Device/a"}, False),
]


@pytest.mark.parametrize(("subject", "hers"), SPELLED, ids=str)
async def test_only_a_literal_reference_to_the_patient_here_says_whose(
    server: Server, subject: dict[str, Any], hers: bool
) -> None:
    tree = resource("Observation") | {"subject": subject}
    if subject.get("reference") == "#a":
        tree["contained"] = [{"resourceType": "Patient", "id": "a"}]
    answer = await server.as_caller(CALLERS["patient's app"]).post("Observation", tree)
    # What refers to nothing that could be is not valid in the first place.
    assert answer.status in ((201,) if hers else (403, 422))
    assert hers or answer.expressions[0].startswith("Observation.subject")


@pytest.mark.parametrize(("fullUrl", "status"), [("urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", 200)])
async def test_a_link_between_entries_is_judged_where_it_leads(server: Server, fullUrl: str, status: int) -> None:
    app = server.as_caller(CALLERS["patient's app"])
    observation = resource("Observation") | {"subject": {"reference": fullUrl}}
    for id, expected in (("a", status), ("b", 404)):
        patient = (await server.get(f"Patient/{id}")).json
        entries = [asks("PUT", f"Patient/{id}", patient), asks("POST", "Observation", observation)]
        entries[0]["fullUrl"] = fullUrl
        assert (await app.post("", batch(*entries, type="transaction"))).status == expected


#: Who stands beside a in an appointment, and whether a's app may write it.
BESIDE: list[tuple[dict[str, Any], bool]] = [
    ({"reference": "Practitioner/d"}, True),
    ({"reference": "Location/l"}, True),
    ({"reference": "RelatedPerson/r"}, True),
    ({"display": "Dr Exemple"}, True),
    ({"reference": "http://elsewhere.example/fhir/Practitioner/d"}, True),
    ({"reference": "#d"}, True),
    ({"reference": "Patient/b"}, False),
    ({"reference": "#b"}, False),
    ({"reference": "#nothing"}, False),
    ({"reference": "http://elsewhere.example/fhir/Patient/b"}, False),
    ({"identifier": {"system": "urn:system", "value": "b"}}, False),
    ({"type": "Practitioner", "identifier": {"system": "urn:system", "value": "b"}}, False),
    ({"reference": "Practitioner/d", "identifier": {"system": "urn:system", "value": "b"}}, False),
    ({"type": "Patient", "display": "b"}, False),
    ({"reference": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"}, False),
]


@pytest.mark.parametrize(("actor", "allowed"), BESIDE, ids=str)
async def test_others_than_patients_stand_beside_one_in_an_appointment(
    server: Server, actor: dict[str, Any], allowed: bool
) -> None:
    contained = [{"resourceType": "Practitioner", "id": "d"}, {"resourceType": "Patient", "id": "b"}]
    tree = referring(resource("Appointment"), "participant.actor", A, actor)
    tree["contained"] = [one for one in contained if actor.get("reference") == f"#{one['id']}"]
    tree = {name: value for name, value in tree.items() if value}
    answer = await server.as_caller(CALLERS["patient's app"]).post("Appointment", tree)
    assert answer.status in ((201,) if allowed else (403, 422)), answer.json


async def test_whoever_writes_may_be_a_party_to_what_is_their_wards(server: Server) -> None:
    tree = owned("Communication", A) | {"sender": {"reference": "Patient/p"}}
    for name, status in (("parent's app", 201), ("patient's app", 403)):
        assert (await server.as_caller(CALLERS[name]).post("Communication", tree)).status == status


async def test_what_is_one_wards_does_not_become_anothers(server: Server) -> None:
    parent = server.as_caller(grant("Patient/p", wards=frozenset({"a", "b"})))
    made = await parent.post("Observation", owned("Observation", A))
    assert made.status == 201
    assert refused(await statuses(parent, updated(made.id, owned("Observation", B))))
    assert (await parent.delete(f"Observation/{made.id}")).status == 204
    again = await parent.put(f"Observation/{made.id}", owned("Observation", B) | {"id": made.id})
    assert again.status in (403, 404)
    assert (await parent.put(f"Observation/{made.id}", owned("Observation", A) | {"id": made.id})).status in (201, 404)


@pytest.mark.parametrize("type", RECORDS)
async def test_a_professional_without_a_patient_in_context_writes_any_record(server: Server, type: str) -> None:
    doctor = server.as_caller(grant("Practitioner/d"))
    made = await doctor.post(type, owned(type, A))
    assert made.status == 201
    assert (await doctor.put(f"{type}/{made.id}", owned(type, B) | {"id": made.id})).status == 200
    assert (await doctor.delete(f"{type}/{made.id}")).status == 204


async def test_a_constraint_of_a_scope_holds_beside_whose_it_is(server: Server) -> None:
    weight = Scope("patient", "Observation", VERBS, Token("code", "29463-7"))
    app = server.as_caller(Grant((weight,), subject="Patient/a", patient="a", client="app", traced=False))
    coded = {"code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]}}
    assert (await app.post("Observation", owned("Observation", A) | coded)).status == 201
    assert (await app.post("Observation", owned("Observation", A))).status == 403
    assert (await app.post("Observation", owned("Observation", B) | coded)).status == 403


async def test_a_tool_opened_on_one_patient_is_told_why_it_does_not_write_what_it_reads_of_another(
    server: Server,
) -> None:
    theirs = owned("Observation", B) | {"id": "theirs"}
    await server.put("Observation/theirs", theirs)
    for name, status in (("professional, in context", 403), ("professional's tool opened on a", 404)):
        tool = server.as_caller(CALLERS[name])
        assert (await tool.get("Observation/theirs")).status == (200 if status == 403 else 404)
        assert set(await statuses(tool, [*updated("theirs", theirs), *ended("Observation", "theirs")])) <= {status, 403}
        assert (await tool.put("Observation/theirs", theirs)).status == status
