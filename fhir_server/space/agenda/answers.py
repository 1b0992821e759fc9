"""Answers to appointments: as visible as the appointment, and given by who takes part in it.

https://hl7.org/fhir/R4/appointmentresponse.html: a reply "to an appointment request for a patient and/or
practitioner(s)", of an actor "participating in the appointment". It repeats when that is, and of whom.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fhir_server.access.rules import Asked, Rule
from fhir_server.access.write_rules import administers
from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Invalid
from fhir_server.interactions.exchange import Context
from fhir_server.interactions.pipeline import Among, Change, Extra
from fhir_server.space.agenda.model import actors, local
from fhir_server.store.filters import NOTHING, Filter, Linked, Missing, Not, Refers, both, either


def _of_shown(asked: Asked) -> Filter:
    """An answer is read by whoever reads the appointment: a patient reads their doctor's.

    But other patients' answers, and those of their relatives, stay theirs where several take part.
    """
    if asked.verb not in "rs":
        return NOTHING
    own = asked.grant.subject or ""
    ids = {asked.grant.patient} if asked.grant.patient else {*asked.grant.wards, own.removeprefix("Patient/")}
    theirs = either([Refers("patient", f"Patient/{id}") for id in sorted(ids)])
    of_others = Linked("actor", "RelatedPerson", Not(theirs))
    seen = Linked("appointment", "Appointment", asked.told("Appointment"))
    return both(seen, Missing("patient"), Not(of_others))


def _of_hidden(asked: Asked) -> Filter:
    if administers(asked.grant) or asked.verb == "c":
        return NOTHING
    return Not(Linked("appointment", "Appointment", asked.told("Appointment")))


RULES = (
    Rule(
        "agenda-answers",
        "an answer to an appointment of others",
        frozenset({"AppointmentResponse"}),
        gives=_of_shown,
        withholds=_of_hidden,
        of_writes=False,
    ),
)


async def complete(context: Context, changes: Sequence[Change], among: Among) -> Extra:
    """Refuse answers to what their writer does not see, and in the name of who takes no part; nothing is added.

    Raises:
        Invalid: the appointment is not here, or hidden, or the actor is none of its participants (422).
    """
    if context.repository.grant.own or context.administers:
        # A restored export has answers to what was deleted since.
        return Extra()
    for change in changes:
        if change.tree is not None and not change.as_server:
            await _require_taking_part(context, change.tree, among)
    return Extra()


async def _require_taking_part(context: Context, tree: dict[str, Any], among: Among) -> None:
    named, actor = (local(tree.get(name), context.base) for name in ("appointment", "actor"))
    if named in among.present:
        # Whoever writes the appointment in the same transaction says who takes part.
        return
    type, _, id = named.partition("/")
    if type != "Appointment" or not await context.repository.there([("Appointment", id)]):
        words = "The reference is to a resource that is not here."
        raise Invalid(words, "AppointmentResponse.appointment", code="not-found", key="agenda-answer")
    version = await context.repository.as_server().current("Appointment", id)
    if actor and version is not None and actor not in set(actors(parse(version.body), context.base)):
        words = "Whoever answers is a participant of the Appointment."
        raise Invalid(words, "AppointmentResponse.actor", code="business-rule", key="agenda-answer")
