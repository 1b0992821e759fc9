"""Why a delegation cannot be, by the codes that the national product publishes: a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from fhir_server.fhir.outcome import Invalid, Issue
from fhir_server.operations.invocation import element

Code = Literal[
    "PROFILE_NOT_FOUND",
    "PROFILE_NOT_IN_USE",
    "SAME_INVITATION_ALREADY_EXISTS",
    "SAME_DELEGATION_ALREADY_EXISTS",
    "ANOTHER_DELEGATION_ALREADY_EXISTS",
    "CAREGIVERS_LIMIT_REACHED",
    "CARED_FOR_LIMIT_REACHED",
    "REPRESENTATIVES_LIMIT_REACHED",
    "INVITATION_NOT_PENDING",
    "DELEGATION_ENDED",
    "END_NOT_AHEAD",
    "END_NOT_CHOSEN",
    "NOT_OF_AGE",
    "NOT_A_MINOR",
    "NOT_A_REPRESENTATIVE",
    "DECLARATION_NEEDED",
    "REASON_NEEDED",
    "REPRESENTATION_WITHDRAWN",
    "REPRESENTATION_ENDED_BY_JUDGMENT",
    "LAST_REPRESENTATIVE",
]

#: Code → in words, and the parameter that it is about.
REFUSALS: Mapping[Code, tuple[str, str]] = {
    # One answer for nobody, for somebody whose space is not in use, and for who is not of age: who asks knows no more.
    "PROFILE_NOT_FOUND": ("There is nobody of that identity who can be invited.", "transaction"),
    "PROFILE_NOT_IN_USE": ("Nobody is invited into a space that is not in use.", "delegation"),
    "SAME_INVITATION_ALREADY_EXISTS": ("This person was invited already, and has not answered.", "transaction"),
    "SAME_DELEGATION_ALREADY_EXISTS": ("This person acts for the patient so already.", "transaction"),
    "ANOTHER_DELEGATION_ALREADY_EXISTS": ("This person acts for the patient already, otherwise.", "transaction"),
    "CAREGIVERS_LIMIT_REACHED": ("Somebody has three caregivers at most, invitations included.", "transaction"),
    "CARED_FOR_LIMIT_REACHED": ("Somebody cares for five people at most.", "delegation"),
    "REPRESENTATIVES_LIMIT_REACHED": (
        "A minor has two legal representatives at most, invitations included.",
        "transaction",
    ),
    "INVITATION_NOT_PENDING": ("This invitation was answered, withdrawn, or can be answered no more.", "delegation"),
    "DELEGATION_ENDED": ("This has ended already.", "delegation"),
    "END_NOT_AHEAD": ("An end lies ahead.", "end"),
    "END_NOT_CHOSEN": ("A representation ends when the minor comes of age.", "end"),
    "NOT_OF_AGE": ("A minor has representatives, and no caregivers.", "transaction"),
    "NOT_A_MINOR": ("Who is of age has no legal representative.", "transaction"),
    "NOT_A_REPRESENTATIVE": ("A legal representative of the minor invites the second.", "transaction"),
    "DECLARATION_NEEDED": ("That the person has parental authority is declared on one's honour.", "declaration"),
    "REASON_NEEDED": ("A legal representative is withdrawn for a reason, such as a judgment.", "reason"),
    "REPRESENTATION_WITHDRAWN": ("This person was withdrawn: the operator alone attaches them again.", "transaction"),
    "REPRESENTATION_ENDED_BY_JUDGMENT": ("One representative does not end the other's: a judge does.", "delegation"),
    "LAST_REPRESENTATIVE": ("A minor's only legal representative does not leave them.", "delegation"),
}


def refused(code: Code) -> Invalid:
    """The refusal (422): its code stands in `issue.details`."""
    words, part = REFUSALS[code]
    return Invalid(issues=[Issue("error", "business-rule", words, element(part), key=code)])
