"""Who writes a message, and by which references it may name them as its sender."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fhir_server.access.grant import Grant
from fhir_server.access.repository import Repository
from fhir_server.access.trees import referred
from fhir_server.access.write_rules import people
from fhir_server.fhir.json import parse
from fhir_server.space.messages.model import Side, local
from fhir_server.space.messages.reading_rules import names
from fhir_server.space.record import professionals
from fhir_server.space.record.writers import caller_of
from fhir_server.store.filters import Refers

#: An administrator's software and the server itself are held to nothing; "app" is software for a patient by itself.
Kind = Literal["administrator", "patient", "representative", "caregiver", "app", "professional", "organization"]
_PROFESSIONALS: frozenset[Kind] = frozenset({"professional", "organization"})


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes a message.

    Attributes:
        kind: what they are to the patient.
        names: references that a message may name as its sender.
        person: who it is, where that is a person: "RelatedPerson/1"; "" else.
    """

    kind: Kind
    names: frozenset[str] = frozenset()
    person: str = ""

    @property
    def is_held(self) -> bool:
        """Whether the rules of messages are for them."""
        return self.kind != "administrator"

    @property
    def side(self) -> Side:
        """On which side they are."""
        return "professional" if self.kind in _PROFESSIONALS else "patient"

    @property
    def stands_in(self) -> bool:
        """Whether they write in the patient's place."""
        return self.kind in ("representative", "caregiver")


ADMINISTRATOR = Writer("administrator")


async def writer_of(repository: Repository, patient: str) -> Writer:
    """Who the caller is to the exchanges of a patient ("Patient/1")."""
    if not people(repository.grant):
        return ADMINISTRATOR
    key = ("message-writer", repository.grant, patient)
    return await repository.together().once(key, lambda: _writer_of(repository, patient))


async def _writer_of(repository: Repository, patient: str) -> Writer:
    grant = repository.grant
    subject, own = grant.subject or "", repository.as_server()
    if subject.startswith("Organization/"):
        return Writer("organization", frozenset({subject}), subject)
    if is_professional(grant):
        who = await professionals.read(own, subject, grant.role)
        # Whom the directory ended acts for nobody.
        return Writer("professional", frozenset() if who.ended else names(who), who.practitioner or subject)
    caller = await caller_of(repository, patient, named=False)
    kind: Kind = "app" if caller.kind == "app" else "patient" if caller.kind == "patient" else _acting(caller.kind)
    mine = frozenset({patient}) if kind in ("patient", "app") else await _standing_in(own, subject, patient)
    return Writer(kind, mine, subject)


def acts_for(grant: Grant, patient: str) -> bool:
    """Whether the exchanges of a patient ("Patient/1") are any of the caller's: else nothing of them is looked at."""
    id = patient.removeprefix("Patient/")
    if grant.patient is not None or grant.subject is None:
        return grant.patient == id
    return is_professional(grant) or grant.subject == patient or id in grant.wards


def is_professional(grant: Grant) -> bool:
    """Whether a professional, or an organisation, acts with it."""
    return (grant.subject or "").startswith(("Practitioner/", "PractitionerRole/", "Organization/"))


def _acting(kind: str) -> Kind:
    return "caregiver" if kind == "caregiver" else "representative"


async def _standing_in(own: Repository, subject: str, patient: str) -> frozenset[str]:
    """As whom somebody writes for a patient: in the patient's name, or as who they are to them."""
    who = await referred(own, subject)
    mine = {(one.get("system"), one.get("value")) for one in who.get("identifier", ()) if one.get("value")}
    found = {patient}
    if subject.startswith("RelatedPerson/") and local(who.get("patient")) == patient:
        found.add(subject)
    page = await own.find({"RelatedPerson": Refers("patient", patient)}, count=_RELATED)
    for version in page.versions:
        tree = parse(version.body)
        said = {(one.get("system"), one.get("value")) for one in tree.get("identifier", ())}
        if mine & said:
            found.add(f"RelatedPerson/{version.id}")
    return frozenset(found)


#: RelatedPersons of one patient: more are not looked at.
_RELATED = 200
