"""Whether two records may be made one: what stands against it, in one table, each row with its reason.

A merge is refused rather than settled by guessing where the two say what cannot both be so: somebody who objected to
one record is asked which holds, and two people who act for each other are two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fhir_server.access.repository import Repository
from fhir_server.access.trees import tree_of
from fhir_server.fhir.outcome import Issue
from fhir_server.smart.people.matching import normalized
from fhir_server.space.accounts.moving import Found
from fhir_server.space.accounts.states import State
from fhir_server.space.delegations import people
from fhir_server.space.delegations.bonds import BONDS
from fhir_server.space.delegations.delegation import delegation_id
from fhir_server.space.identities.identity import in_force
from fhir_server.space.national_identity import ins_of
from fhir_server.store.filters import Not, Refers, Token, both

_USED: frozenset[State | None] = frozenset({"open", "activated"})
#: States of the record that ends → those of the one that goes on with which it may be merged.
MAY: Mapping[State, frozenset[State | None]] = {
    "informed": _USED | {"informed"},
    "open": _USED,
    "activated": _USED,
    "opposed": frozenset({"opposed"}),
}


@dataclass(frozen=True, slots=True)
class Pair:
    """Two records as they are stored.

    Attributes:
        source: whose record ends; target: whose goes on.
        acting: whether one acts, or was invited to act, for the other.
    """

    source: Found
    target: Found
    acting: bool


def _same(pair: Pair) -> bool:
    return pair.source.patient.id == pair.target.patient.id


def _states(pair: Pair) -> bool:
    state = pair.source.state
    return state is None or pair.target.state not in MAY.get(state, frozenset())


def _two_people(pair: Pair) -> bool:
    """Two INS in force of one kind and another trait: homonyms have two, and a mistaken one is corrected before."""
    one, other = in_force(pair.source.tree), in_force(pair.target.tree)
    if one is None or other is None or one["system"] != other["system"] or one["value"] == other["value"]:
        return False
    return bool(differing(pair.source.tree, pair.target.tree))


#: Why a merge is refused: whether it is, of two records; the code of it; words.
AGAINST: tuple[tuple[Callable[[Pair], bool], str, str], ...] = (
    (_same, "merge-same", "A record is not merged with itself."),
    (lambda pair: pair.acting, "merge-acting", "One acts for the other, or was asked to: these are two people."),
    (_states, "merge-state", ""),
    (_two_people, "merge-people", "Each has an INS of its own, and their traits differ: these are two people."),
)


def against(pair: Pair) -> Issue | None:
    """What stands against a merge first; None where nothing does."""
    for holds, key, words in AGAINST:
        if holds(pair):
            said = words or (
                f"A record that is {pair.source.state or 'unknown'} is not merged into one that is"
                f" {pair.target.state or 'unknown'}: what holds is settled first ($space-move, $unmerge)."
            )
            return Issue("error", "business-rule", said, None, key=key)
    return None


async def acting(own: Repository, source: str, target: str) -> bool:
    """Whether one of two patients (ids) acts for the other, or was asked to."""
    pairs = ((source, target), (target, source))
    ids = [delegation_id(*pair, kind) for pair in pairs for kind in BONDS]
    for id in ids:
        if tree_of(await own.current("Consent", id)).get("status") in ("proposed", "active"):
            return True
    trees = {one: tree_of(await own.current("Patient", one)) for one in (source, target)}
    for one, other in pairs:
        if ins_of(trees[other]):
            theirs = both(people.same_person(trees[other]), Refers("patient", f"Patient/{one}"))
            page = await own.find({"RelatedPerson": both(theirs, Not(Token("active", "false")))}, count=1, want="head")
            if page.versions:
                return True
    return False


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The traits that both say and that are not the same: names of elements."""
    found = [
        name for name in ("gender", "birthDate") if {name} <= one.keys() & other.keys() and one[name] != other[name]
    ]
    families = [
        {normalized(str(name.get("family", ""))) for name in tree.get("name", ())} - {""} for tree in (one, other)
    ]
    return [*found, *(["name"] if all(families) and not families[0] & families[1] else [])]
