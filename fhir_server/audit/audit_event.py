"""What happened, as the AuditEvent that says so: who did it, through which software, to what, why, and how it ended.

https://hl7.org/fhir/R4/auditevent.html; CSP R1111-43: date, time, person, establishment, action, object. An event holds
references, never a resource's content. Each conforms to the profile of the ANS for traces (TDE 2.0.0,
https://interop.esante.gouv.fr/ig/fhir/tde): one subtype, the period of what happened, two agents at most. So the person
and the software are agents, and the organization the person acts for is an entity.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from fhir_server.access.party import Named, Party
from fhir_server.audit.kinds import Code, EventKind

_REASONS = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
_ROLES = "http://terminology.hl7.org/CodeSystem/object-role"
_ENTITIES = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_PERSON, _SYSTEM_OBJECT, _ORGANIZATION = ({"type": {"system": _ENTITIES, "code": code}} for code in ("1", "2", "3"))
#: http://hl7.org/fhir/network-type: an IP address.
_NETWORK_ADDRESS = "2"
#: System of the identifiers by which events name staff: the ids of their `Person`.
PERSONS = "https://fhir-server.example/persons"

#: http://hl7.org/fhir/audit-event-outcome: success, minor failure, serious failure.
Outcome = Literal["0", "4", "8"]


@dataclass(frozen=True, slots=True)
class Event:
    """What happened.

    Attributes:
        kind: what all such events say alike.
        source: the server's own identity (its FHIR base).
        subject: who did it, "Practitioner/1"; None when nobody is known.
        party: the same by name and national identifier, where the directory knows.
        client: through which software, its client id.
        role: what the person acts as: a PractitionerRole, or a duty in words.
        address: network address it came from, "" when it is not known.
        purpose: of use (http://terminology.hl7.org/CodeSystem/v3-ActReason); reason: why, in words.
        outcome: how it ended; described: in words that hold no secret.
        entities: what it was done to: see `resource`, `patient`, `named`.
        at: when; now without it.
    """

    kind: EventKind
    source: str
    subject: str | None = None
    party: Party | None = None
    client: str | None = None
    role: str | None = None
    address: str = ""
    purpose: str | None = None
    reason: str | None = None
    outcome: Outcome = "0"
    described: str = ""
    entities: Sequence[dict[str, Any]] = ()
    at: datetime | None = None


def to_audit_event(event: Event) -> dict[str, Any]:
    """The resource that says so."""
    when = (event.at or datetime.now(UTC)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "resourceType": "AuditEvent",
        "type": _coding(event.kind.type),
        "subtype": [_coding(event.kind.subtype)],
        "action": event.kind.action,
        "period": {"start": when},
        "recorded": when,
        "outcome": event.outcome,
        **({"outcomeDesc": event.described} if event.described else {}),
        **({"purposeOfEvent": [_purpose(event)]} if event.purpose else {}),
        "agent": _agents(event),
        "source": {"observer": {"display": event.source}},
        **({"entity": list(event.entities)} if event.entities else {}),
    }


def resource(reference: str) -> dict[str, Any]:
    """The entity of a version of a resource: "Observation/1/_history/2"."""
    return {"what": {"reference": reference}, **_SYSTEM_OBJECT}


def patient(reference: str) -> dict[str, Any]:
    """The entity of the patient that an event is about: "Patient/1"."""
    return {"what": {"reference": reference}, **_PERSON, "role": {"system": _ROLES, "code": "1", "display": "Patient"}}


def organization(known: Named) -> dict[str, Any]:
    """The entity of the organization that who acts acts for."""
    # object-role 15, Provider; https://terminology.hl7.org/CodeSystem-object-role.html
    role = {"role": {"system": _ROLES, "code": "15"}}
    return {"what": _reference(known), **_ORGANIZATION, **role, **({"name": known.name} if known.name else {})}


def named(name: str, details: Iterable[str] = ()) -> dict[str, Any]:
    """The entity of what has a name and no reference; `details` are said of it under that name."""
    detail = [{"type": name, "valueString": one} for one in details]
    return {**_SYSTEM_OBJECT, "name": name, **({"detail": detail} if detail else {})}


def _agents(event: Event) -> list[dict[str, Any]]:
    """Who asked, first, and the software they asked through."""
    known: list[dict[str, Any]] = []
    if event.subject:
        known.append(_person(event, event.subject))
    if event.client:
        known.append({"who": {"identifier": {"value": event.client}}})
    first, *others = known or [{"who": {"display": "unknown"}}]
    network = {"network": {"address": event.address, "type": _NETWORK_ADDRESS}} if event.address else {}
    return [{**first, "requestor": True, **network}, *({**other, "requestor": False} for other in others)]


def _person(event: Event, subject: str) -> dict[str, Any]:
    party = event.party if event.party is not None and event.party.person.reference == subject else None
    role: dict[str, Any] = {"text": event.role} if event.role else {}
    if party is not None and party.profession is not None:
        role = {"coding": [_coding(Code(*party.profession))], **role}
    return {
        **({"role": [role]} if role else {}),
        "who": _who(subject) if party is None else _reference(party.person),
        **({"name": party.person.name} if party is not None and party.person.name else {}),
    }


def _reference(known: Named) -> dict[str, Any]:
    if known.identifier is None:
        return {"reference": known.reference}
    system, value = known.identifier
    return {"reference": known.reference, "identifier": {"system": system, "value": value}}


def _who(subject: str) -> dict[str, Any]:
    """Somebody as an event names them: R4 lets `AuditEvent.agent.who` refer to no Person, so staff are identified."""
    if subject.startswith("Person/"):
        return {"identifier": {"system": PERSONS, "value": subject.removeprefix("Person/")}}
    return {"reference": subject}


def _purpose(event: Event) -> dict[str, Any]:
    coded: dict[str, Any] = {"coding": [{"system": _REASONS, "code": event.purpose}]}
    return {**coded, "text": event.reason} if event.reason else coded


def _coding(code: Code) -> dict[str, Any]:
    return {name: value for name, value in code._asdict().items() if value}
