"""Whose a Subscription is: it is read and changed by who made it, and seen by administrators' software.

R4 subscription.html, "Safety and Security": what somebody asks to be told of says what they know. One that says whose
events it is to is seen, and ended, by that patient and who acts for them too.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from typing import Any

from fhir_server.access.grant import Grant
from fhir_server.access.rules import Asked, Rule
from fhir_server.access.write_rules import administers
from fhir_server.store.filters import NOTHING, Filter, Not, Refers, Token, Word, either
from fhir_server.subscriptions.model import ABOUT, OWNER, SUBSCRIBER, tag

#: Subjects whose patient in context is not they, nor somebody they act for.
_OTHERS = ("Practitioner/", "PractitionerRole/", "Organization/", "Person/")


def owner(grant: Grant) -> str:
    """The code of whoever makes a Subscription with a grant: the same software for the same person."""
    return _owner(grant.client or "", grant.subject or "")


@lru_cache(maxsize=4096)
def _owner(client: str, subject: str) -> str:
    return sha256(f"{client}\n{subject}".encode()).hexdigest()[:32]


def rows(tree: dict[str, Any], base: str) -> Iterator[Word]:
    """The row of a Subscription that says whose it is."""
    if found := tag(tree, OWNER):
        yield Word(SUBSCRIBER, found)


def _own(asked: Asked) -> Filter:
    grant = asked.grant
    mine = Token(SUBSCRIBER, owner(grant)) if grant.client is not None else NOTHING
    return either([one for one in (mine, _about(asked)) if one != NOTHING])


def _about(asked: Asked) -> Filter:
    """Those to the events of a patient whose record the caller has."""
    grant = asked.grant
    subject = grant.subject or ""
    if asked.verb not in "rsd" or asked.level == "system" or subject.startswith(_OTHERS):
        return NOTHING
    own = frozenset({subject.removeprefix("Patient/")}) if subject.startswith("Patient/") else frozenset[str]()
    context = frozenset({grant.patient}) if grant.patient is not None else frozenset[str]()
    ids = context if asked.level == "patient" or context else grant.wards | own
    return either([Refers(ABOUT, f"Patient/{id}") for id in sorted(ids)])


def _others(asked: Asked) -> Filter:
    if asked.grant.unrestricted and administers(asked.grant):
        return NOTHING
    return Not(_own(asked))


RULES = (
    Rule(
        "subscription-owners",
        "a subscription of somebody else's",
        frozenset({"Subscription"}),
        gives=_own,
        withholds=_others,
    ),
)
