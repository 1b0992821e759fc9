"""Why a delegation cannot be, by the codes that the national product publishes: a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from fhir_server.fhir.outcome import Invalid, Issue
from fhir_server.operations.invocation import element

Code = Literal[
    "PROFILE_NOT_FOUND",
    "SAME_INVITATION_ALREADY_EXISTS",
    "SAME_DELEGATION_ALREADY_EXISTS",
    "ANOTHER_DELEGATION_ALREADY_EXISTS",
    "CAREGIVERS_LIMIT_REACHED",
    "CARED_FOR_LIMIT_REACHED",
    "INVITATION_NOT_PENDING",
    "DELEGATION_ENDED",
    "END_NOT_AHEAD",
    "NOT_OF_AGE",
]

#: Code → in words, and the parameter that it is about.
REFUSALS: Mapping[Code, tuple[str, str]] = {
    # One answer for nobody, for somebody whose space is not in use, and for who is not of age: who asks knows no more.
    "PROFILE_NOT_FOUND": ("There is nobody of that identity who can be invited.", "transaction"),
    "SAME_INVITATION_ALREADY_EXISTS": ("This person was invited already, and has not answered.", "transaction"),
    "SAME_DELEGATION_ALREADY_EXISTS": ("This person is a caregiver already.", "transaction"),
    "ANOTHER_DELEGATION_ALREADY_EXISTS": ("This person acts for the patient already, otherwise.", "transaction"),
    "CAREGIVERS_LIMIT_REACHED": ("Somebody has three caregivers at most, invitations included.", "transaction"),
    "CARED_FOR_LIMIT_REACHED": ("Somebody cares for five people at most.", "delegation"),
    "INVITATION_NOT_PENDING": ("This invitation was answered, withdrawn, or can be answered no more.", "delegation"),
    "DELEGATION_ENDED": ("This has ended already.", "delegation"),
    "END_NOT_AHEAD": ("An end lies ahead.", "end"),
    "NOT_OF_AGE": ("A minor has representatives, and no caregivers.", "transaction"),
}


def refused(code: Code) -> Invalid:
    """The refusal (422): its code stands in `issue.details`."""
    words, part = REFUSALS[code]
    return Invalid(issues=[Issue("error", "business-rule", words, element(part), key=code)])
