"""Who sees what was declared of somebody's events, and who sees which subscriptions there are to them.

The patient and who acts for them see both, and end a subscription; who declared an event sees and changes it; a
professional sees those of patients who let them in. What was declared by mistake its author alone sees.
"""

from __future__ import annotations

from fhir_server.access.rules import Asked, Rule
from fhir_server.access.write_rules import administers
from fhir_server.space.events.callers import CARING, FACTS, Party, let_in, of_professional
from fhir_server.space.events.rows import EVENT
from fhir_server.space.record import standing as gate
from fhir_server.space.record.rows import AUTHOR, AUTHOR_ORGANISATION
from fhir_server.space.record.standing import Standing
from fhir_server.store.filters import NOTHING, Filter, Linked, Not, Refers, Token, both, either

_REQUESTS = frozenset({"CommunicationRequest"})
_EVENTS = Token(EVENT)
_MISTAKEN = Token("status", "entered-in-error")


def by(names: frozenset[str]) -> Filter:
    """Events declared by somebody of these names."""
    return either([Token(row, one) for one in sorted(names) for row in (AUTHOR, AUTHOR_ORGANISATION)])


def _of_professionals(asked: Asked) -> Filter:
    """What a professional does not see of events, and does not change."""
    standing = asked.facts
    if not isinstance(standing, Standing):
        return _EVENTS
    return _hidden(asked, of_professional(standing.who, standing.now))


def _of_organizations(asked: Asked) -> Filter:
    return _hidden(asked, asked.facts) if isinstance(asked.facts, Party) else _EVENTS


def _hidden(asked: Asked, who: Party) -> Filter:
    if asked.verb == "c":
        return NOTHING
    told = both(Linked("subject", "Patient", let_in(who.references, who.now)), Not(_MISTAKEN))
    return both(_EVENTS, Not(by(who.may_say) if asked.verb in "ud" else either([by(who.names), told])))


def _closed(asked: Asked) -> Filter:
    """What needs no facts: what of events the patient's side does not see, and other software."""
    grant = asked.grant
    if grant.own or asked.verb == "c" or (grant.subject or "").startswith(CARING):
        return NOTHING
    if administers(grant) and asked.level == "system":
        return NOTHING
    if asked.verb in "ud" or asked.level == "system":
        return _EVENTS
    return both(_EVENTS, _MISTAKEN)


def _in_context(asked: Asked) -> Filter:
    """Events of the patient in context, whom what a professional sends contains: by no literal reference theirs."""
    grant = asked.grant
    caring = (grant.subject or "").startswith(CARING)
    if asked.verb not in "cud" or not caring or grant.patient is None or asked.level == "system":
        return NOTHING
    return both(_EVENTS, Refers("subject", f"Patient/{grant.patient}"))


RULES = (
    Rule(
        "event-parties",
        "about an event of somebody who did not let the professional in",
        _REQUESTS,
        withholds=_of_professionals,
        of_writes=False,
        facts=gate.FACTS,
    ),
    Rule(
        "event-organizations",
        "about an event of somebody whom the organization does not care for",
        _REQUESTS,
        withholds=_of_organizations,
        of_writes=False,
        facts=FACTS,
    ),
    Rule(
        "event-readers",
        "about an event that the caller is not told of",
        _REQUESTS,
        gives=_in_context,
        withholds=_closed,
        of_writes=False,
    ),
)
