"""Who acts for whom, by whose leave: a Consent for each two people and kind, whose versions are its history.

https://hl7.org/fhir/R4/consent.html under https://fhir-server.example/StructureDefinition/ens-delegation; the national
product's rules (domain file §2.2). While somebody acts there is a RelatedPerson under the same id, of the same commit:
it is what all else goes by, and what says so of those whom others registered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, cast

from fhir_server.fhir.dates import UNSAID, begins, ends
from fhir_server.search.parameters.codes import spelling
from fhir_server.space.delegations.bonds import BONDS, Kind
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

OWN = "https://fhir-server.example"
PROFILE = f"{OWN}/StructureDefinition/ens-delegation"
EXPIRES = f"{OWN}/StructureDefinition/ens-delegation-expires"
KINDS = f"{OWN}/CodeSystem/ens-consent-kind"
#: Why the operator ended it.
REASON = f"{OWN}/StructureDefinition/ens-delegation-reason"
#: A Consent that lets somebody act, whatever came of it.
DELEGATION = either([Token("category", spelling(kind, KINDS), KINDS) for kind in BONDS])
#: Those that are asked for or accepted.
LIVE = either([Token("status", one) for one in ("proposed", "active")])
_SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"
_ROLES = "http://terminology.hl7.org/CodeSystem/v3-RoleClass"


@dataclass(frozen=True, slots=True)
class Delegation:
    """One person's leave to act for another.

    Attributes:
        patient: id of for whom.
        delegate: id of the Patient who acts.
        status: as it was last decided.
        created: when the invitation was made; aware, UTC.
        expires: until when it can be answered; aware, UTC.
        by: "Patient/1": who decided last.
        start: since when it holds, or held; None until it is accepted.
        end: when it ends or ended; None where no end is said.
        kind: by what they act.
        reason: why the operator ended it; "" where nobody did.
    """

    patient: str
    delegate: str
    status: Status
    created: datetime
    expires: datetime
    by: str
    start: datetime | None = None
    end: datetime | None = None
    kind: Kind = "caregiving"
    reason: str = ""

    @property
    def id(self) -> str:
        """Of the Consent that holds it, and of the RelatedPerson who acts by it."""
        return delegation_id(self.patient, self.delegate, self.kind)

    def shown(self, now: datetime) -> Shown:
        """What has become of it at a moment."""
        if self.status == "proposed" and now >= self.expires:
            return "EXPIRED"
        if self.status == "active" and self.end is not None and now > self.end:
            return "ENDED"
        return _SHOWN[self.status]


def delegation_id(patient: str, delegate: str, kind: Kind = "caregiving") -> str:
    """Id of the one Consent of two people (ids) and a kind."""
    return hashlib.sha256(f"{kind}\n{patient}\n{delegate}".encode()).hexdigest()[:32]


def to_consent(one: Delegation) -> dict[str, Any]:
    """The Consent of it."""
    period, bond = {"start": one.start, "end": one.end}, BONDS[one.kind]
    code, _, display = bond.role
    role = {"coding": [{"system": _ROLES, "code": code, "display": display}]}
    reason = [{"url": REASON, "valueString": one.reason}] if one.reason else []
    return {
        "resourceType": "Consent",
        "id": one.id,
        "meta": {"profile": [PROFILE]},
        "extension": [{"url": EXPIRES, "valueDateTime": _written(one.expires)}, *reason],
        "status": one.status,
        "scope": {"coding": [{"system": _SCOPE, "code": "patient-privacy", "display": "Privacy Consent"}]},
        "category": [{"coding": [{"system": KINDS, "code": one.kind, "display": bond.label}]}],
        "patient": {"reference": f"Patient/{one.patient}"},
        "dateTime": _written(one.created),
        "performer": [{"reference": one.by}],
        "policy": [{"uri": f"{OWN}/policies/delegations/{one.kind}"}],
        "provision": {
            "type": "permit",
            **({"period": said} if (said := {name: _written(at) for name, at in period.items() if at}) else {}),
            "actor": [{"role": role, "reference": {"reference": f"Patient/{one.delegate}"}}],
        },
    }


def from_consent(tree: Mapping[str, Any]) -> Delegation | None:
    """What a Consent says of it; None where it is about something else."""
    coded = [coding for one in tree.get("category", ()) for coding in one.get("coding", ())]
    actors = tree.get("provision", {}).get("actor", ())
    found = [one.get("code") for one in coded if one.get("system") == KINDS and one.get("code") in BONDS]
    said = {one.get("url"): one for one in tree.get("extension", ()) if isinstance(one, dict)}
    if not found or len(actors) != 1 or EXPIRES not in said:
        return None
    period = tree["provision"].get("period", {})
    return Delegation(
        patient=_id(tree.get("patient")),
        delegate=_id(actors[0].get("reference")),
        status=cast(Status, tree.get("status")),
        created=_read(tree.get("dateTime")) or UNSAID,
        expires=_read(said[EXPIRES].get("valueDateTime")) or UNSAID,
        by=next((str(one.get("reference", "")) for one in tree.get("performer", ())), ""),
        start=_read(period.get("start")),
        end=_read(period.get("end")),
        kind=cast(Kind, found[0]),
        reason=str(said.get(REASON, {}).get("valueString", "")),
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
