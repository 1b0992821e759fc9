"""Who cares for whom, by whose leave: a Consent for each two people, whose versions are its history.

https://hl7.org/fhir/R4/consent.html under https://fhir-server.example/StructureDefinition/ens-delegation; the national
product's rules (domain file §2.2). While somebody cares there is a RelatedPerson under the same id, of the same commit:
it is what all else goes by, and what says so of caregivers that others registered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, cast

from fhir_server.fhir.dates import UNSAID, begins, ends
from fhir_server.search.parameters.codes import spelling
from fhir_server.space.paris import PARIS
from fhir_server.store.filters import Token, either

#: As a Consent has it: asked for, accepted, refused, ended by either side.
Status = Literal["proposed", "active", "rejected", "inactive"]
#: As the national product says it, the time being what it is.
Shown = Literal["PENDING", "ACCEPTED", "REFUSED", "EXPIRED", "ENDED"]
_SHOWN: Mapping[Status, Shown] = {
    "proposed": "PENDING",
    "active": "ACCEPTED",
    "rejected": "REFUSED",
    "inactive": "ENDED",
}

#: For how long an invitation can be answered.
ANSWERED_WITHIN = timedelta(days=30)
#: The national product's bounds: caregivers of one person, people whom one person cares for.
MOST_CAREGIVERS, MOST_CARED_FOR = 3, 5

OWN = "https://fhir-server.example"
PROFILE = f"{OWN}/StructureDefinition/ens-delegation"
EXPIRES = f"{OWN}/StructureDefinition/ens-delegation-expires"
KINDS = f"{OWN}/CodeSystem/ens-consent-kind"
KIND = "caregiving"
#: A Consent that lets somebody care, whatever came of it.
DELEGATION = Token("category", spelling(KIND, KINDS), KINDS)
#: Those that are asked for or accepted.
LIVE = either([Token("status", one) for one in ("proposed", "active")])
_SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"
_ROLES = "http://terminology.hl7.org/CodeSystem/v3-RoleClass"


@dataclass(frozen=True, slots=True)
class Delegation:
    """One person's leave to care for another.

    Attributes:
        patient: id of who is cared for.
        caregiver: id of the Patient who cares.
        status: as it was last decided.
        created: when the invitation was made; aware, UTC.
        expires: until when it can be answered; aware, UTC.
        by: "Patient/1": who decided last.
        start: since when it holds, or held; None until it is accepted.
        end: when it ends or ended; None where no end is said.
    """

    patient: str
    caregiver: str
    status: Status
    created: datetime
    expires: datetime
    by: str
    start: datetime | None = None
    end: datetime | None = None

    @property
    def id(self) -> str:
        """Of the Consent that holds it, and of the RelatedPerson who cares by it."""
        return delegation_id(self.patient, self.caregiver)

    def shown(self, now: datetime) -> Shown:
        """What has become of it at a moment."""
        if self.status == "proposed" and now >= self.expires:
            return "EXPIRED"
        if self.status == "active" and self.end is not None and now > self.end:
            return "ENDED"
        return _SHOWN[self.status]


def delegation_id(patient: str, caregiver: str) -> str:
    """Id of the one Consent of two people (ids)."""
    return hashlib.sha256(f"{KIND}\n{patient}\n{caregiver}".encode()).hexdigest()[:32]


def to_consent(one: Delegation) -> dict[str, Any]:
    """The Consent of it."""
    period = {"start": one.start, "end": one.end}
    role = {"coding": [{"system": _ROLES, "code": "CAREGIVER", "display": "caregiver"}]}
    return {
        "resourceType": "Consent",
        "id": one.id,
        "meta": {"profile": [PROFILE]},
        "extension": [{"url": EXPIRES, "valueDateTime": _written(one.expires)}],
        "status": one.status,
        "scope": {"coding": [{"system": _SCOPE, "code": "patient-privacy", "display": "Privacy Consent"}]},
        "category": [{"coding": [{"system": KINDS, "code": KIND, "display": "Aidant"}]}],
        "patient": {"reference": f"Patient/{one.patient}"},
        "dateTime": _written(one.created),
        "performer": [{"reference": one.by}],
        "policy": [{"uri": f"{OWN}/policies/delegations/{KIND}"}],
        "provision": {
            "type": "permit",
            **({"period": said} if (said := {name: _written(at) for name, at in period.items() if at}) else {}),
            "actor": [{"role": role, "reference": {"reference": f"Patient/{one.caregiver}"}}],
        },
    }


def from_consent(tree: Mapping[str, Any]) -> Delegation | None:
    """What a Consent says of it; None where it is about something else."""
    coded = [coding for one in tree.get("category", ()) for coding in one.get("coding", ())]
    actors = tree.get("provision", {}).get("actor", ())
    said = [one.get("valueDateTime") for one in tree.get("extension", ()) if one.get("url") == EXPIRES]
    if not any(one.get("system") == KINDS and one.get("code") == KIND for one in coded) or len(actors) != 1 or not said:
        return None
    period = tree["provision"].get("period", {})
    return Delegation(
        patient=_id(tree.get("patient")),
        caregiver=_id(actors[0].get("reference")),
        status=cast(Status, tree.get("status")),
        created=_read(tree.get("dateTime")) or UNSAID,
        expires=_read(said[0]) or UNSAID,
        by=next((str(one.get("reference", "")) for one in tree.get("performer", ())), ""),
        start=_read(period.get("start")),
        end=_read(period.get("end")),
    )


def last_moment(day: str) -> datetime | None:
    """The last moment of a day, month or year (R4 datatypes.html#Period: an end is inclusive); None where none is."""
    found = ends(day, PARIS)
    return None if found is None else found.astimezone(UTC).replace(microsecond=0)


def _id(node: Any) -> str:
    return str(node.get("reference", "")).removeprefix("Patient/") if isinstance(node, dict) else ""


def _written(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="seconds")


def _read(text: Any) -> datetime | None:
    found = begins(text, PARIS) if isinstance(text, str) else None
    return None if found is None else found.astimezone(UTC)
