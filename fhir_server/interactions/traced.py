"""An exchange with its trace: the answer leaves only when the AuditEvent that names who asked is durable.

https://hl7.org/fhir/R4/security.html#audit, https://hl7.org/fhir/R4/auditevent.html. A write of one resource and its
trace are one commit: neither is there without the other.
"""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.access.audit import Traces, event
from fhir_server.access.grant import OPEN
from fhir_server.access.repository import Repository
from fhir_server.fhir.json import serialize
from fhir_server.fhir.outcome import FhirError, InsufficientStorage, Unavailable
from fhir_server.interactions.exchange import Context, Request, Response
from fhir_server.interactions.routes import ROUTES, dispatch, shape_of
from fhir_server.store.protocol import Put


async def traced(request: Request, context: Context) -> Response:
    """As `dispatch`, leaving a trace whenever the caller's grant is traced, refusals included."""
    traces = context.repository.traces
    if not traces.kept:
        return await dispatch(request, context)
    if _writes_one(request):
        traces.witness = _Witness(request, context)
    try:
        response = await dispatch(request, context)
    except FhirError as error:
        await _leave(request, context, error.status)
        raise
    if not traces.told:
        await _leave(request, context, response.status)
    return response


def _writes_one(request: Request) -> bool:
    """Whether it can only be a create, update or patch: a Bundle makes many writes, and operations what they like."""
    path = request.path
    return request.method in ("POST", "PUT", "PATCH") and bool(path) and path[-1][:1] not in ("_", "$")


class _Witness:
    """Makes the trace of a write that is about to be made, for the same commit."""

    __slots__ = ("_context", "_request")

    def __init__(self, request: Request, context: Context) -> None:
        self._request = request
        self._context = context

    async def __call__(self, writes: Sequence[Put]) -> Put:
        touched = self._context.repository.traces.with_writes(writes)
        return await _trace(self._request, self._context, touched, 200)


async def _leave(request: Request, context: Context, status: int) -> None:
    put = await _trace(request, context, context.repository.traces, status)
    try:
        await Repository(context.repository.store, OPEN, context.repository.registry, context.base).transact([put])
    except InsufficientStorage:
        if request.method not in ("GET", "HEAD") and request.path[-1:] != ("_search",):
            raise
        # Nothing was to be stored but that somebody looked: to show it untraced is what no setting allows.
        raise Unavailable(
            "The disk of the store is full: this access cannot be traced, and shows nothing.",
            headers={"Retry-After": "60"},
        ) from None


async def _trace(request: Request, context: Context, touched: Traces, status: int) -> Put:
    asker = context.repository
    type = request.path[0] if request.path and request.path[0][:1].isupper() else None
    tree = event(asker.grant, touched, _interaction(request), type, status, context.base)
    server = Repository(asker.store, OPEN, asker.registry, context.base)
    return await server.put("AuditEvent", server.new_id(), tree, serialize(tree), None, "POST")


def _interaction(request: Request) -> str:
    """The code of http://hl7.org/fhir/restful-interaction, or the operation's own name."""
    last = request.path[-1] if request.path else ""
    if last.startswith("$"):
        return last
    method = "GET" if request.method == "HEAD" else request.method
    route = ROUTES.get((method, shape_of(request.path)))
    return route.codes[0] if route and route.codes else "operation"
