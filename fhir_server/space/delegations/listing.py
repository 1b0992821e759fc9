"""Everybody who acts for somebody, or whom they act for: invitations, caregivers, representatives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from fhir_server.access.repository import Repository
from fhir_server.fhir.dates import begins
from fhir_server.fhir.json import parse
from fhir_server.space.acting import cares, of_age_from
from fhir_server.space.delegations import people
from fhir_server.space.delegations.bonds import BONDS, Named
from fhir_server.space.delegations.delegation import DELEGATION, Delegation, Shown, from_consent, last_moment
from fhir_server.space.delegations.standing import Tree
from fhir_server.space.names import name_of
from fhir_server.space.paris import PARIS
from fhir_server.space.record import choices
from fhir_server.space.record.rows import KINDS
from fhir_server.store.filters import Filter, Id, Refers, Token, both, either

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
    kind: Named | Literal["HEALTHCARE_PROFESSIONAL"]
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
    known.sort(key=lambda each: each.created, reverse=True)
    ids = {one.id for one in known}
    mine = await people.person(own, who)
    outgoing = [one for one in await _acting(own, people.acting_for(patient), now) if one["id"] not in ids]
    incoming = [one for one in await _acting(own, people.same_person(mine), now) if one["id"] not in ids]
    named = {id for one in known for id in (one.patient, one.delegate)} | {patient, *map(_ward, incoming)}
    there = await people.patients(own, named)
    rows = [_agreed(one, there, one.patient == patient, now) for one in known]
    rows += [
        _registered(one, there, "OUTGOING") for one in outgoing if people.binds(one, there.get(_ward(one), {}), now)
    ]
    rows += await _administrators(own, patient, now)
    return rows + [
        _registered(one, there, "INCOMING") for one in incoming if people.binds(one, there.get(_ward(one), {}), now)
    ]


async def _administrators(own: Repository, patient: str, now: datetime) -> list[Row]:
    """Professionals whom a patient (id) lets, or let, help with their space: choices of the record."""
    where = both(Token("category", "administrator", KINDS), Refers("patient", f"Patient/{patient}"))
    page = await own.find({"Consent": where}, count=people.MOST)
    made = [one for version in page.versions if (one := choices.from_consent(parse(version.body))) is not None]
    ids = tuple(sorted({one.professional.removeprefix("Practitioner/") for one in made}))
    there = await own.find({"Practitioner": Id(ids)}, count=max(len(ids), 1)) if ids else None
    names = {f"Practitioner/{one.id}": name_of(parse(one.body), given=1) for one in (there.versions if there else ())}
    return [
        Row(
            one.id,
            "HEALTHCARE_PROFESSIONAL",
            "OUTGOING",
            "ACCEPTED" if one.holds(now) else "ENDED",
            names.get(one.professional, ""),
            start=one.when if one.chosen else None,
            end=one.until if one.chosen else one.when,
        )
        for one in made
    ]


async def _acting(own: Repository, where: Filter, now: datetime) -> list[Tree]:
    page = await own.find({"RelatedPerson": where}, count=people.MOST)
    return [tree for version in page.versions if people.acts(tree := parse(version.body), now)]


def _agreed(one: Delegation, there: Mapping[str, Tree], is_outgoing: bool, now: datetime) -> Row:
    """Of what was asked for here."""
    other = one.delegate if is_outgoing else one.patient
    status, end = one.shown(now), one.end
    majority = of_age_from(there.get(one.patient, {})) if one.kind == "representation" else None
    if majority is not None and status in ("PENDING", "ACCEPTED"):
        end = majority.astimezone(UTC)
        # By the clock: nobody has to write that it is over.
        status = ("ENDED" if status == "ACCEPTED" else "EXPIRED") if end <= now else status
    return Row(
        one.id,
        BONDS[one.kind].named,
        "OUTGOING" if is_outgoing else "INCOMING",
        status,
        name_of(there.get(other, {}), given=1),
        one.created,
        one.expires,
        one.start,
        end,
    )


def _registered(tree: Tree, there: Mapping[str, Tree], direction: Direction) -> Row:
    """Of what others registered."""
    other = tree if direction == "OUTGOING" else there.get(_ward(tree), {})
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


def _ward(tree: Tree) -> str:
    return str(tree.get("patient", {}).get("reference", "")).removeprefix("Patient/")
