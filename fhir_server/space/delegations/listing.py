"""Everybody who acts for somebody, or whom they act for: invitations, caregivers, representatives."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from fhir_server.access.repository import Repository
from fhir_server.fhir.dates import begins
from fhir_server.fhir.json import parse
from fhir_server.space.acting import cares
from fhir_server.space.delegations import people
from fhir_server.space.delegations.delegation import DELEGATION, Shown, from_consent, last_moment
from fhir_server.space.delegations.standing import Tree
from fhir_server.space.names import name_of
from fhir_server.space.paris import PARIS
from fhir_server.store.filters import Filter, Refers, both, either

#: As the national product has them.
Kind = Literal["CAREGIVING", "LEGAL_REPRESENTATION"]
#: Of who asks: they act for the other, or the other acts for them.
Direction = Literal["INCOMING", "OUTGOING"]


@dataclass(frozen=True, slots=True)
class Row:
    """One of them, as somebody is told of it.

    Attributes:
        id: of the delegation; of one that others registered, of its RelatedPerson.
        kind, direction, status: as the national product has them.
        name: of the other person.
        created, expires: of an invitation; None of what others registered.
        start, end: since and until when it holds; None where that is not said.
    """

    id: str
    kind: Kind
    direction: Direction
    status: Shown
    name: str
    created: datetime | None = None
    expires: datetime | None = None
    start: datetime | None = None
    end: datetime | None = None


async def of(own: Repository, patient: str, now: datetime) -> list[Row]:
    """All of a person (id of their Patient): what was ever asked for, the newest first, then what others registered."""
    who = f"Patient/{patient}"
    where = both(DELEGATION, either([Refers("patient", who), Refers("actor", who)]))
    page = await own.find({"Consent": where}, count=people.MOST)
    known = [one for version in page.versions if (one := from_consent(parse(version.body))) is not None]
    found = []
    for one in sorted(known, key=lambda each: each.created, reverse=True):
        outgoing = one.patient == patient
        other = await people.person(own, f"Patient/{one.caregiver if outgoing else one.patient}")
        found.append(
            Row(
                one.id,
                "CAREGIVING",
                "OUTGOING" if outgoing else "INCOMING",
                one.shown(now),
                name_of(other, given=1),
                one.created,
                one.expires,
                one.start,
                one.end,
            )
        )
    ids = {one.id for one in found}
    sides: tuple[tuple[Direction, Filter], ...] = (
        ("OUTGOING", people.acting_for(patient)),
        ("INCOMING", people.same_person(await people.person(own, who))),
    )
    for direction, acting in sides:
        others = [one for one in await _acting(own, acting, now) if one["id"] not in ids]
        found += [await _registered(own, one, direction) for one in others]
    return found


async def _acting(own: Repository, where: Filter, now: datetime) -> list[Tree]:
    page = await own.find({"RelatedPerson": where}, count=people.MOST)
    return [tree for version in page.versions if people.acts(tree := parse(version.body), now)]


async def _registered(own: Repository, tree: Tree, direction: Direction) -> Row:
    """Of what others registered."""
    ward = str(tree.get("patient", {}).get("reference", ""))
    other = tree if direction == "OUTGOING" else await people.person(own, ward) if ward.count("/") == 1 else {}
    period = tree.get("period", {})
    start, end = period.get("start"), period.get("end")
    return Row(
        str(tree["id"]),
        "CAREGIVING" if cares(tree) else "LEGAL_REPRESENTATION",
        direction,
        "ACCEPTED",
        name_of(other, given=1),
        start=begins(start, PARIS) if isinstance(start, str) else None,
        end=last_moment(end) if isinstance(end, str) else None,
    )
