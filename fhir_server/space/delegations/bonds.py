"""By what somebody acts for somebody else: the kinds of delegation, and what holds of each. One table.

Domain file §2.2 (the national product's kinds and bounds); Code civil, art. 371-1 and 372 (father and mother have
parental authority, together), 388 and 414 (until eighteen), 373-2-1 and 378 (a judge takes it away, nobody else).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fhir_server.fhir.nos import CAREGIVER, GUARDIAN
from fhir_server.space.acting import cares, represents
from fhir_server.space.delegations.refusals import Code

#: As the Consent's category has it.
Kind = Literal["caregiving", "representation"]
#: As the national product has it.
Named = Literal["CAREGIVING", "LEGAL_REPRESENTATION"]
#: Who lets somebody act, and ends it: the patient themself, who represents them, who acts, the operator.
Side = Literal["holder", "representative", "delegate", "administrator"]


@dataclass(frozen=True, slots=True)
class Bond:
    """A row of the table.

    Attributes:
        kind, named: what it is called.
        role: of the RelatedPerson by which it is exercised: code of `ROLE_CLASS`, in French, and in HL7's English.
        label: of the Consent, in French.
        acts: whether a RelatedPerson acts by it.
        of_age: whether it is of people of age; otherwise of minors, until they are.
        wrong_age: the refusal of the others.
        most: how many may act so for one person, and the refusal of one more.
        most_of_one: for how many one person may act so, and the refusal of one more; None for any number.
        invites: who asks somebody to act so.
        ends: who ends it once it is in force.
        reasoned: whether the operator says why.
    """

    kind: Kind
    named: Named
    role: tuple[str, str, str]
    label: str
    acts: Callable[[Mapping[str, Any]], bool]
    of_age: bool
    wrong_age: Code
    most: tuple[int, Code]
    most_of_one: tuple[int, Code] | None
    invites: Side
    ends: frozenset[Side]
    reasoned: bool = False

    def count(self, related: Sequence[Mapping[str, Any]]) -> int:
        """How many of some RelatedPersons act by it."""
        return sum(map(self.acts, related))


BONDS: Mapping[Kind, Bond] = {
    row.kind: row
    for row in (
        Bond(
            "caregiving",
            "CAREGIVING",
            (CAREGIVER, "Aidant", "caregiver"),
            "Aidant",
            cares,
            of_age=True,
            wrong_age="NOT_OF_AGE",
            most=(3, "CAREGIVERS_LIMIT_REACHED"),
            most_of_one=(5, "CARED_FOR_LIMIT_REACHED"),
            invites="holder",
            ends=frozenset({"holder", "delegate", "administrator"}),
        ),
        Bond(
            "representation",
            "LEGAL_REPRESENTATION",
            (GUARDIAN, "Représentant légal", "guardian"),
            "Représentant légal",
            represents,
            of_age=False,
            wrong_age="NOT_A_MINOR",
            most=(2, "REPRESENTATIVES_LIMIT_REACHED"),
            # Of as many children as they have.
            most_of_one=None,
            invites="representative",
            ends=frozenset({"delegate", "administrator"}),
            reasoned=True,
        ),
    )
}
#: As the national product names it → the row.
NAMED: Mapping[str, Bond] = {row.named: row for row in BONDS.values()}
