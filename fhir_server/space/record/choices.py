"""What a patient chose of their record, each choice a Consent: whom they blocked or authorised, what emergencies open.

https://hl7.org/fhir/R4/consent.html under https://fhir-server.example/StructureDefinition/ens-record-choice. CSP
R1111-47 to R1111-49, L1111-19. One Consent for each patient, kind and professional, under an id made of the three, so
that two choices at once are two versions of one resource, and its versions are the history of what was chosen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from fhir_server.fhir.dates import UNSAID, begins, ends
from fhir_server.space.acting import MINUTE
from fhir_server.space.paris import PARIS
from fhir_server.space.record.rows import CHOICE as CHOICE_ROW
from fhir_server.space.record.rows import CHOICE_UNTIL
from fhir_server.space.record.rows import KINDS as SYSTEM
from fhir_server.store.filters import Filter, LinkedFrom, Range, Token, either

Kind = Literal[
    "blocked",
    "authorised",
    "administrator",
    "regulation-refused",
    "btg-refused",
    "emergency-sees-masked",
    "masked-by-default",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
#: Kinds that are about one professional; the others are about the record.
OF_PROFESSIONALS: frozenset[Kind] = frozenset({"blocked", "authorised", "administrator"})
#: Of these, what a professional may say that the patient agreed to, and what being blocked ends.
AGREED: tuple[Kind, ...] = ("authorised", "administrator")

OWN = "https://fhir-server.example"
PROFILE = f"{OWN}/StructureDefinition/ens-record-choice"

#: A Consent of the record, of whichever kind and status.
CHOICE = either([Token("category", kind, SYSTEM) for kind in KINDS])

#: Kind → whether its provision permits, and what it is called.
_KINDS: Mapping[Kind, tuple[Literal["permit", "deny"], str]] = {
    "blocked": ("deny", "Professionnel bloqué : il ne lit rien du dossier"),
    "authorised": ("permit", "Professionnel autorisé à consulter le dossier"),
    "administrator": (
        "permit",
        "Professionnel administrateur : il aide à ouvrir l'espace, ou enregistre une opposition",
    ),
    "regulation-refused": ("deny", "Refus de l'accès du centre de régulation médicale (centre 15)"),
    "btg-refused": ("deny", "Refus de l'accès en urgence par bris de glace"),
    "emergency-sees-masked": ("permit", "Documents masqués consultables en urgence"),
    "masked-by-default": ("deny", "Nouveaux documents des professionnels masqués par défaut"),
}
#: Kinds that open something: those whom a minor's representatives let in, they let in until the minor is of age.
OPENING: frozenset[Kind] = frozenset(kind for kind, (type, _) in _KINDS.items() if type == "permit")
#: Kind → the purpose of use that its provision is about.
_PURPOSES: Mapping[Kind, str] = {
    "regulation-refused": "ETREAT",
    "btg-refused": "BTG",
    "emergency-sees-masked": "ETREAT",
}
_SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope"
_PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice.

    Attributes:
        patient: id.
        kind: what it is about.
        professional: "Practitioner/1"; "" where it is about none.
        chosen: whether it is so; False is what was chosen before and taken back.
        when: it was decided; aware, UTC.
        performer: who decided: "Patient/1", "RelatedPerson/1" or "Practitioner/1".
        until: when it ends by itself; None where it does not.
    """

    patient: str
    kind: Kind
    professional: str
    chosen: bool
    when: datetime
    performer: str
    until: datetime | None = None

    @property
    def id(self) -> str:
        """The id of the Consent that holds it: the same for the same choice."""
        return choice_id(self.patient, self.kind, self.professional)

    def holds(self, now: datetime) -> bool:
        """Whether it is in force."""
        return self.chosen and (self.until is None or now < self.until)


def choice_id(patient: str, kind: str, professional: str = "") -> str:
    """Id of the one Consent of a patient (id), a kind and a professional ("Practitioner/1", or "")."""
    return hashlib.sha256("\n".join((patient, kind, professional)).encode()).hexdigest()[:32]


def to_consent(choice: Choice) -> dict[str, Any]:
    """The Consent of a choice."""
    type, words = _KINDS[choice.kind]
    at = choice.when.isoformat(timespec="seconds")
    end = choice.until if choice.chosen else choice.when
    provision: dict[str, Any] = {
        "type": type,
        "period": {"start": at, **({"end": end.isoformat(timespec="seconds")} if end is not None else {})},
    }
    if choice.professional:
        role = _concept(_PARTICIPATION, "IRCP", "information recipient")
        provision["actor"] = [{"role": role, "reference": {"reference": choice.professional}}]
    if choice.kind in _PURPOSES:
        provision["purpose"] = [{"system": _REASON, "code": _PURPOSES[choice.kind]}]
    return {
        "resourceType": "Consent",
        "id": choice.id,
        "meta": {"profile": [PROFILE]},
        "status": "active" if choice.chosen else "inactive",
        "scope": _concept(_SCOPE, "patient-privacy", "Privacy Consent"),
        "category": [_concept(SYSTEM, choice.kind, words)],
        "patient": {"reference": f"Patient/{choice.patient}"},
        "dateTime": at,
        "performer": [{"reference": choice.performer}],
        "policy": [{"uri": f"{OWN}/policies/record/{choice.kind}"}],
        "provision": provision,
    }


def from_consent(tree: Mapping[str, Any]) -> Choice | None:
    """The choice that a Consent is; None where it is none of the record's."""
    found = kind_of(tree)
    if found is None:
        return None
    provision = tree.get("provision", {})
    end = provision.get("period", {}).get("end")
    chosen = tree.get("status") == "active"
    return Choice(
        patient=_reference(tree.get("patient")).removeprefix("Patient/"),
        kind=found,
        professional=_professional(tree),
        chosen=chosen,
        when=(begins(tree.get("dateTime"), PARIS) or UNSAID).astimezone(UTC),
        performer=_reference(next(iter(tree.get("performer", ())), None)),
        # R4 datatypes.html#Period: an end is inclusive, of a day or a month all of it.
        until=_until(end) if chosen and isinstance(end, str) else None,
    )


def _until(end: str) -> datetime:
    found = begins(end, PARIS) if "T" in end else ends(end, PARIS)
    return (found or UNSAID).astimezone(UTC)


def kind_of(tree: Mapping[str, Any]) -> Kind | None:
    """The kind of choice that a Consent says it is; None where it is none of the record's."""
    coded = (coding for one in tree.get("category", ()) for coding in one.get("coding", ()))
    codes = [one.get("code") for one in coded if one.get("system") == SYSTEM]
    return next((kind for kind in KINDS if kind in codes), None)


def in_force(kind: Kind, now: int, professional: str = "") -> Filter:
    """Consents by which a choice holds in the minute that begins at an instant (µs since 1970).

    Rules know the time by the minute: what is chosen within it holds at once, not from the next.
    """
    return Range(CHOICE_UNTIL, low_to=now + MINUTE - 1, high_from=now, code=kind, system=professional)


def patients_with(kind: Kind, now: int, professional: str = "") -> Filter:
    """Patients who chose it, for links from what is theirs: as `in_force`."""
    return LinkedFrom("Consent", f"{CHOICE_ROW}:{kind}", in_force(kind, now, professional))


def _professional(tree: Mapping[str, Any]) -> str:
    """The professional whom a choice is about, named by a literal reference; "" without."""
    actors = [_reference(one.get("reference")) for one in tree.get("provision", {}).get("actor", ())]
    found = actors[0] if len(actors) == 1 else ""
    return found if found.startswith("Practitioner/") and found.count("/") == 1 else ""


def _reference(node: Any) -> str:
    return str(node.get("reference", "")) if isinstance(node, dict) else ""


def _concept(system: str, code: str, display: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, "display": display}]}
