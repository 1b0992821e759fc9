"""Who sees and who changes what of the agenda.

Appointments say of somebody's health whom they see and how often: a professional sees those in which they take part,
and those that they made; software without a person, those that it made; no care team, agreement or emergency shows them
others', which the national product shows to the patient alone (domain file §2.8). The patient's own entries are shown
to no professional.
"""

from __future__ import annotations

from fhir_server.access.rules import Asked, Rule
from fhir_server.access.write_rules import administers
from fhir_server.space.agenda.authors import is_patients, is_professional
from fhir_server.space.agenda.parties import FACTS, Acting, made_by, mine
from fhir_server.space.agenda.rows import NOTEBOOK
from fhir_server.store.filters import EVERYTHING, NOTHING, Filter, Linked, Not, Refers, Token, either

_PRIVATE = Token(NOTEBOOK, "1")


def _others_appointments(asked: Asked) -> Filter:
    if asked.verb == "c":
        return NOTHING
    names = asked.facts.names if isinstance(asked.facts, Acting) else frozenset[str]()
    taking_part = [Refers("actor", one) for one in sorted(names)]
    return either([Not(either([*taking_part, *made_by(asked.grant)])), _PRIVATE])


def _others_agendas(asked: Asked) -> Filter:
    """Of schedules and slots, what a professional does not change: whoever may book reads them.

    Many who have nothing to do with each other use one software: by it alone nobody changes another's agenda.
    """
    if asked.verb not in "ud" or not isinstance(asked.facts, Acting):
        return NOTHING
    theirs = mine(asked.facts)
    if asked.type == "Slot" and theirs != NOTHING:
        theirs = Linked("schedule", "Schedule", theirs)
    return Not(theirs)


def _software_alone(asked: Asked) -> Filter:
    """What needs no facts: software without a person, and what the patient's side changes."""
    grant = asked.grant
    if is_patients(grant):
        return _patients(asked)
    if is_professional(grant) or administers(grant) or asked.verb == "c":
        return NOTHING
    if asked.type != "Appointment" and asked.verb in "rs":
        return NOTHING
    return Not(either(made_by(grant)))


def _patients(asked: Asked) -> Filter:
    """Schedules and slots are not theirs to write; which appointments are, `writing` says in words."""
    return EVERYTHING if asked.verb in "cud" and asked.type != "Appointment" else NOTHING


RULES = (
    Rule(
        "agenda-parties",
        "an appointment of others",
        frozenset({"Appointment"}),
        withholds=_others_appointments,
        of_writes=False,
        facts=FACTS,
    ),
    Rule(
        "agenda-owners",
        "of another's agenda",
        frozenset({"Schedule", "Slot"}),
        withholds=_others_agendas,
        facts=FACTS,
    ),
    Rule(
        "agenda-software",
        "made by other software, and changed there",
        frozenset({"Appointment", "Schedule", "Slot"}),
        withholds=_software_alone,
    ),
)
