"""What a write may change in the server itself: searches by SearchParameters, profiles, what codes mean.

https://hl7.org/fhir/R4/searchparameter.html, https://hl7.org/fhir/R4/structuredefinition.html,
https://hl7.org/fhir/R4/terminology-service.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fhir_server.fhir.outcome import Issue
from fhir_server.interactions.exchange import Context
from fhir_server.search.activation.declared import check
from fhir_server.terminology.service import Terminology
from fhir_server.validation.profiles.activation import refuse


def judge(context: Context, tree: dict[str, Any]) -> None:
    """Refuse, before it is written, what the server itself could not follow.

    Raises:
        Invalid: a SearchParameter that could not be indexed, or a profile that nothing could be judged by, with the
            reasons.
    """
    if tree["resourceType"] == "SearchParameter":
        check(tree, context.repository.registry)
    if tree["resourceType"] == "StructureDefinition" and context.following is not None:
        refuse(tree, context.following.profiles)


async def informed(context: Context, judge: Callable[[], list[Issue]]) -> list[Issue]:
    """The issues that `judge` finds, once the terminology knows what it asks, since a judgement itself cannot wait.

    It is judged again where the terminology did not know yet. What another terminology server is asked for and does not
    answer refuses nothing, and is a warning.
    """
    known = context.terminology
    if not isinstance(known, Terminology):
        return judge()
    issues, asked = known.listen(judge)
    for _ in range(_TURNS):
        if not asked:
            break
        await known.learn(asked)
        issues, asked = known.listen(judge)
    return issues + [Issue("warning", "incomplete", _UNTOLD.format(url), key=_KEY) for url in known.untold()]


#: The first turn may make R4's own code systems ready, the second ask another server.
_TURNS = 2
_KEY = "binding-untold"
_UNTOLD = "Whether codes are in {} was not judged: the terminology server that is asked for it does not answer."
