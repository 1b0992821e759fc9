"""What a write changes in the server itself: a SearchParameter adds to what can be searched, or takes it away.

https://hl7.org/fhir/R4/searchparameter.html
"""

from __future__ import annotations

from typing import Any

from fhir_server.interactions.exchange import Context
from fhir_server.search.declared import check
from fhir_server.store.protocol import Version


def judge(context: Context, tree: dict[str, Any]) -> None:
    """Refuse, before it is written, what the server itself could not follow.

    Raises:
        Invalid: a SearchParameter that could not be indexed, with every reason.
    """
    if tree["resourceType"] == "SearchParameter":
        check(tree, context.repository.registry)


async def written(context: Context, *versions: Version) -> None:
    """Versions were made, deletions among them."""
    if context.watch is not None and any(version.type == "SearchParameter" for version in versions):
        await context.watch.announce()
