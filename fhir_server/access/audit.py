"""The traces each exchange leaves: AuditEvents naming the person, the software, one patient each, and what was done.

https://hl7.org/fhir/R4/auditevent.html; CSP R1111-43: date, time, person, establishment, action, object. No response
leaves before its trace is durable; traces of concurrent exchanges share one group commit in the store. A trace holds
references, never a resource's content.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from fhir_server.access.grant import Grant
from fhir_server.access.record_owner import rows
from fhir_server.store.filters import Index
from fhir_server.store.matching import unpack
from fhir_server.store.protocol import Put, Version, Write

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

#: Index row of a trace that the server itself made; no caller can write it, whatever their resource says.
WITNESSED = "_witnessed"

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
        witness: makes the traces of writes that are about to be made, for the same commit; None where they come after.
        told: whether it made some, and the commit stands.
        objects: each version touched, as a reference → the patients it is about.
        patients: the patients that any of them is about.
    """

    __slots__ = ("_doomed", "kept", "objects", "patients", "told", "witness")

    def __init__(self, kept: bool) -> None:
        self.kept = kept
        self.witness: Callable[[Traces], Awaitable[Sequence[Put]]] | None = None
        self.told = False
        self.objects: dict[str, tuple[str, ...]] = {}
        self.patients: dict[str, None] = {}
        self._doomed: dict[tuple[str, str], bytes] = {}

    def saw(self, versions: Iterable[Version], about: About = MappingProxyType({})) -> None:
        """Versions were given to the caller; `about` adds patients that a version itself does not name."""
        if self.kept:
            for version in versions:
                key = (version.type, version.id)
                self._touched(*key, version.version, (*owners(*key, version.own), *about.get(key, ())))

    def wrote(self, versions: Iterable[Version]) -> None:
        """Versions were made by the caller."""
        self.saw(versions)

    def ends(self, version: Version) -> None:
        """A deletion after `version` is about to be written."""
        if self.kept:
            self._doomed[version.type, version.id] = version.packed

    def with_writes(self, writes: Iterable[Write], about: About = MappingProxyType({})) -> Traces:
        """What it will have touched when `writes` are made, which may yet be overtaken."""
        found = Traces(self.kept)
        found.objects, found.patients = dict(self.objects), dict(self.patients)
        for write in writes:
            key = (write.type, write.id)
            index = write.index if isinstance(write, Put) else self._doomed.get(key, b"")
            found._touched(*key, write.expected + 1, (*owners(*key, index), *about.get(key, ())))
        return found

    def tell(self) -> None:
        """All so far stands in traces that are durable."""
        self.told = True
        self.objects, self.patients = {}, {}

    def take(self, others: Traces) -> None:
        """What `with_writes` foresaw has been done."""
        self.objects.update(others.objects)
        self.patients.update(others.patients)

    @contextmanager
    def rehearsing(self) -> Iterator[None]:
        """What is read inside is given to nobody yet."""
        kept, self.kept = self.kept, False
        try:
            yield
        finally:
            self.kept = kept

    def apart(self) -> list[Traces]:
        """As many as there are patients, each with what is about that one; what is about nobody is apart from them.

        Whoever reads a trace then learns of no patient but the one it is about.
        """
        if len(self.patients) < 2:
            return [self]
        parts: dict[str | None, Traces] = {}
        for reference, patients in self.objects.items():
            for patient in patients or (None,):
                part = parts.setdefault(patient, Traces(self.kept))
                part.objects[reference] = (patient,) if patient else ()
        for patient in self.patients:
            parts.setdefault(patient, Traces(self.kept)).patients[patient] = None
        return list(parts.values())

    def _touched(self, type: str, id: str, version: int, patients: tuple[str, ...]) -> None:
        distinct = dict.fromkeys(patients)
        self.objects[f"{type}/{id}/_history/{version}"] = tuple(distinct)
        self.patients.update(distinct)


#: (type, id) of a resource → references to the patients it is about.
About = Mapping[tuple[str, str], tuple[str, ...]]


def owners(type: str, id: str, index: Index | bytes) -> tuple[str, ...]:
    """The patients whose own apps may read a resource, by its index, packed or not: "Patient/1"."""
    if type == "Patient":
        return (f"Patient/{id}",)
    params = rows()[type].read
    if not params or not index:
        return ()
    found = index if isinstance(index, Index) else unpack(index)
    return tuple(w.value for w in found.words if w.param in params and w.value.startswith("Patient/"))


def events(
    grant: Grant, traces: Traces, interaction: str, type: str | None, status: int, source: str
) -> Iterator[dict[str, Any]]:
    """The AuditEvents of one exchange, each of one patient at most. Arguments as `event`."""
    for part in traces.apart():
        yield event(grant, part, interaction, type, status, source)


def event(grant: Grant, traces: Traces, interaction: str, type: str | None, status: int, source: str) -> dict[str, Any]:
    """The AuditEvent of what `traces` say, all of it in one.

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
