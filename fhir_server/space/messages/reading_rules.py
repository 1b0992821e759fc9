"""Who reads a message: the patient's side of it, and the professionals and organisations that sent or received it.

A draft is its author's side's alone. What the record's gate says of a record says nothing of messages: a professional
who is blocked still reads what was written to them. The operator's own software reads all of them.
"""

from __future__ import annotations

from collections.abc import Iterable

from fhir_server.access.rules import Asked, Rule
from fhir_server.access.write_rules import administers
from fhir_server.space.messages.rows import DRAFT_OF
from fhir_server.space.record.professionals import Professional
from fhir_server.space.record.standing import FACTS, Standing
from fhir_server.store.filters import EVERYTHING, NOTHING, Filter, Missing, Not, Refers, Token, both, either

_TYPES = frozenset({"Communication"})
_PROFESSIONALS = ("Practitioner/", "PractitionerRole/")
_PARTIES = (*_PROFESSIONALS, "Organization/")


def names(who: Professional) -> frozenset[str]:
    """References by which messages name a professional: themself, their roles, the organisation they act for."""
    said = who.authors | who.organisations | {*who.names}
    return frozenset(one for one in said if one.startswith(_PARTIES))


def received_by(some: Iterable[str]) -> Filter:
    """Messages to somebody of some references."""
    return either([Refers("recipient", one) for one in sorted(some)])


def sent_by(some: Iterable[str]) -> Filter:
    """Messages, and drafts, of somebody of some references."""
    return either([Refers("sender", one) for one in sorted(some)])


def _between_others(asked: Asked) -> Filter:
    standing = asked.facts
    if asked.verb == "c":
        return NOTHING
    if not isinstance(standing, Standing) or standing.who.ended:
        return EVERYTHING
    return _not_for(names(standing.who))


def _not_for(mine: frozenset[str]) -> Filter:
    return Not(either([sent_by(mine), both(received_by(mine), Missing(DRAFT_OF))]))


def _closed(asked: Asked) -> Filter:
    """What needs no facts: drafts of professionals to the patient's side, all of them to other software."""
    grant = asked.grant
    subject = grant.subject or ""
    if asked.verb == "c" or subject.startswith(_PROFESSIONALS):
        return NOTHING
    if subject.startswith("Organization/"):
        return _not_for(frozenset({subject}))
    if asked.level == "system":
        return NOTHING if administers(grant) else EVERYTHING
    return Token(DRAFT_OF, "professional")


RULES = (
    Rule(
        "message-parties",
        "between others than the professional",
        _TYPES,
        withholds=_between_others,
        of_writes=False,
        facts=FACTS,
    ),
    Rule("message-drafts", "of an exchange, or a draft, of others", _TYPES, withholds=_closed, of_writes=False),
)
