"""What of a patient's record a professional is let in to: the gate before what labels say.

CSP R1111-46 to R1111-49, L1110-12, L1111-17. In this order: a record that is open, a patient who did not block them, a
care team of which they are (presumed), an agreement, or an emergency that the patient did not refuse; then the matrix
of professions and types. What they wrote themselves they see without an agreement and whatever the matrix says, but not
once they are blocked. Filing needs no agreement: what is made is not judged by the gate. It holds for documents and
for each clinical type alike.
"""

from __future__ import annotations

from fhir_server.access.rules import Asked, Rule
from fhir_server.search.indexing.extract import WITNESSES
from fhir_server.settings import Settings
from fhir_server.space.record import matrix
from fhir_server.space.record.choices import patients_with
from fhir_server.space.record.clinical import CLINICAL, DOCUMENTS, patient_param
from fhir_server.space.record.matrix import Matrix
from fhir_server.space.record.rows import AUTHOR_ORGANISATION
from fhir_server.space.record.standing import CLOSED, FACTS, Standing, members, written_by
from fhir_server.store.filters import (
    EVERYTHING,
    NOTHING,
    Filter,
    Linked,
    LinkedFrom,
    Missing,
    Not,
    Refers,
    Token,
    both,
    either,
)

#: What an agreement is needed for.
_RECORD = DOCUMENTS | CLINICAL


def rules(settings: Settings) -> tuple[Rule, ...]:
    """The rules of the gate, with the matrix that the settings name.

    Raises:
        BadMatrix: it cannot be used.
    """
    held = matrix.held(settings.record_matrix)

    def refused(asked: Asked) -> Filter:
        return _refused(asked, held)

    return (
        Rule(
            "record-gate",
            "of a record that the professional is not let in to",
            _RECORD,
            withholds=_kept_out,
            of_writes=False,
            facts=FACTS,
        ),
        Rule(
            "record-traces",
            "about a record that the professional is not let in to",
            WITNESSES,
            withholds=_traces_kept,
            of_writes=False,
            facts=FACTS,
        ),
        Rule(
            "record-matrix",
            "of a type that the profession does not read",
            frozenset({"DocumentReference"}),
            withholds=refused,
            of_writes=False,
            facts=FACTS,
        ),
    )


def let_in(standing: Standing) -> Filter:
    """Patients whose record a professional may consult without being its author, apart from who is in context."""
    team = LinkedFrom("CareTeam", "patient", members(standing.who, standing.now))
    return either([team, patients_with("authorised", standing.now, standing.who.practitioner)])


def _kept_out(asked: Asked) -> Filter:
    standing = asked.facts
    if asked.verb == "c" or not isinstance(standing, Standing):
        return NOTHING if asked.verb == "c" else EVERYTHING
    if standing.who.ended:
        return EVERYTHING
    mine = written_by(standing)
    if asked.verb in "ud" and asked.type in DOCUMENTS:
        # What a colleague of theirs wrote for the same organisation they may replace, without reading it.
        mine = either([mine, *(Token(AUTHOR_ORGANISATION, one) for one in sorted(standing.who.organisations))])
    return _not_let_in(asked, standing, mine)


def _traces_kept(asked: Asked) -> Filter:
    """Who looked at a record tells what somebody suffers from; what professionals did they may read again."""
    standing = asked.facts
    if asked.verb == "c" or not isinstance(standing, Standing):
        return NOTHING if asked.verb == "c" else EVERYTHING
    if standing.who.ended:
        return EVERYTHING
    names = (standing.who.practitioner, standing.who.role)
    return _not_let_in(asked, standing, either([Refers("agent", one) for one in names if one]))


def _not_let_in(asked: Asked, standing: Standing, mine: Filter) -> Filter:
    """What is not of a record that they are let in to, but for what is `mine`."""
    here, elsewhere = standing.context, _elsewhere(standing, asked.type, mine)
    if here is None:
        return Not(elsewhere)
    inside = _inside(standing, mine)
    if asked.level == "patient" and asked.verb in "rs":
        # What such a scope reads is of the patient in context already.
        return NOTHING if inside == EVERYTHING else Not(inside)
    named = Refers(patient_param(asked.type), f"Patient/{here.patient}")
    return Not(either([both(named, inside), both(Not(named), elsewhere)]))


def _inside(standing: Standing, mine: Filter) -> Filter:
    """What is read of the patient in context."""
    here = standing.context
    assert here is not None
    if here.closed or here.blocked:
        return NOTHING
    opened = standing.emergency is not None and not here.refused
    return EVERYTHING if here.team or here.authorised or opened else mine


def _elsewhere(standing: Standing, type: str, mine: Filter) -> Filter:
    """What is read of patients who are not in context, whom it is found by."""
    param = patient_param(type)
    opened = Linked(param, "Patient", both(Not(CLOSED), let_in(standing)))
    still = either([Linked(param, "Patient", Not(CLOSED)), _of_nobody(param)])
    return both(Not(_of_blocking(standing, type)), either([opened, both(mine, still)]))


def _of_nobody(param: str) -> Filter:
    """What names no patient: neither by a reference nor, perhaps one, by an identifier."""
    return both(Missing(param), Missing("subject:identifier"), Missing(f"{param}:identifier"))


def _of_blocking(standing: Standing, type: str) -> Filter:
    """What is of patients who blocked the professional."""
    param = patient_param(type)
    if standing.blocking is None:
        return Linked(param, "Patient", patients_with("blocked", standing.now, standing.who.practitioner))
    return either([Refers(param, f"Patient/{id}") for id in sorted(standing.blocking)])


def _refused(asked: Asked, held: Matrix) -> Filter:
    standing = asked.facts
    if asked.verb == "c" or not isinstance(standing, Standing):
        return NOTHING if asked.verb == "c" else EVERYTHING
    refused = held.refused(standing.who.professions)
    return both(refused, Not(written_by(standing))) if refused != NOTHING else NOTHING
