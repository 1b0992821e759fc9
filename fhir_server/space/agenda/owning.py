"""Whose agenda is opened, changed and offered times of: one's own, or of the establishment that one acts for.

https://hl7.org/fhir/R4/schedule.html (Schedule.actor) and FR Core's `fr-core-schedule` let anybody be the actor. Who
may say so is decided here: a professional for themself and for what their establishment offers; software, by its
scope, for whom it keeps an agenda; nobody for a patient alone, whose agenda is their own notebook (`notebook`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fhir_server.access.grant import Grant
from fhir_server.access.repository import Repository
from fhir_server.access.write_rules import administers
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Forbidden, Invalid
from fhir_server.interactions.exchange import Context
from fhir_server.interactions.pipeline import Among, Change, Extra
from fhir_server.space.agenda.authors import is_professional
from fhir_server.space.agenda.model import SOFTWARE, local, tags
from fhir_server.space.agenda.parties import Acting, acting, kept

#: Types of actors who are people that keep an agenda: nobody opens one for another of these.
_PEOPLE = ("Practitioner/", "PractitionerRole/")
#: Types of actors who keep none: beside others they say whom an agenda is for.
_CARED_FOR = ("Patient/", "RelatedPerson/")
_NOBODYS = "A Schedule is of who offers care: beside them it may name a patient, who has no Schedule alone."
_NOT_THEIRS = "A professional opens an agenda of their own, or of what their establishment offers."
_ANOTHERS = "Another professional's agenda is theirs to open, or their software's."
_NOT_HERE = "The reference is to a resource that is not here."
_NOT_IN_THEIRS = "A Slot is offered by whose Schedule it is of, or by the software that keeps it."


async def complete(context: Context, changes: Sequence[Change], among: Among) -> Extra:
    """Refuse a Schedule for others, and a Slot in the Schedule of others; nothing is added.

    Raises:
        Forbidden: it is another's (403).
        Invalid: a Schedule of patients alone, or a Slot of a Schedule that is not here, or hidden (422).
    """
    grant = context.repository.grant
    if grant.own or context.administers:
        # A restored export says of each what it was.
        return Extra()
    for change in changes:
        if change.tree is not None and not change.as_server:
            look = _look_at_schedule if change.type == "Schedule" else _look_at_slot
            await look(context, grant, change.tree, among)
    return Extra()


async def _look_at_schedule(context: Context, grant: Grant, tree: Mapping[str, Any], among: Among) -> None:
    named = [local(one, context.base) for one in tree.get("actor", ())]
    if named and all(one.startswith(_CARED_FOR) for one in named):
        raise Invalid(_NOBODYS, "Schedule.actor", code="business-rule", key="agenda-owner")
    if not is_professional(grant):
        return
    own = context.repository.as_server()
    who = await acting(own, grant)
    theirs = [await _is_theirs(own, one, who, context.base) for one in named]
    for number, (one, is_theirs) in enumerate(zip(named, theirs, strict=True)):
        if one.startswith(_PEOPLE) and not is_theirs:
            raise Forbidden(_ANOTHERS, f"Schedule.actor[{number}]", key="agenda-owner")
    if not any(theirs):
        raise Forbidden(_NOT_THEIRS, "Schedule.actor", key="agenda-owner")


async def _look_at_slot(context: Context, grant: Grant, tree: Mapping[str, Any], among: Among) -> None:
    named = local(tree.get("schedule"), context.base)
    if administers(grant) or named in among.present:
        # A Schedule of the same commit is looked at itself.
        return
    type, _, id = named.partition("/")
    own = context.repository.as_server()
    found = await own.current("Schedule", id) if type == "Schedule" else None
    if found is None or found.deleted or not await context.repository.there([("Schedule", id)]):
        raise Invalid(_NOT_HERE, "Slot.schedule", code="not-found", key="agenda-owner")
    schedule = parse(found.body)
    if not is_professional(grant):
        if grant.client is None or grant.client not in tags(schedule, SOFTWARE):
            raise Forbidden(_NOT_IN_THEIRS, "Slot.schedule", key="agenda-owner")
        return
    who = await acting(own, grant)
    for one in schedule.get("actor", ()):
        if await _is_theirs(own, local(one, context.base), who, context.base):
            return
    raise Forbidden(_NOT_IN_THEIRS, "Slot.schedule", key="agenda-owner")


async def _is_theirs(own: Repository, actor: str, who: Acting, base: str) -> bool:
    """Whether an actor ("Practitioner/1") is the professional, or is their establishment's."""
    if actor in who.names:
        return True
    type, _, id = actor.partition("/")
    element = kept(who).get(type)
    if element is None or not who.structures:
        return False
    found = await own.current(type, id)
    return found is not None and not found.deleted and local(parse(found.body).get(element), base) in who.structures
