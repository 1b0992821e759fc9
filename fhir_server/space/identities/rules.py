"""What is kept of identities: steps and merges change by the operations alone, and professionals see none of them.

RGPD art. 15 and 16: the person reads what was done to their own. Whose record two were is nothing that care needs.
"""

from __future__ import annotations

from fhir_server.access.rules import Asked, Rule
from fhir_server.search.parameters.codes import spelling
from fhir_server.space.accounts.life import CODES
from fhir_server.store.filters import NOTHING, Filter, Token, either

#: The Basics of this service.
KEPT = either([Token("code", spelling(one, CODES), CODES) for one in ("identity-step", "merge", "rectification")])


def _of_the_person(asked: Asked) -> Filter:
    is_side = (asked.grant.subject or "").startswith(("Patient/", "RelatedPerson/"))
    return NOTHING if asked.level == "system" or is_side else KEPT


RULES = (
    Rule(
        "identity-kept",
        "kept by the space: it changes by the operations on identities",
        frozenset({"Basic"}),
        withholds=_of_the_person,
        kept={"Basic": KEPT},
    ),
)
