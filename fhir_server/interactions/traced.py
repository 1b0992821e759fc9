"""An exchange with its trace: the answer leaves only when the AuditEvent that names who asked is durable.

https://hl7.org/fhir/R4/security.html#audit, https://hl7.org/fhir/R4/auditevent.html
"""

from __future__ import annotations

from fhir_server.access.audit import event
from fhir_server.access.grant import OPEN
from fhir_server.access.repository import Repository
from fhir_server.fhir.json import serialize
from fhir_server.fhir.outcome import FhirError
from fhir_server.interactions.exchange import Context, Request, Response
from fhir_server.interactions.routes import ROUTES, dispatch, shape_of


async def traced(request: Request, context: Context) -> Response:
    """As `dispatch`, leaving a trace whenever the caller's grant is traced, refusals included."""
    if not context.repository.traces.kept:
        return await dispatch(request, context)
    try:
        response = await dispatch(request, context)
    except FhirError as error:
        await _leave(request, context, error.status)
        raise
    await _leave(request, context, response.status)
    return response


async def _leave(request: Request, context: Context, status: int) -> None:
    asker = context.repository
    type = request.path[0] if request.path and request.path[0][:1].isupper() else None
    tree = event(asker.grant, asker.traces, _interaction(request), type, status, context.base)
    server = Repository(asker.store, OPEN, asker.registry, context.base)
    put = await server.put("AuditEvent", server.new_id(), tree, serialize(tree), None, "POST")
    await server.transact([put])


def _interaction(request: Request) -> str:
    """The code of http://hl7.org/fhir/restful-interaction, or the operation's own name."""
    last = request.path[-1] if request.path else ""
    if last.startswith("$"):
        return last
    method = "GET" if request.method == "HEAD" else request.method
    route = ROUTES.get((method, shape_of(request.path)))
    return route.codes[0] if route and route.codes else "operation"
