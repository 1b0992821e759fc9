"""Who declares and follows events, and what they send; synthetic people only.

As over HTTP, without the wire (`tests.space.record.callers`).
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

from fhir_server.access.grant import VERBS, Grant, Scope
from fhir_server.app import House
from fhir_server.fhir.nos import nos
from tests.profiles import resources as r
from tests.server.calls import Answer
from tests.server.people import a_care_team, kept
from tests.space.record.callers import Caller, Tree

GUIDE = "https://interop.esante.gouv.fr/ig/fhir/nde/StructureDefinition/"
FR = "https://hl7.fr/ig/fhir/core/StructureDefinition/"
TYPES, CHANNELS = nos("TRE_R254-TypeEvenement"), nos("TRE_R200-CanalCommunication")
RECORD = "https://fhir-server.example/StructureDefinition/ens-record"
INS = {"system": "urn:oid:1.2.250.1.213.1.4.10", "use": "official"}
RPPS, FINESS = "https://rpps.esante.gouv.fr", "https://finess.esante.gouv.fr"


def _grant(level: str, subject: str | None, **more: Any) -> Grant:
    return Grant((Scope(level, "*", VERBS),), subject, client="app", traced=False, **more)  # type: ignore[arg-type]


def _of(subject: str | None, patient: str = "a") -> Grant:
    return _grant("patient", subject, patient=patient, wards=frozenset({patient}))


CALLERS: Mapping[str, Grant] = {
    "patient": _of("Patient/a"),
    "patient's app": _of(None),
    "parent": _of("RelatedPerson/parent"),
    "parent of a grown child": _of("RelatedPerson/ofgrown", "grown"),
    "another patient": _of("Patient/b", "b"),
    "team": _grant("user", "Practitioner/team", role="PractitionerRole/team"),
    "team in the record": _grant("patient", "Practitioner/team", patient="a"),
    "authorised": _grant("user", "Practitioner/authorised"),
    "stranger": _grant("user", "Practitioner/stranger"),
    "blocked": _grant("user", "Practitioner/blocked"),
    "clinic": _grant("patient", "Organization/clinic", patient="a"),
    "other clinic": _grant("patient", "Organization/other", patient="a"),
    "publisher's app": Grant((Scope("system", "*", frozenset("cruds")),), None, client="pub", referenced=True),
    "operator": Grant((Scope("system", "*", VERBS),), None, client="lab", traced=False),
}
#: Caller → as whom they name themselves: a type, an id, the system and value of an identifier.
SELVES: Mapping[str, tuple[str, str, str]] = {
    "patient": ("Patient", "", ""),
    "patient's app": ("Patient", "", ""),
    "parent": ("RelatedPerson", "urn:proches", "parent"),
    "parent of a grown child": ("RelatedPerson", "urn:proches", "ofgrown"),
    "another patient": ("Patient", "", ""),
    "team": ("Practitioner", RPPS, "99700218896"),
    "team in the record": ("Practitioner", RPPS, "99700218896"),
    "authorised": ("Practitioner", RPPS, "99700218904"),
    "stranger": ("Practitioner", RPPS, "99700218912"),
    "blocked": ("Practitioner", RPPS, "99700218920"),
    "clinic": ("Organization", FINESS, "750000001"),
    "other clinic": ("Organization", FINESS, "750000002"),
    "publisher's app": ("Organization", FINESS, "750000001"),
    "operator": ("Organization", FINESS, "750000001"),
}


def _reached(address: str) -> list[Tree]:
    return [{"system": "email", "value": address}]


def _patient(id: str, n: int, born: str, **more: Any) -> Tree:
    name = {"use": "official", "family": f"Famille{id}", "given": ["Lou"]}
    tree = {"resourceType": "Patient", "id": id, "active": True, "birthDate": born, "gender": "female", "name": [name]}
    local = {"system": "urn:local", "value": id}
    return {
        **tree,
        "identifier": [{**INS, "value": f"28001{n:08d}"}, local],
        "telecom": _reached(f"{id}@exemple.fr"),
        **more,
    }


def _pro(id: str) -> Tree:
    identifier = {"system": RPPS, "value": SELVES[id][2]}
    address = _reached(f"{id}@exemple.fr")
    return {"resourceType": "Practitioner", "id": id, "active": True, "identifier": [identifier], "telecom": address}


def _related(id: str, patient: str) -> Tree:
    names = {"identifier": [{"system": "urn:proches", "value": id}], "telecom": _reached(f"{id}@exemple.fr")}
    return {"resourceType": "RelatedPerson", "id": id, "patient": {"reference": f"Patient/{patient}"}, **names}


def _organization(id: str, finess: str) -> Tree:
    identifier = [{"system": FINESS, "value": finess}]
    address = _reached(f"{id}@exemple.fr")
    return {"resourceType": "Organization", "id": id, "name": id, "identifier": identifier, "telecom": address}


PATIENTS = {
    "a": _patient("a", 1, "2015-01-01"),
    "b": _patient("b", 2, "1980-01-01"),
    "grown": _patient("grown", 3, "1980-02-01"),
    "closed": _patient("closed", 4, "1980-03-01", active=False),
}
RESOURCES: list[Tree] = [
    *PATIENTS.values(),
    *(_pro(id) for id in ("team", "authorised", "stranger", "blocked")),
    _organization("clinic", "750000001"),
    _organization("other", "750000002"),
    {"resourceType": "PractitionerRole", "id": "team", "practitioner": {"reference": "Practitioner/team"}, "organization": {"reference": "Organization/clinic"}},
    _related("parent", "a"),
    _related("ofgrown", "grown"),
    a_care_team("a", "Practitioner/team", "Practitioner/blocked", "Organization/clinic"),
    a_care_team("closed", "Practitioner/team"),
]  # fmt: skip


async def peopled(house: House) -> None:
    """Everybody; patient a blocks one professional and authorises another."""
    await kept(house, *RESOURCES)
    for kind in ("blocked", "authorised"):
        part = [{"name": "kind", "valueCode": kind}, {"name": "practitioner", "valueReference": {"reference": f"Practitioner/{kind}"}}]  # fmt: skip
        choice = {"resourceType": "Parameters", "parameter": [{"name": "choice", "part": part}]}
        answer = await ask(house, "parent", "POST", "Patient/a/$record-choose", choice)
        assert answer.status == 200, answer.json


async def ask(house: House, who: str, method: str, url: str, body: Any = None, type: str = "", **headers: str) -> Answer:  # fmt: skip
    """What a caller is answered."""
    return await Caller(house, CALLERS[who])(method, url, body, *([type] if type else []), **headers)


def inside(patient: str = "a", **more: Any) -> Tree:
    """A patient as what is sent contains them: by INS and traits."""
    kept_ones = {name: PATIENTS[patient][name] for name in ("identifier", "name", "gender", "birthDate")}
    profile = {"meta": {"profile": [FR + "fr-core-patient"]}}
    return {"resourceType": "Patient", "id": "pat", **profile, **deepcopy(kept_ones), **more}


def named(id: str, type: str, system: str, value: str, name: str = "") -> Tree:
    """Somebody else, contained."""
    kinds = {
        "Practitioner": "practitioner",
        "Organization": "organization",
        "RelatedPerson": "related-person",
        "Patient": "patient",
    }
    tree: Tree = {"resourceType": type, "id": id, "meta": {"profile": [f"{FR}fr-core-{kinds[type]}"]}}
    if system:
        tree["identifier"] = [{"system": system, "value": value}]
    if name:
        tree["name"] = name if type == "Organization" else [{"family": name}]
    if type == "RelatedPerson":
        tree["patient"] = {"reference": "#pat"}
    return tree


def event_type(code: str = "SOR") -> Tree:
    return {"url": GUIDE + "event-type", "valueCodeableConcept": {"coding": [{"system": TYPES, "code": code}]}}


def refers(name: str, to: str) -> Tree:
    return {"url": GUIDE + name, "valueReference": {"reference": to}}


def dated(name: str, days: float) -> Tree:
    return {"url": GUIDE + name, "valueDateTime": at(days)}


def at(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat(timespec="seconds")


CLINIC = ("Organization", FINESS, "750000001")


def subscription(
    who: str = "team", patient: str = "a", code: str = "SOR", declarant: tuple[str, str, str] = CLINIC, **more: Any
) -> Tree:
    """A subscription of a caller, in their own name, at their own address, to a patient's events."""
    type, system, value = SELVES[who]
    mine = [] if type == "Patient" else [named("sub", type, system, value)]
    subject = CALLERS[who].subject or "Patient/a"
    address = f"{subject.rpartition('/')[2]}@exemple.fr"
    return {
        "resourceType": "Subscription",
        "meta": {"profile": [GUIDE + "nde-subscription"]},
        "contained": [inside(patient), named("dec", *declarant), *mine],
        "extension": [
            dated("start", -1),
            refers("subject", "#pat"),
            refers("declarant", "#dec"),
            event_type(code),
            refers("subscriber", "#sub" if mine else "#pat"),
        ],
        "status": "requested",
        "end": at(30),
        "reason": "Suivi",
        "criteria": f"CommunicationRequest?event-type={code}",
        "channel": {"type": "email", "endpoint": f"mailto:{address}"},
        **more,
    }


def declaration(who: tuple[str, str, str] = CLINIC, patient: str = "a", code: str = "SOR", **more: Any) -> Tree:
    """An event of a patient, declared by an organization or a professional."""
    return {
        "resourceType": "CommunicationRequest",
        "meta": {"profile": [GUIDE + "nde-eventdeclaration"]},
        "contained": [inside(patient), named("dec", *who)],
        "extension": [event_type(code), dated("event-time", -0.1)],
        "status": "active",
        "subject": {"reference": "#pat"},
        "payload": [{"contentString": "Sortie"}],
        "requester": {"reference": "#dec"},
        **more,
    }


def request(on: str, endpoint: str, **more: Any) -> Tree:
    """A request to notify somebody, based on a subscription."""
    tree = declaration()
    recipient = {"extension": [{"url": GUIDE + "recipient-endpoint", "valueUrl": endpoint}], "reference": "#rec"}
    return {
        **tree,
        "meta": {"profile": [GUIDE + "nde-notificationrequest"]},
        "contained": [*tree["contained"], named("rec", *SELVES["team"])],
        "basedOn": [{"reference": f"Subscription/{on}"}],
        "medium": [{"coding": [{"system": CHANNELS, "code": "3"}]}],
        "recipient": [recipient],
        **more,
    }


def changed(tree: Tree, path: str, value: Any = None) -> Tree:
    """A copy with one element otherwise, or taken away."""
    return r.changed(tree, path, value)
