"""Rules of R4 that its text states and no invariant does, written as invariants so that they are judged as those are.

https://hl7.org/fhir/R4/references.html#Reference, https://hl7.org/fhir/R4/questionnaire.html
"""

from __future__ import annotations

from fhir_server.fhir.definitions import Constraint

_RESTFUL = r"^(.*/)?[A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64}(/_history/[A-Za-z0-9.-]{1,64})?$"

#: Path → what the text says of the element there.
STATED: dict[str, tuple[Constraint, ...]] = {
    "Questionnaire.item": (
        Constraint(
            "enable-when-inner",
            "error",
            # What is not enabled has no answers, nor has anything in it: it would never be.
            "Whether an item is enabled does not depend on its own answer, or on one inside it",
            "enableWhen.empty() or enableWhen.question.intersect(linkId | repeat(item).linkId).empty()",
        ),
    ),
    "Reference": (
        Constraint(
            "reference-type",
            "error",
            "The type of a reference is that of its target's URL",
            f"type.empty() or reference.empty() or reference.matches('{_RESTFUL}').not()"
            " or reference.matches('(^|/)' + type.replaceMatches('^.*/', '') + '/[^/]+(/_history/[^/]+)?$')",
        ),
    ),
}
