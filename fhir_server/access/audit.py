"""The trace each exchange leaves: an AuditEvent naming the person, the software, the patient and what was done.

https://hl7.org/fhir/R4/auditevent.html; CSP R1111-43: date, time, person, establishment, action, object. No response
leaves before its trace is durable; traces of concurrent exchanges share one group commit in the store. A trace holds
references, never a resource's content.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

from fhir_server.access.grant import Grant
from fhir_server.fhir import definitions
from fhir_server.store.filters import Index
from fhir_server.store.matching import unpack
from fhir_server.store.protocol import Put, Version

_TYPES = "http://terminology.hl7.org/CodeSystem/audit-event-type"
_INTERACTIONS = "http://hl7.org/fhir/restful-interaction"
DCM = "http://dicom.nema.org/resources/ontology/DCM"
#: DICOM's subtype of what is opened in an emergency, by which it is found: code and display.
OVERRIDE = ("110127", "Emergency Override Started")
_OVERRIDDEN = ({"system": DCM, "code": OVERRIDE[0], "display": OVERRIDE[1]},)
_REASONS = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
_ROLES = "http://terminology.hl7.org/CodeSystem/object-role"
#: System of the identifiers by which traces name staff: the ids of their `Person`.
PERSONS = "https://fhir-server.example/persons"
_ENTITIES = "http://terminology.hl7.org/CodeSystem/audit-entity-type"

#: The most objects one trace names; a search that lists more says how many it listed.
MOST_OBJECTS = 200

#: Interaction code → AuditEvent.action (http://hl7.org/fhir/ValueSet/audit-event-action).
ACTIONS = {
    "create": "C",
    "read": "R",
    "vread": "R",
    "update": "U",
    "patch": "U",
    "delete": "D",
}


class Traces:
    """What one exchange touched.

    Attributes:
        kept: False makes every method do nothing (open mode, the server's own work).
        witness: makes the trace of writes that are about to be made, for the same commit; None where it comes after.
        told: whether it made one, and the commit stands.
    """

    __slots__ = ("kept", "objects", "patients", "told", "witness")

    def __init__(self, kept: bool) -> None:
        self.kept = kept
        self.witness: Callable[[Sequence[Put]], Awaitable[Put]] | None = None
        self.told = False
        self.objects: dict[str, None] = {}
        self.patients: dict[str, None] = {}

    def saw(self, version: Version) -> None:
        """A version was given to the caller."""
        if self.kept:
            self._note(version)

    def listed(self, versions: Sequence[Version]) -> None:
        """Versions were given to the caller in a Bundle."""
        if self.kept:
            for version in versions:
                self._note(version)

    def wrote(self, versions: Iterable[Version]) -> None:
        """Versions were made by the caller."""
        if self.kept:
            for version in versions:
                self._note(version)

    def with_writes(self, writes: Iterable[Put]) -> Traces:
        """What it will have touched when `writes` are made, which may yet be overtaken."""
        found = Traces(self.kept)
        found.objects, found.patients = dict(self.objects), dict(self.patients)
        for write in writes:
            found._touched(write.type, write.id, write.expected + 1)
            found._about(write.type, write.index)
        return found

    def _note(self, version: Version) -> None:
        self._touched(version.type, version.id, version.version)
        if version.type != "Patient" and version.type in _patient_params():
            self._about(version.type, unpack(version.packed))

    def _touched(self, type: str, id: str, version: int) -> None:
        self.objects[f"{type}/{id}/_history/{version}"] = None
        if type == "Patient":
            self.patients[f"Patient/{id}"] = None

    def _about(self, type: str, index: Index) -> None:
        params = _patient_params().get(type)
        if params and type != "Patient":
            found = (w.value for w in index.words if w.param in params and w.value.startswith("Patient/"))
            self.patients.update(dict.fromkeys(found))


def event(grant: Grant, traces: Traces, interaction: str, type: str | None, status: int, source: str) -> dict[str, Any]:
    """The AuditEvent of one exchange.

    Args:
        grant: the caller.
        traces: what was touched.
        interaction: a code of http://hl7.org/fhir/restful-interaction, or an operation's name with its `$`.
        type: the resource type asked for, when there is one.
        status: the HTTP status that will be answered.
        source: the server's own identity (its FHIR base).
    """
    kind = ("rest", "RESTful Operation")
    entities = [_object(reference) for reference in list(traces.objects)[:MOST_OBJECTS]]
    entities += [_patient(reference) for reference in traces.patients]
    if type and not entities:
        entities = [{"type": {"system": _ENTITIES, "code": "2"}, "name": type}]
    return {
        "resourceType": "AuditEvent",
        "type": {"system": _TYPES, "code": kind[0], "display": kind[1]},
        "subtype": [{"system": _INTERACTIONS, "code": interaction}, *(_OVERRIDDEN if grant.purpose == "BTG" else ())],
        "action": ACTIONS.get(interaction, "E"),
        "recorded": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
        "outcome": "0" if status < 400 else "4" if status < 500 else "8",
        **({"purposeOfEvent": [_purpose(grant)]} if grant.purpose else {}),
        "agent": _agents(grant),
        "source": {"observer": {"display": source}},
        **({"entity": entities} if entities else {}),
    }


def who(subject: str) -> dict[str, Any]:
    """Somebody as a trace names them: R4 lets `AuditEvent.agent.who` refer to no Person, so staff are identified."""
    if subject.startswith("Person/"):
        return {"identifier": {"system": PERSONS, "value": subject.removeprefix("Person/")}}
    return {"reference": subject}


def _agents(grant: Grant) -> list[dict[str, Any]]:
    agents: list[dict[str, Any]] = []
    if grant.subject:
        person: dict[str, Any] = {"who": who(grant.subject), "requestor": True}
        agents.append({"role": [{"text": grant.role}], **person} if grant.role else person)
    if grant.client:
        agents.append({"who": {"identifier": {"value": grant.client}}, "requestor": not agents})
    return agents or [{"who": {"display": "unknown"}, "requestor": True}]


def _purpose(grant: Grant) -> dict[str, Any]:
    coded: dict[str, Any] = {"coding": [{"system": _REASONS, "code": grant.purpose}]}
    return {**coded, "text": grant.reason} if grant.reason else coded


def _object(reference: str) -> dict[str, Any]:
    return {"what": {"reference": reference}, "type": {"system": _ENTITIES, "code": "2"}}


def _patient(reference: str) -> dict[str, Any]:
    return {
        "what": {"reference": reference},
        "type": {"system": _ENTITIES, "code": "1"},
        "role": {"system": _ROLES, "code": "1", "display": "Patient"},
    }


@cache
def _patient_params() -> dict[str, frozenset[str]]:
    return {
        t: frozenset(p for p in params if p != "{def}") for t, params in definitions.compartments()["Patient"].items()
    }
