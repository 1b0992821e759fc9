"""Two handfuls of invented people, and what the operator asks about them."""

from __future__ import annotations

import json
from typing import Any

from fhir_server.access.grant import Grant, Scope
from fhir_server.app import House
from fhir_server.fhir.outcome import FhirError
from fhir_server.interactions.exchange import Request
from fhir_server.interactions.routes import dispatch

BASE = "http://127.0.0.1/fhir"
NIR, NIA, TEST, DEMO = (f"urn:oid:1.2.250.1.213.1.4.{last}" for last in (8, 9, 10, 11))
RELIABILITY = "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-identity-reliability"
BIRTH_PLACE = "http://hl7.org/fhir/StructureDefinition/patient-birthPlace"
INSEE = "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-address-insee-code"
STATUSES = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0445"
COMMUNES = "https://mos.esante.gouv.fr/NOS/TRE_R13-CommuneOM/FHIR/TRE-R13-CommuneOM"


def _grant(subject: str | None, level: Any, **more: Any) -> Grant:
    return Grant((Scope(level, "*", frozenset("cruds")),), subject=subject, client="app", **more)


OPERATOR = _grant(None, "system")
STAFF = _grant("Person/s", "user", duties=frozenset({"administrator"}))
VERIFIER = _grant("Person/v", "user", duties=frozenset({"verifier"}))
DOCTOR = _grant("Practitioner/d", "user")
PUBLISHED = _grant(None, "system", referenced=True)
READER = Grant((Scope("system", "*", frozenset("rs")),), client="app")


def holder(patient: str, **more: Any) -> Grant:
    """Software of a person, in their own space."""
    return _grant(f"Patient/{patient}", "patient", patient=patient, **more)


def ins(number: int) -> str:
    """A number of demonstration."""
    return f"2680335238{number:03d}37"


def a_patient(id: str, number: int | None = None, **more: Any) -> dict[str, Any]:
    """Somebody, with an INS of demonstration."""
    given = {"identifier": [{"system": DEMO, "value": ins(number), "use": "official"}]} if number is not None else {}
    return {
        "resourceType": "Patient",
        "id": id,
        "active": True,
        **given,
        "name": [{"use": "official", "family": "Exemple", "given": ["Ève"]}],
        "gender": "female",
        "birthDate": "1968-03-14",
        **more,
    }


def reliability(status: str, *comments: str) -> dict[str, Any]:
    """The extension that says how sure an identity is."""
    said = [{"url": "identityStatus", "valueCoding": {"system": STATUSES, "code": status}}]
    return {"url": RELIABILITY, "extension": [*said, *({"url": "comment", "valueCoding": {"code": one}} for one in comments)]}  # fmt: skip


def born_in(code: str) -> dict[str, Any]:
    """The extension that says where somebody was born."""
    place = {"extension": [{"url": INSEE, "valueCoding": {"system": COMMUNES, "code": code}}]}
    return {"url": BIRTH_PLACE, "valueAddress": place}


async def call(house: House, caller: Grant, place: str, *rows: dict[str, Any], method: str = "POST") -> Any:
    """What an operation answers, or the status and key of a refusal."""
    body = json.dumps({"resourceType": "Parameters", "parameter": rows}).encode() if rows else b""
    request = Request(method, tuple(place.split("/")), (), body, "application/fhir+json")
    context = house.context_of(await house.seen_by(caller, BASE), BASE, True, "representation", "")
    try:
        response = await dispatch(request, context)
    except FhirError as error:
        return error.status
    return json.loads(response.body)


async def changes(house: House, caller: Grant, patient: str, how: str, reason: str = "letter", **said: Any) -> Any:
    """The Patient that follows, or the status of a refusal."""
    rows: list[dict[str, Any]] = [{"name": "how", "valueCode": how}, {"name": "reason", "valueString": reason}]
    if said:
        rows.append({"name": "identity", "resource": {"resourceType": "Patient", **said}})
    answer = await call(house, caller, f"Patient/{patient}/$change-identity", *rows)
    return answer if isinstance(answer, int) else answer["parameter"][0]["resource"]
