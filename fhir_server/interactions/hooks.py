"""What a write changes in the server itself: what can be searched by SearchParameters, and judged by profiles.

https://hl7.org/fhir/R4/searchparameter.html, https://hl7.org/fhir/R4/structuredefinition.html
"""

from __future__ import annotations

from typing import Any

from fhir_server.interactions.exchange import Context
from fhir_server.search.declared import check
from fhir_server.store.protocol import Version
from fhir_server.validation.following import refuse


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


async def written(context: Context, *versions: Version) -> None:
    """Versions were made, deletions among them."""
    if context.watch is not None and any(version.type == "SearchParameter" for version in versions):
        await context.watch.announce()
    if context.following is not None and any(version.type == "StructureDefinition" for version in versions):
        await context.following.announce()
