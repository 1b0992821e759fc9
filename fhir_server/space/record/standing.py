"""How a professional stands to the record of the patient in context, or to all of them: what the gate judges by.

Read once and again when a choice, a care team, a patient or the directory changes (`access.rules.Facts`), and with each
minute, since teams, agreements and roles end by themselves.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from fhir_server.access.grant import Grant
from fhir_server.access.repository import Repository
from fhir_server.access.rules import Facts
from fhir_server.access.trees import tree_of
from fhir_server.fhir.json import parse
from fhir_server.space.acting import MINUTE, minute
from fhir_server.space.record import professionals
from fhir_server.space.record.choices import Kind, in_force
from fhir_server.space.record.professionals import Professional
from fhir_server.space.record.rows import AUTHOR, MEMBER
from fhir_server.store.filters import NOTHING, Filter, Range, Refers, Token, both, either

#: Purposes of use that are an emergency: a regulation centre's (centre 15), and a broken glass.
Emergency = Literal["ETREAT", "BTG"]
#: Emergency → the choice by which a patient refuses it.
REFUSALS: dict[Emergency, Kind] = {"ETREAT": "regulation-refused", "BTG": "btg-refused"}

#: Patients who block one professional; of more, each is looked for when it is asked about.
MOST_BLOCKING = 500


class Context(NamedTuple):
    """How they stand to the patient in context.

    Attributes:
        patient: id.
        closed: whether the record is closed.
        blocked: whether the patient blocked them.
        team: the CareTeam that names them or their role; "" where none does.
        authorised: the Consent by which they are authorised; "" without.
        refused: in an emergency, the Consent by which the patient refused it beforehand; "" without.
        sees_masked: whether the patient lets emergencies see what is masked.
    """

    patient: str
    closed: bool
    blocked: bool
    team: str
    authorised: str
    refused: str
    sees_masked: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """What the gate knows of a caller.

    Attributes:
        who: the professional.
        now: the minute, in µs since 1970.
        emergency: the purpose of use, where it is one.
        context: how they stand to the patient in context; None without one.
        blocking: ids of the patients who blocked them; None where they are too many to be listed.
    """

    who: Professional
    now: int
    emergency: Emergency | None
    context: Context | None
    blocking: frozenset[str] | None

    def __hash__(self) -> int:
        """Of whom and when: it is part of the key of each rule of a request, and the rest is long to hash."""
        return hash((self.who.practitioner, self.who.role, self.now, self.context))


class _Key(NamedTuple):
    subject: str
    role: str | None
    patient: str | None
    emergency: Emergency | None
    now: int


def is_professional(grant: Grant) -> bool:
    """Whether a professional acts with it, whatever the level of its scopes."""
    return (grant.subject or "").startswith(("Practitioner/", "PractitionerRole/"))


def emergency(grant: Grant) -> Emergency | None:
    """The emergency that a token was given for; None in the ordinary way of care.

    It is somebody's: without a patient in context it opens nothing, since it would open everybody's record.
    """
    if grant.patient is None:
        return None
    match grant.purpose:
        case "ETREAT" | "BTG":
            return grant.purpose
        case _:
            return None


def key(subject: str, role: str | None, patient: str | None, purpose: Emergency | None) -> Hashable:
    """What `read` reads of: a professional, in a role, with a patient (id) in context, in an emergency, now."""
    return _Key(subject, role, patient, purpose, minute())


def _of(grant: Grant) -> Hashable | None:
    if not is_professional(grant) or grant.subject is None:
        return None
    return key(grant.subject, grant.role, grant.patient, emergency(grant))


async def read(own: Repository, asked: Hashable) -> Standing:
    """How a professional stands; `own` is the server's own sight of the store."""
    assert isinstance(asked, _Key)
    who = await professionals.read(own, asked.subject, asked.role)
    blocking = await _blocking(own, who.practitioner, asked.now)
    context = await _context(own, who, asked) if asked.patient else None
    return Standing(who, asked.now, asked.emergency, context, blocking)


#: Shared by all rules of the gate, and read once for them.
FACTS = Facts(_of, read, frozenset({"CareTeam", "Consent", "Patient", "Practitioner", "PractitionerRole"}))


def members(who: Professional, now: int) -> Filter:
    """CareTeams of which somebody is a member now, by their name or their role's."""
    # Within the minute, as choices are.
    return either([Range(MEMBER, low_to=now + MINUTE - 1, high_from=now, code=one) for one in who.names])


def written_by(standing: Standing) -> Filter:
    """What a professional wrote."""
    return either([Token(AUTHOR, one) for one in sorted(standing.who.authors)])


def masked_shown(standing: Standing) -> Filter:
    """Documents that an emergency shows though they are masked: of patients who said so, and did not refuse it."""
    here = standing.context
    if standing.emergency is None or here is None or not here.sees_masked or here.refused:
        return NOTHING
    return Refers("patient", f"Patient/{here.patient}")


async def _blocking(own: Repository, practitioner: str, now: int) -> frozenset[str] | None:
    page = await own.find({"Consent": in_force("blocked", now, practitioner)}, count=MOST_BLOCKING + 1)
    if len(page.versions) > MOST_BLOCKING:
        return None
    trees = (parse(version.body) for version in page.versions)
    named = (str(tree.get("patient", {}).get("reference", "")) for tree in trees)
    return frozenset(one.rpartition("/")[2] for one in named if one)


async def _context(own: Repository, who: Professional, wanted: _Key) -> Context:
    patient = wanted.patient or ""
    record = await own.current("Patient", patient)
    tree = tree_of(record)
    asked: list[tuple[str, Filter]] = [
        ("Consent", in_force("blocked", wanted.now, who.practitioner)),
        ("CareTeam", members(who, wanted.now)),
        ("Consent", in_force("authorised", wanted.now, who.practitioner)),
        ("Consent", in_force(REFUSALS[wanted.emergency], wanted.now) if wanted.emergency else either([])),
        ("Consent", in_force("emergency-sees-masked", wanted.now) if wanted.emergency else either([])),
    ]
    mine = Refers("patient", f"Patient/{patient}")
    pages = await own.find_each([{type: both(mine, where)} for type, where in asked], count=1, want="head")
    blocked, team, authorised, refused, masked = (
        f"{version.type}/{version.id}" if (version := next(iter(page.versions), None)) else "" for page in pages
    )
    return Context(patient, tree.get("active") is False, bool(blocked), team, authorised, refused, bool(masked))


#: Patients whose record is closed.
CLOSED = Token("active", "false")
