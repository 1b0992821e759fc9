"""Who reads the traces of a record that was made one with theirs: the person whose both were, and nobody else by that.

CSP R1111-43: each access to a record is told to its holder. A trace is never changed, and goes on naming the record
that was read; once the two are parted again, its traces are its own holder's alone.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from fhir_server.access.grant import Grant
from fhir_server.access.rules import Asked, Facts, Rule
from fhir_server.space.identities.links import merged_into
from fhir_server.store.filters import NOTHING, Filter, Refers, either

if TYPE_CHECKING:
    from fhir_server.access.repository import Repository


def _of(grant: Grant) -> Hashable | None:
    subject = grant.subject or ""
    if grant.own or not subject.startswith(("Patient/", "RelatedPerson/")):
        return None
    own = {subject.removeprefix("Patient/")} if subject.startswith("Patient/") else set()
    return frozenset({grant.patient} if grant.patient else {*grant.wards, *own}) or None


async def _read(own: Repository, key: Hashable) -> Hashable:
    assert isinstance(key, frozenset)
    return frozenset(await merged_into(own, sorted(key)))


def _theirs(asked: Asked) -> Filter:
    if asked.verb not in "rs" or not isinstance(asked.facts, frozenset):
        return NOTHING
    return either([Refers("patient", f"Patient/{one}") for one in sorted(asked.facts)])


TRACES = Rule(
    "traces-of-merged",
    "about a record that was made one with theirs",
    frozenset({"AuditEvent"}),
    gives=_theirs,
    facts=Facts(_of, _read, frozenset()),
)
