"""How far the search parameters added at run time are indexed.

https://hl7.org/fhir/R4/searchparameter.html
"""

from __future__ import annotations

from typing import Any

from fhir_server.access.challenge import insufficient
from fhir_server.fhir.outcome import Forbidden
from fhir_server.interactions.exchange import Context, Response
from fhir_server.operations.invocation import Invocation, answered


async def reindex(call: Invocation, context: Context) -> Response:
    """200 with Parameters: a part for each added search parameter, with its `state` (pending or complete).

    Raises:
        Forbidden: the caller may not change SearchParameters (403).
    """
    if not context.repository.allows("SearchParameter", "u"):
        told = insufficient(context.repository.grant, "SearchParameter", "u")
        raise Forbidden("Only who may update SearchParameters follows their indexing.", headers=told)
    if context.watch is not None:
        await context.watch.refresh()
    added = context.repository.registry.added()
    rows = [_row(url, parameter.code, state) for url, (parameter, state) in sorted(added.items())]
    waiting = sum(state == "pending" for _, state in added.values())
    rows.append({"name": "pending", "valueInteger": waiting})
    return answered(rows)


def _row(url: str, code: str, state: str) -> dict[str, Any]:
    parts = [
        {"name": "url", "valueUri": url},
        {"name": "code", "valueCode": code},
        {"name": "state", "valueCode": state},
    ]
    return {"name": "searchParameter", "part": parts}
