"""Where a person's space stands in its life: a Basic for each Patient, whose versions are its history.

https://hl7.org/fhir/R4/basic.html under https://fhir-server.example/StructureDefinition/ens-space-life: R4 has no type
for it, and it is no part of the Patient, which professionals read. What software must know of it before it files stands
in the Patient, of the same commit: `active`, and the extension of the national guide when it is closed (PDSm4DMP TD02).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from fhir_server.fhir.dates import UNSAID, begins
from fhir_server.space.accounts.states import EVENTS, IN_USE, ROLES, STATES, Event, Role, State
from fhir_server.space.paris import PARIS

OWN = "https://fhir-server.example"
PROFILE = f"{OWN}/StructureDefinition/ens-space-life"
#: What each version of it says, as extensions of the Basic.
_STATE, _SINCE, _NEXT, _FORMER, _STEP = (
    f"{OWN}/StructureDefinition/ens-space-{one}" for one in ("state", "since", "next", "former", "step")
)
CODES = f"{OWN}/CodeSystem/ens-space"
#: https://interop.esante.gouv.fr/ig/fhir/pdsm4dmp, TD02.
CLOSURE = "https://interop.esante.gouv.fr/ig/fhir/dmp/StructureDefinition/dmp-fermeture"
#: State → why the record takes nothing, as its `motifFermeture`; a space that is not opened yet was never closed.
_MOTIVES: Mapping[State, str] = {
    "opposed": "opposition",
    "closed": "fermeture",
    "suspended": "suspension",
    "deceased": "deces",
    "erased": "suppression",
    "merged": "fusion",
}


@dataclass(frozen=True, slots=True)
class Life:
    """Where a space stands.

    Attributes:
        patient: id.
        state: of `STATES`.
        since: when the state began; aware, UTC.
        event: what led to this version.
        at: when that happened; aware, UTC.
        role: who did it, by their role.
        performer: "Patient/1" or "RelatedPerson/1"; "" for the operator and for time.
        reason: a code or words of the operator; "" without.
        next: when time acts by itself; None where it does not.
        former: the state to go back to from one that can be taken back; None elsewhere.
        deletion: whether its holder asked that it be deleted.
    """

    patient: str
    state: State
    since: datetime
    event: Event
    at: datetime
    role: Role
    performer: str = ""
    reason: str = ""
    next: datetime | None = None
    former: State | None = None
    deletion: bool = False

    @property
    def id(self) -> str:
        """Of the Basic that holds it."""
        return life_id(self.patient)


def life_id(patient: str) -> str:
    """Id of the one Basic that is the life of a patient's (id) space."""
    return hashlib.sha256(f"space\n{patient}".encode()).hexdigest()[:32]


def to_basic(life: Life) -> dict[str, Any]:
    """The Basic of it."""
    step: list[dict[str, Any]] = [
        {"url": "event", "valueCode": life.event},
        {"url": "at", "valueDateTime": _written(life.at)},
        {"url": "role", "valueCode": life.role},
    ]
    if life.performer:
        step.append({"url": "performer", "valueReference": {"reference": life.performer}})
    if life.reason:
        step.append({"url": "reason", "valueString": life.reason})
    extensions: list[dict[str, Any]] = [
        {"url": _STATE, "valueCode": life.state},
        {"url": _SINCE, "valueDateTime": _written(life.since)},
    ]
    if life.next is not None:
        event = {"url": "deletion-asked", "valueBoolean": True}
        at = {"url": "at", "valueDateTime": _written(life.next)}
        extensions.append({"url": _NEXT, "extension": [at, *([event] if life.deletion else [])]})
    if life.former is not None:
        extensions.append({"url": _FORMER, "valueCode": life.former})
    return {
        "resourceType": "Basic",
        "id": life.id,
        "meta": {"profile": [PROFILE]},
        "extension": [*extensions, {"url": _STEP, "extension": step}],
        "code": {"coding": [{"system": CODES, "code": "space", "display": "Espace de santé"}]},
        "subject": {"reference": f"Patient/{life.patient}"},
        "created": life.since.date().isoformat(),
    }


def from_basic(tree: Mapping[str, Any]) -> Life | None:
    """What a Basic says of somebody's space; None where it is about something else."""
    said = _said(tree)
    state, since = said.get(_STATE, {}).get("valueCode"), said.get(_SINCE, {}).get("valueDateTime")
    step = _said(said.get(_STEP, {}))
    event, role = step.get("event", {}).get("valueCode"), step.get("role", {}).get("valueCode")
    at = step.get("at", {}).get("valueDateTime")
    if state not in STATES or event not in EVENTS or role not in ROLES or not since or not at:
        return None
    next = _said(said.get(_NEXT, {}))
    former = said.get(_FORMER, {}).get("valueCode")
    return Life(
        patient=str(tree.get("subject", {}).get("reference", "")).removeprefix("Patient/"),
        state=cast(State, state),
        since=_read(since),
        event=cast(Event, event),
        at=_read(at),
        role=cast(Role, role),
        performer=str(step.get("performer", {}).get("valueReference", {}).get("reference", "")),
        reason=str(step.get("reason", {}).get("valueString", "")),
        next=_read(next["at"]["valueDateTime"]) if "at" in next else None,
        former=former if former in STATES else None,
        deletion=bool(next.get("deletion-asked", {}).get("valueBoolean")),
    )


def born(patient: Mapping[str, Any]) -> State:
    """The state of a space that nothing is written of: of a record made by software, as its Patient has it."""
    if "deceasedDateTime" in patient or patient.get("deceasedBoolean") is True:
        return "deceased"
    return "closed" if patient.get("active") is False else "open"


def patient_of(patient: Mapping[str, Any], life: Life) -> dict[str, Any]:
    """The Patient as it is then: in use or not, and why."""
    kept = [one for one in patient.get("extension", ()) if one.get("url") != CLOSURE]
    motive = _MOTIVES.get(life.state)
    if motive is not None:
        parts: list[dict[str, Any]] = [
            {"url": "dateFermeture", "valueDateTime": _written(life.since)},
            {"url": "motifFermeture", "valueCode": motive},
        ]
        kept.append({"url": CLOSURE, "extension": parts})
    after = {name: value for name, value in patient.items() if name != "extension"}
    after["active"] = life.state in IN_USE
    return {**after, "extension": kept} if kept else after


def _said(tree: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {str(one.get("url")): one for one in tree.get("extension", ()) if isinstance(one, dict)}


def _written(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="seconds")


def _read(text: str) -> datetime:
    return (begins(text, PARIS) or UNSAID).astimezone(UTC)
