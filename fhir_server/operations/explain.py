"""How a search was understood, and which indexes answer it: for those who build on this server."""

from __future__ import annotations

from fhir_server.fhir.json import serialize
from fhir_server.interactions.exchange import Context, Response
from fhir_server.operations.invocation import Invocation
from fhir_server.search.answering import explain as words
from fhir_server.search.asking.query import parse


async def explain(call: Invocation, context: Context) -> Response:
    """200 with Parameters: each criterion in words, what was left out, and the engine's plan. Nothing is searched.

    The plan is for callers from whom the search hides nothing.

    Raises:
        InvalidParameter, NotSupported: as the search itself (400).
    """
    assert call.type is not None
    repository = context.repository
    repository.require(call.type, "s")
    query = await parse(
        (call.type,),
        call.inputs.pairs,
        repository.registry,
        strict=context.strict,
        settings=context.settings,
        base=context.base,
        terminology=context.terminology,
        allows=context.repository.searches,
    )
    plan = await repository.explain(query.scope, query.sort)
    return Response(200, serialize(words.explain(query, plan)))
