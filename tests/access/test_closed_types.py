"""What authorization is decided on, the directory and the definitions are written by no person's token.

https://hl7.org/fhir/R4/security.html#authorization.access, https://hl7.org/fhir/R4/references.html#canonical
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fhir_server.access.grant import OPEN, VERBS, Grant, Level, Scope
from fhir_server.access.record_owner import CLOSED, rows
from fhir_server.access.write_rules import OPEN_ELEMENTS
from fhir_server.fhir import definitions
from fhir_server.interactions.canonicals import shipped
from tests.access.minimal import resource
from tests.access.test_whose_record import created, ended, refused, statuses, stored, updated, ways
from tests.interactions.test_batch import asks, batch
from tests.server.calls import Server, serving


def grant(subject: str | None, level: Level, **more: Any) -> Grant:
    return Grant((Scope(level, "*", VERBS),), subject=subject, client="app", traced=False, **more)


#: Everybody who is a person, or through whom a person acts.
PEOPLE = {
    "professional": grant("Practitioner/d", "user"),
    "professional in context": grant("Practitioner/d", "user", patient="a"),
    "professional's tool": grant("Practitioner/d", "patient", patient="a"),
    "professional behind an establishment's software": grant("Practitioner/d", "system"),
    "app of the catalogue without a person": grant(None, "system", referenced=True),
    "patient": grant("Patient/a", "user"),
    "patient's app": grant("Patient/a", "patient", patient="a"),
    "representative": grant("RelatedPerson/r", "user", wards=frozenset({"a"})),
    "staff": grant("Person/s", "user", duties=frozenset({"administrator"})),
    "everything at once": Grant(
        tuple(Scope(level, "*", VERBS) for level in ("patient", "user", "system")),  # type: ignore[arg-type]
        subject="Practitioner/d",
        patient="a",
        client="app",
        traced=False,
    ),
}
SOFTWARE = grant(None, "system")
SHUT = sorted(type for type, row in rows().items() if row.kind in CLOSED)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with serving(tmp_path) as found:
        await found.put("Patient/a", PATIENT)
        yield found


PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "a",
    "active": True,
    "identifier": [{"system": "urn:oid:1.2.250.1.213.1.4.8", "value": "a"}],
    "name": [{"family": "Exemple"}],
    "gender": "female",
    "birthDate": "1970-01-01",
    "telecom": [{"system": "email", "value": "a@example.org"}, {"system": "phone", "value": "1"}],
    "meta": {"security": [{"system": "urn:labels", "code": "n"}]},
}


def test_what_authorization_is_decided_on_is_closed() -> None:
    decided = {"Patient", "RelatedPerson", "Person", "Practitioner", "PractitionerRole", "Organization", "Location"}
    judged_by = {"StructureDefinition", "SearchParameter", "ValueSet", "CodeSystem", "ConceptMap", "Subscription"}
    witnesses = {"AuditEvent", "Provenance"}
    assert decided | judged_by | witnesses | {"HealthcareService", "Endpoint"} <= {*SHUT}


@pytest.mark.parametrize("type", SHUT)
async def test_what_is_closed_is_made_changed_and_ended_by_no_person(server: Server, type: str) -> None:
    tree = resource(type)
    await server.put(f"{type}/x", {**tree, "id": "x"})
    before = await stored(server)
    for name, caller in PEOPLE.items():
        here = server.as_caller(caller)
        calls = [*ways(name, created(tree)), *ways(name, ended(type, "x", found=True))]
        # Of a Patient some elements may change: see below.
        calls += [] if type in OPEN_ELEMENTS else ways(name, updated("x", tree))
        assert refused(await statuses(here, calls)), name
    assert await stored(server) == before


@pytest.mark.parametrize("type", sorted({*SHUT} - {"AuditEvent", "Provenance"}))
async def test_what_is_closed_is_written_by_software_without_a_person(server: Server, type: str) -> None:
    software = server.as_caller(SOFTWARE)
    made = await software.post(type, resource(type))
    assert made.status == 201, made.json
    assert (await software.put(f"{type}/{made.id}", {**resource(type), "id": made.id})).status == 200
    assert (await software.delete(f"{type}/{made.id}")).status == 204


#: Who may change how a is reached.
HOLDERS = ["patient", "patient's app", "representative", "professional", "professional's tool"]
#: Element of Patient, another value of it, and whether a person's token may write it.
CHANGED: list[tuple[str, Any, bool]] = [
    ("telecom", [*PATIENT["telecom"][:1], {"system": "phone", "value": "2"}], True),
    ("address", [{"text": "a"}], True),
    ("contact", [{"name": {"text": "a"}}], True),
    ("communication", [{"language": {"text": "a"}}], True),
    ("photo", [{"title": "a"}], True),
    ("telecom", PATIENT["telecom"][1:], False),
    ("telecom", [{"system": "email", "value": "b@example.org", "rank": 1}, *PATIENT["telecom"]], False),
    ("identifier", [{"system": "urn:oid:1.2.250.1.213.1.4.8", "value": "b"}], False),
    ("active", False, False),
    ("name", [{"family": "Autre"}], False),
    ("birthDate", "1970-01-02", False),
    ("_birthDate", {"extension": [{"url": "http://example.org/a", "valueString": "a"}]}, False),
    ("gender", "male", False),
    ("deceasedBoolean", True, False),
    ("link", [{"other": {"reference": "Patient/b"}, "type": "seealso"}], False),
    ("extension", [{"url": "http://example.org/a", "valueString": "a"}], False),
    ("contained", [{"resourceType": "Organization", "id": "o", "name": "a"}], False),
    ("managingOrganization", {"display": "a"}, False),
    ("generalPractitioner", [{"display": "a"}], False),
    ("maritalStatus", {"text": "a"}, False),
    ("multipleBirthBoolean", True, False),
    ("implicitRules", "http://example.org/a", False),
    ("meta", {"security": [{"system": "urn:labels", "code": "r"}]}, False),
    ("meta", {"security": PATIENT["meta"]["security"], "tag": [{"code": "a"}]}, False),
]


def test_every_element_of_a_patient_is_in_the_table() -> None:
    named = {name.removeprefix("_").removesuffix("Boolean") for name, _, _ in CHANGED}
    elements = {name.removesuffix("[x]") for name in definitions.children("Patient")}
    assert elements - named == {"id", "text", "language", "modifierExtension"}


@pytest.mark.parametrize(("element", "value", "allowed"), CHANGED, ids=[f"{e} {a}" for e, _, a in CHANGED])
async def test_of_a_patient_people_change_how_they_are_reached_and_not_who_they_are(
    server: Server, element: str, value: Any, allowed: bool
) -> None:
    tree = {**PATIENT, element: value}
    if element == "contained":
        tree["managingOrganization"] = {"reference": "#o"}
    before = await stored(server)
    for name in HOLDERS:
        found = await statuses(server.as_caller(PEOPLE[name]), updated("a", tree))
        assert all(status in ((200,) if allowed else (403, 422)) for status in found), (name, found)
        if not allowed:
            assert await stored(server) == before, name
            refusal = await server.as_caller(PEOPLE[name]).put("Patient/a", tree)
            assert (
                refusal.status == 422
                or refusal.expressions == [f"Patient.{element.removeprefix('_')}"]
                or (element == "contained")
            )
    assert (await server.as_caller(SOFTWARE).put("Patient/a", tree)).status in (200, 422)


@pytest.mark.parametrize("name", ["patient", "patient's app", "representative", "professional's tool"])
async def test_how_another_is_reached_is_nobodys_to_change(server: Server, name: str) -> None:
    other = {**PATIENT, "id": "b"}
    await server.put("Patient/b", other)
    found = await statuses(server.as_caller(PEOPLE[name]), updated("b", {**other, "address": [{"text": "a"}]}))
    assert refused(found)


@pytest.mark.parametrize("type", sorted(type for type, row in rows().items() if row.kind == "shared"))
async def test_professionals_add_to_what_all_records_refer_to_and_change_none_of_it(server: Server, type: str) -> None:
    await server.put(f"{type}/x", {**resource(type), "id": "x"})
    for name in ("professional", "professional in context"):
        doctor = server.as_caller(PEOPLE[name])
        assert (await doctor.post(type, resource(type))).status == 201
        assert refused(await statuses(doctor, [*updated("x", resource(type)), *ended(type, "x", found=True)]))


#: Canonicals that come with the server: the first and last of each type, and what others build on.
SHIPPED = sorted(
    {min(one for one in shipped() if one[0] == type) for type, _ in shipped()}
    | {max(one for one in shipped() if one[0] == type) for type, _ in shipped()}
    | {
        ("StructureDefinition", f"{definitions.SPECIFICATION}{name}")
        for name in ("Patient", "Observation", "bodyweight", "Extension", "string")
    }
    | {("CodeSystem", "http://unitsofmeasure.org"), ("ValueSet", "http://hl7.org/fhir/ValueSet/observation-status")}
)


@pytest.mark.parametrize("version", [None, "4.0.1", "999"])
@pytest.mark.parametrize(("type", "url"), SHIPPED)
async def test_what_comes_with_the_server_is_written_over_by_nobody(
    server: Server, type: str, url: str, version: str | None
) -> None:
    mine = {**resource(type), "url": "https://example.org/mine"}
    assert (await server.put(f"{type}/x", {**mine, "id": "x"})).status == 201
    tree = {**mine, "url": url, **({"version": version} if version else {})}
    before = await stored(server)
    for caller in (OPEN, replace(OPEN, traced=False), SOFTWARE):
        here = server.as_caller(caller)
        found = await statuses(here, [*created(tree), *updated("x", tree)])
        assert found == [422] * len(found), found
    answer = await server.post("", batch(asks("POST", type, tree), type="transaction"))
    assert any(expression.endswith(f"{type}.url") or "url" in expression for expression in answer.expressions)
    assert await stored(server) == before
