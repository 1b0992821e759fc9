"""Who a professional is to the agenda: by which references it names them, and which Schedules are theirs.

https://hl7.org/fhir/R4/schedule.html (Schedule.actor): of the types of actors that R4 and FR Core's `fr-core-schedule`
allow, people are themselves, and an establishment has what it offers, where it is and what it owns.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

from fhir_server.access.grant import Grant
from fhir_server.access.repository import Repository
from fhir_server.access.rules import Facts
from fhir_server.fhir.json import parse
from fhir_server.space.acting import minute
from fhir_server.space.agenda.authors import is_professional
from fhir_server.space.agenda.model import local
from fhir_server.space.agenda.rows import MADE_BY, MADE_FOR
from fhir_server.space.record import professionals
from fhir_server.store.filters import Filter, Linked, Refers, Token, either

_ACTORS = ("Practitioner/", "PractitionerRole/", "Organization/")
#: Type of an actor that an establishment has → the element that says whose it is; each is its search parameter
#: `organization`. Beside these, a professional is named by themself and by the roles they hold.
OF_STRUCTURE: Mapping[str, str] = {
    "Device": "owner",
    "HealthcareService": "providedBy",
    "Location": "managingOrganization",
}
#: The same, where an establishment itself acts: those who practise for it too.
OF_ITSELF: Mapping[str, str] = {**OF_STRUCTURE, "PractitionerRole": "organization"}


@dataclass(frozen=True, slots=True)
class Acting:
    """References by which the agenda names a professional.

    Attributes:
        names: themself, the role they act in, its services.
        structures: "Organization/1" that they act for.
    """

    names: frozenset[str]
    structures: frozenset[str] = frozenset()

    @property
    def is_structure(self) -> bool:
        """Whether an establishment itself acts, rather than somebody for it."""
        return bool(self.names & self.structures)


@dataclass(frozen=True, slots=True)
class _Key:
    subject: str
    role: str | None
    now: int


def _of(grant: Grant) -> Hashable | None:
    return _Key(grant.subject or "", grant.role, minute()) if is_professional(grant) else None


async def _read(own: Repository, asked: Hashable) -> Acting:
    assert isinstance(asked, _Key)
    if asked.subject.startswith("Organization/"):
        return Acting(frozenset({asked.subject}), frozenset({asked.subject}))
    who = await professionals.read(own, asked.subject, asked.role)
    if who.ended:
        return Acting(frozenset())
    role = await own.current(*who.role.split("/", 1)) if who.role.count("/") == 1 else None
    tree = parse(role.body) if role is not None and not role.deleted else {}
    served = {local(one, "") for one in tree.get("healthcareService", ())}
    names = {*(one for one in who.authors if one.startswith(_ACTORS)), *who.names, *served} - {""}
    return Acting(frozenset(names), frozenset(one for one in who.organisations if one.startswith("Organization/")))


async def acting(own: Repository, grant: Grant) -> Acting:
    """By which references the agenda names a professional, as `own`, the server's own sight, has it."""
    key = _of(grant)
    return Acting(frozenset()) if key is None else await _read(own, key)


FACTS = Facts(_of, _read, frozenset({"Practitioner", "PractitionerRole"}))


def kept(who: Acting) -> Mapping[str, str]:
    """Types of actors whose Schedules are theirs by the establishment → the element that names it."""
    return OF_ITSELF if who.is_structure else OF_STRUCTURE


def mine(who: Acting) -> Filter:
    """Schedules that are a professional's, or of what their establishment offers."""
    named: list[Filter] = [Refers("actor", one) for one in sorted(who.names)]
    of_structure = either([Refers("organization", one) for one in sorted(who.structures)])
    return either([*named, *(Linked("actor", type, of_structure) for type in sorted(kept(who)) if who.structures)])


def made_by(grant: Grant) -> list[Filter]:
    """What a caller made: a professional themself, since many who know nothing of each other use one software.

    Of software without a person, what it made; nothing of who is neither.
    """
    if is_professional(grant):
        return [Token(MADE_FOR, str(grant.subject))]
    return [Token(MADE_BY, grant.client)] if grant.client is not None else []
