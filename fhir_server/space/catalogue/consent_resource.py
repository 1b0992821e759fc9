"""What a patient decided on one purpose of one app: the `Consent` it is kept as, read and written.

https://hl7.org/fhir/R4/consent.html under our profile
https://fhir-server.example/StructureDefinition/ens-consent-purpose: one Consent for each patient, app and purpose,
whose versions are the history of what was decided. It carries what was accepted (`scopes`, `terms`), so that a later
version of the app gets nothing more by it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from fhir_server.fhir.dates import UNSAID, begins
from fhir_server.space.catalogue.apps import OWN, App, Purpose
from fhir_server.space.paris import PARIS

PROFILE = f"{OWN}/StructureDefinition/ens-consent-purpose"
KIND = f"{OWN}/CodeSystem/ens-consent-kind"
#: System of purpose codes: they are the apps' own.
PURPOSES = f"{OWN}/CodeSystem/ens-purpose"
ACCEPTED = f"{OWN}/StructureDefinition/ens-consent-accepted"

_SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"
_PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_ACTION = "http://terminology.hl7.org/CodeSystem/consentaction"
#: What an app does → the action of a Consent.
_ACTIONS = {"read": ("access", "Access"), "write": ("collect", "Collect")}


@dataclass(frozen=True, slots=True)
class Decision:
    """A patient's decision on one purpose.

    Attributes:
        permit: accepted, and not withdrawn.
        when: it was made; aware, UTC.
        version: of the app at that time.
        performer: who decided: "Patient/1", or "RelatedPerson/1" for them.
        scopes: SMART scopes of the purpose as it was accepted; () when refused.
        terms: `Purpose.terms` as decided on.
        refused: never accepted; False with `permit` False is a withdrawal.
        lapsed: accepted for a minor who has come of age since, and permits nothing until they accept it themself.
    """

    permit: bool
    when: datetime
    version: str
    performer: str
    scopes: tuple[str, ...] = ()
    terms: str = ""
    refused: bool = False
    lapsed: bool = False


def lapsed(
    decisions: Mapping[str, Decision], patient: str, majority: datetime | None, now: datetime
) -> dict[str, Decision]:
    """Decisions as they stand: what others accepted for a minor lapses when the minor comes of age.

    Domain file §4: after majority, consents to services have to be approved again.

    Args:
        decisions: as they are kept, by purpose code.
        patient: id.
        majority: when the patient comes of age; None where that is not known.
        now: aware.
    """
    if majority is None or majority > now:
        return dict(decisions)
    return {
        code: replace(one, permit=False, lapsed=True) if _is_lapsed(one, patient, majority) else one
        for code, one in decisions.items()
    }


def _is_lapsed(one: Decision, patient: str, majority: datetime) -> bool:
    return one.permit and one.when < majority and one.performer != f"Patient/{patient}"


def consent_id(patient: str, app: str, purpose: str) -> str:
    """Id of the one Consent of a patient (id), an app (Device id) and a purpose (code)."""
    return hashlib.sha256("\n".join((patient, app, purpose)).encode()).hexdigest()[:32]


def from_consent(tree: Mapping[str, Any]) -> tuple[str, str, Decision]:
    """Device id, purpose code and decision that a Consent under our profile is."""
    provision = tree.get("provision", {})
    actor = next((a.get("reference", {}).get("reference", "") for a in provision.get("actor", ())), "")
    coded = (c.get("code", "") for one in provision.get("code", ()) for c in one.get("coding", ()))
    parts: dict[str, list[Any]] = {}
    for extension in tree.get("extension", ()):
        if extension.get("url") == ACCEPTED:
            for part in extension.get("extension", ()):
                parts.setdefault(part.get("url", ""), []).append(part.get("valueString", ""))
    status = tree.get("status")
    decision = Decision(
        permit=status == "active",
        when=(begins(tree.get("dateTime"), PARIS) or UNSAID).astimezone(UTC),
        version=next(iter(parts.get("version", ())), ""),
        performer=next((p.get("reference", "") for p in tree.get("performer", ())), ""),
        scopes=tuple(parts.get("scope", ())),
        terms=next(iter(parts.get("terms", ())), ""),
        refused=status == "rejected",
    )
    return actor.removeprefix("Device/"), next(coded, ""), decision


def to_consent(patient: str, app: App, purpose: Purpose, decision: Decision) -> dict[str, Any]:
    """The Consent of a patient (id) on a purpose of an app."""
    period = {"start": decision.when.isoformat(timespec="seconds")}
    if not decision.permit:
        period["end"] = period["start"]
    accepted = [{"url": "version", "valueString": decision.version}, {"url": "terms", "valueString": decision.terms}]
    accepted += [{"url": "scope", "valueString": scope} for scope in decision.scopes]
    return {
        "resourceType": "Consent",
        "id": consent_id(patient, app.id, purpose.code),
        "meta": {"profile": [PROFILE]},
        "extension": [{"url": ACCEPTED, "extension": [part for part in accepted if part["valueString"]]}],
        "status": "active" if decision.permit else "rejected" if decision.refused else "inactive",
        "scope": _concept(_SCOPE, "patient-privacy", "Privacy Consent"),
        "category": [_concept(KIND, "purpose", "Consentement à une finalité d'un service")],
        "patient": {"reference": f"Patient/{patient}"},
        "dateTime": period["start"],
        "performer": [{"reference": decision.performer}],
        "policy": [{"uri": f"{OWN}/policies/{app.client}/{purpose.code}"}],
        "provision": {
            "type": "permit",
            "period": period,
            "actor": [
                {
                    "role": _concept(_PARTICIPATION, "IRCP", "information recipient"),
                    "reference": {"reference": app.reference},
                }
            ],
            "action": [_concept(_ACTION, *_ACTIONS[action]) for action in purpose.actions],
            "code": [{**_concept(PURPOSES, purpose.code, purpose.label), "text": purpose.label}],
        },
    }


def _concept(system: str, code: str, display: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, "display": display}]}
