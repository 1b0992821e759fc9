"""What becomes of all that a person has when one of two records of them is merged into the other: one table.

https://hl7.org/fhir/R5/patient-operation-merge.html. No row lets somebody see, or be seen by, more than before: what
is moved goes with its labels, restrictions of both records hold from then on, and who was let in to the record that
ends is not let in to the other by that. What is moved, ended and united is of one commit, and taken back as one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from fhir_server.space.catalogue.consent_resource import consent_id
from fhir_server.space.catalogue.consent_resource import from_consent as of_app
from fhir_server.space.delegations.delegation import from_consent as of_delegation
from fhir_server.space.identities.rules import is_kept
from fhir_server.space.record.choices import from_consent as of_choice

#: `moved`: every reference to the one becomes one to the other; `ended`: it is over, and stays where it was; `left`:
#: moved, and over; `united`: what restricts holds for both; `kept`: it stays as it is.
Fate = Literal["moved", "ended", "left", "united", "kept"]


@dataclass(frozen=True, slots=True)
class Row:
    """What becomes of one kind of thing: which, and why."""

    what: str
    fate: Fate
    why: str


TABLE: tuple[Row, ...] = (
    Row("clinical resources and documents", "moved", "one person, one record; labels are theirs and go with them"),
    Row("lists, folders and pins", "moved", "they list what is moved"),
    Row("appointments, their answers, schedules", "moved", "the person goes to them"),
    Row("communications and tasks", "moved", "the person reads and answers them"),
    Row("requests that something be put right", "moved", "an answer is owed to the person, and told to them"),
    Row("Persons and Groups that name the patient", "moved", "they name the person"),
    Row("care teams", "left", "their members were let in to the record that ends, not to the other"),
    Row("choices of the record", "united", "blocked, refused and masked hold for both; permissions need both"),
    Row("delegations, either way", "ended", "leave was given for the record that ends"),
    Row("RelatedPersons", "ended", "who represents the person is registered again for the record that goes on"),
    Row("consents to apps", "kept", "they say what was agreed; no token is given by them any more"),
    Row("the space", "ended", "its state is merged, which nothing changes but the undoing"),
    Row("traces and provenances", "kept", "a trace says what was, and of which record"),
    Row("steps of the identity", "kept", "they are the history of that record"),
    Row("the account, its sessions, the activation code", "ended", "a person has one account; undoing opens it again"),
    Row("tokens on the patient, subscriptions", "ended", "they were given for the record that ends"),
    Row("calendar addresses, reminders", "ended", "they are of the account that ends"),
    Row("archives of data", "kept", "they are files that their account alone takes away"),
    Row("INS, mail address", "moved", "an earlier number of the same person finds them"),
)

#: Types that are never looked through: traces are kept, Patients are linked, content is judged by what names it.
APART = frozenset({"AuditEvent", "Provenance", "Patient", "Parameters", "OperationOutcome"})


def fate(tree: Mapping[str, Any], source: str) -> Fate:
    """What becomes of a resource that refers to the patient (id) whose record ends."""
    match tree.get("resourceType"):
        case "Consent":
            if of_choice(tree) is not None:
                # The choices themselves stay: what they restrict is chosen anew where the record goes on.
                return "kept"
            if of_delegation(tree) is not None:
                return "ended"
            return "kept" if _is_of_app(tree) else "moved"
        case "RelatedPerson":
            is_theirs = str(tree.get("patient", {}).get("reference", "")).endswith(f"Patient/{source}")
            return "ended" if is_theirs else "moved"
        case "CareTeam":
            is_theirs = str(tree.get("subject", {}).get("reference", "")).endswith(f"Patient/{source}")
            return "left" if is_theirs and tree.get("status", "active") == "active" else "moved"
        case "Basic":
            return "kept" if is_kept(tree) else "moved"
        case _:
            return "moved"


def _is_of_app(tree: Mapping[str, Any]) -> bool:
    """Whether it is kept by the catalogue, under an id made of whose it is, the app and the purpose."""
    app, purpose, _ = of_app(tree)
    patient = str(tree.get("patient", {}).get("reference", "")).removeprefix("Patient/")
    return bool(app) and tree.get("id") == consent_id(patient, app, purpose)
