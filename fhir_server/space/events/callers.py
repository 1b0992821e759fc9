"""Who subscribes to events or declares them: what they are, by which names, and whose events they may know of.

One table for both. A patient and who acts for them follow the patient's own; a professional and an organisation those
of patients who have them in a care team or authorised them, and did not block them; software that an administrator
admitted answers for what it does.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from fhir_server.access.grant import Grant
from fhir_server.access.repository import Repository
from fhir_server.access.rules import Facts
from fhir_server.access.trees import referred
from fhir_server.access.write_rules import people
from fhir_server.space.acting import MINUTE, minute
from fhir_server.space.events.model import dicts
from fhir_server.space.record import professionals
from fhir_server.space.record.choices import patients_with
from fhir_server.space.record.professionals import Professional
from fhir_server.space.record.rows import MEMBER, national_structure
from fhir_server.space.record.standing import CLOSED
from fhir_server.store.filters import NOTHING, Filter, LinkedFrom, Not, Range, both, either

Kind = Literal["administrator", "patient", "representative", "professional", "organization", "app", "staff"]
#: Kind → the types of resource that it may say the subscriber is.
SUBSCRIBERS: Mapping[Kind, frozenset[str]] = {
    "administrator": frozenset({"Patient", "Practitioner", "Organization", "RelatedPerson"}),
    "patient": frozenset({"Patient"}),
    "representative": frozenset({"Patient", "RelatedPerson"}),
    "professional": frozenset({"Practitioner", "Organization"}),
    "organization": frozenset({"Organization"}),
    # Software of a patient's that acts by itself, and staff of the catalogue, are nobody who is notified.
    "app": frozenset(),
    "staff": frozenset(),
}
#: How the subjects of those begin who care for patients.
CARING = ("Practitioner/", "PractitionerRole/", "Organization/")
#: Those who declare events.
DECLARERS: frozenset[Kind] = frozenset({"administrator", "professional", "organization"})


@dataclass(frozen=True, slots=True)
class Party:
    """Who a caller is to events.

    Attributes:
        kind: what they are.
        names: as index rows name who wrote: "Practitioner/1", an IdNatPS; of an organization "Organization/1", an
            IdNatStruct.
        organisations: for whom a professional acts, likewise: what these declared they change, and do not see by that.
        references: by which care teams and choices name them.
        resources: that say by which address they are reached.
        patients: whose events they follow without being let in: ids.
        now: the minute that it is so at, in µs since 1970.
    """

    kind: Kind
    names: frozenset[str] = frozenset()
    organisations: frozenset[str] = frozenset()
    references: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    patients: frozenset[str] = frozenset()
    now: int = 0

    @property
    def may_say(self) -> frozenset[str]:
        """As whom they may declare and follow: themself, or the organisation that they act for."""
        return self.names | self.organisations


class _Key(NamedTuple):
    subject: str
    now: int


async def party(repository: Repository) -> Party:
    """Who the caller of a repository is."""
    grant = repository.grant
    subject = grant.subject or ""
    if not people(grant):
        return Party("administrator")
    if subject.startswith(CARING):
        return await _caring(repository)
    if subject.startswith("Person/"):
        return Party("staff")
    mine = _patients(grant)
    if not subject:
        return Party("app", patients=mine)
    kind: Kind = "patient" if mine == {subject.removeprefix("Patient/")} else "representative"
    return Party(kind, frozenset({subject}), resources=(subject,), patients=mine)


async def _caring(repository: Repository) -> Party:
    """The professional or the organization that calls."""
    grant, own = repository.grant, repository.as_server()
    subject = grant.subject or ""
    if (key := _of(grant)) is not None:
        return await _read(own, key)
    return of_professional(await professionals.read(own, subject, grant.role), minute())


def of_professional(who: Professional, now: int) -> Party:
    """A professional as the directory has them; by no name where they ended."""
    if who.ended:
        return Party("professional", now=now)
    organisations = tuple(one for one in sorted(who.organisations) if one.startswith("Organization/"))
    names, reached = who.authors | {*who.names}, (*who.names, *organisations)
    return Party("professional", frozenset(names), who.organisations, who.names, reached, now=now)


def _of(grant: Grant) -> Hashable | None:
    subject = grant.subject or ""
    return _Key(subject, minute()) if subject.startswith("Organization/") else None


async def _read(own: Repository, asked: Hashable) -> Party:
    assert isinstance(asked, _Key)
    tree = await referred(own, asked.subject)
    known = [asked.subject, *filter(None, map(national_structure, dicts(tree.get("identifier"))))]
    mine = (asked.subject,)
    return Party("organization", frozenset(known), references=mine, resources=mine, now=asked.now)


#: What rules know of organizations; of professionals they know what the record's gate does.
FACTS = Facts(_of, _read, frozenset({"Organization"}))


def _patients(grant: Grant) -> frozenset[str]:
    """Of people who act for patients: of the one in context alone, where there is one."""
    subject = grant.subject or ""
    own = frozenset({subject.removeprefix("Patient/")}) if subject.startswith("Patient/") else frozenset[str]()
    if grant.patient is not None:
        return frozenset({grant.patient})
    return grant.wards | own


def let_in(references: tuple[str, ...], at: int) -> Filter:
    """Patients whose events somebody may know of in the minute `at`, whom care teams and choices name so."""
    if not references:
        return NOTHING
    member = either([Range(MEMBER, low_to=at + MINUTE - 1, high_from=at, code=one) for one in references])
    asked = [LinkedFrom("CareTeam", "patient", member), *(patients_with("authorised", at, one) for one in references)]
    return both(either(asked), not_refusing(references, at))


def not_refusing(references: tuple[str, ...], at: int) -> Filter:
    """Patients whose record is open, and who blocked nobody of these: of them events are declared."""
    blocked = [Not(patients_with("blocked", at, one)) for one in references]
    return both(Not(CLOSED), *blocked)


async def addresses(repository: Repository, who: Party) -> frozenset[str]:
    """The mail addresses, in small letters, that the server knows as those of a party."""
    own = repository.as_server()
    trees = [await referred(own, one) for one in who.resources]
    return frozenset(one for tree in trees for one in _emails(tree))


def _emails(tree: Mapping[str, Any]) -> Iterator[str]:
    for point in dicts(tree.get("telecom")):
        if point.get("system") == "email" and point.get("use") != "old" and isinstance(point.get("value"), str):
            yield point["value"].strip().casefold()
