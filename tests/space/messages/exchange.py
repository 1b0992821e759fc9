"""People who write to each other, and messages between them; synthetic people only.

As over HTTP, without the wire (`tests.space.record.callers`); XML is read as the wire reads it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from fhir_server.access.grant import VERBS, Grant, Scope
from fhir_server.app import House
from fhir_server.fhir.xml import to_json, to_xml
from fhir_server.space.messages.model import CATEGORY, CLOSED, PROFILE
from tests.server.calls import Answer
from tests.server.people import kept
from tests.space.record.callers import Caller, Tree
from tests.space.record.writers import a_practitioner, a_proche, a_role

A, DOCTOR, CLINIC = "Patient/a", "Practitioner/doctor", "Organization/clinic"
XML = "application/fhir+xml"


def person(level: str, subject: str | None, **more: Any) -> Grant:
    return Grant((Scope(level, "*", VERBS),), subject, client="app", traced=False, **more)  # type: ignore[arg-type]


def of(subject: str, patient: str = "a") -> Grant:
    return person("patient", subject, patient=patient, wards=frozenset({patient}))


#: Who writes.
CALLERS: Mapping[str, Grant] = {
    "doctor": person("user", DOCTOR),
    "doctor in the record": person("patient", DOCTOR, patient="a"),
    "doctor for the clinic": person("user", DOCTOR, role="PractitionerRole/doctor"),
    "colleague": person("user", "Practitioner/colleague", role="PractitionerRole/colleague"),
    "stranger": person("user", "Practitioner/stranger"),
    "clinic": person("patient", CLINIC, patient="a"),
    "patient": of(A),
    "patient's app": person("patient", None, patient="a"),
    "representative": of("RelatedPerson/parent"),
    "caregiver": of("RelatedPerson/carer"),
    "another patient": of("Patient/b", "b"),
    "operator": person("system", None),
}
#: As whom they write.
SENDERS: Mapping[str, str] = {
    "doctor": DOCTOR,
    "doctor in the record": DOCTOR,
    "doctor for the clinic": CLINIC,
    "colleague": "Practitioner/colleague",
    "stranger": "Practitioner/stranger",
    "clinic": CLINIC,
    "patient": A,
    "patient's app": A,
    "representative": "RelatedPerson/parent",
    "caregiver": "RelatedPerson/carer",
    "another patient": "Patient/b",
    "operator": DOCTOR,
}


def an_organization(id: str, finess: str) -> Tree:
    identifier = {"system": "https://finess.esante.gouv.fr", "value": finess}
    return {"resourceType": "Organization", "id": id, "name": id, "identifier": [identifier]}


def a_patient(id: str, born: str = "2015-01-01", **more: Any) -> Tree:
    return {"resourceType": "Patient", "id": id, "active": True, "birthDate": born, **more}


RESOURCES: list[Tree] = [
    a_patient("a"),
    a_patient("b", "1980-01-01"),
    a_patient("closed", "1980-01-01", active=False),
    a_patient("dead", "1940-01-01", deceasedDateTime="2024-01-01"),
    an_organization("clinic", "750000001"),
    an_organization("pharmacy", "750000002"),
    *(a_practitioner(id, f"9970021889{n}") for n, id in enumerate(("doctor", "colleague", "stranger", "blocked"))),
    {**a_practitioner("retired", "99700218899"), "active": False},
    a_role("doctor", "clinic"),
    a_role("colleague", "clinic"),
    a_role("blocked", "clinic"),
    a_proche("parent", "PRS"),
    a_proche("carer", "CAREGIVER"),
]


async def peopled(house: House) -> None:
    """Everybody; patient a blocks a professional."""
    await kept(house, *RESOURCES)
    choice = {"resourceType": "Parameters", "parameter": [{"name": "choice", "part": [
        {"name": "kind", "valueCode": "blocked"}, {"name": "practitioner", "valueReference": {"reference": "Practitioner/blocked"}},
    ]}]}  # fmt: skip
    answer = await Caller(house, CALLERS["representative"])("POST", "Patient/a/$record-choose", choice)
    assert answer.status == 200, answer.json


def message(sender: str = DOCTOR, *to: str, answers: Tree | None = None, ends: bool = False, **more: Any) -> Tree:
    """A message about patient a, to them where nobody is named."""
    tree: Tree = {
        "resourceType": "Communication",
        "meta": {"profile": [PROFILE]},
        "status": "completed",
        "category": [CATEGORY],
        "subject": {"reference": A},
        "topic": {"text": "Vos résultats"},
        "sender": {"reference": sender},
        "recipient": [{"reference": one} for one in to or (A,)],
        "payload": [{"contentString": "Bonjour"}],
    }
    if ends:
        tree["extension"] = [{"url": CLOSED, "valueBoolean": True}]
    if answers is not None:
        first = answers.get("partOf", [{"reference": f"Communication/{answers['id']}"}])
        tree |= {"partOf": first, "inResponseTo": [{"reference": f"Communication/{answers['id']}"}]}
    return {**tree, **more}


async def ask(
    house: House, who: str, method: str, url: str, body: Any = None, type: str = "", **headers: str
) -> Answer:
    """What a caller is answered; a resource that is sent as XML is read as the wire reads it."""
    if type == XML:
        body, type = to_json(to_xml(json.dumps(body).encode())), ""
    return await Caller(house, CALLERS[who])(method, url, body, *([type] if type else []), **headers)


async def sent(house: House, who: str, tree: Tree) -> Tree:
    """A message that a caller sends, as it is stored."""
    answer = await ask(house, who, "POST", "Communication", tree)
    assert answer.status == 201, answer.json
    return dict(answer.json)


def codes(answer: Answer) -> set[str]:
    """The rules by which a message was refused."""
    return {one["details"]["coding"][0]["code"] for one in answer.json["issue"] if "details" in one}


def ago(days: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="seconds")
