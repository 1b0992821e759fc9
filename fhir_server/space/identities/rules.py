"""What is kept of identities: steps and merges change by the operations; professionals and caregivers see none of them.

RGPD art. 15 and 16: the person reads what was done to their own, and who represents a minor. What a merge moved names
also what they do not see, and is the operator's alone to read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhir_server.access.rules import Asked, Rule
from fhir_server.access.write_rules import administers
from fhir_server.search.parameters.codes import spelling
from fhir_server.space.accounts.life import CODES
from fhir_server.space.delegations.rules import CARED_FOR, cared_for
from fhir_server.store.filters import NOTHING, Filter, Token, both, either

#: Codes of the Basics that are the history of a record, with the space's own life. What somebody asks to be put right
#: is theirs: it is answered to them, in the record that goes on.
_CODES = frozenset({"identity-step", "merge", "space"})
_MERGE = Token("code", spelling("merge", CODES), CODES)
#: The Basics of this service.
KEPT = either([Token("code", spelling(one, CODES), CODES) for one in ("identity-step", "merge", "rectification")])


def is_kept(tree: Mapping[str, Any]) -> bool:
    """Whether a Basic is the history of a record, and stays with it when it is merged."""
    codings = tree.get("code", {}).get("coding", ())
    return any(one.get("system") == CODES and one.get("code") in _CODES for one in codings)


def _of_the_person(asked: Asked) -> Filter:
    if asked.grant.own or administers(asked.grant):
        return NOTHING
    is_side = (asked.grant.subject or "").startswith(("Patient/", "RelatedPerson/"))
    return _MERGE if is_side else KEPT


def _of_cared_for(asked: Asked) -> Filter:
    """What somebody asks to be put right may be what they keep from their caregiver."""
    return both(KEPT, cared_for(asked))


RULES = (
    Rule(
        "identity-kept",
        "kept by the space: it changes by the operations on identities",
        frozenset({"Basic"}),
        withholds=_of_the_person,
        kept={"Basic": KEPT},
    ),
    Rule(
        "identity-of-cared-for",
        "of the identity of somebody whom the caller cares for",
        frozenset({"Basic"}),
        withholds=_of_cared_for,
        facts=CARED_FOR,
    ),
)
