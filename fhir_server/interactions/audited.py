"""An exchange with its AuditEvents: the answer leaves only when those that name who asked are durable.

https://hl7.org/fhir/R4/security.html#audit, https://hl7.org/fhir/R4/auditevent.html. What is written in one commit is
audited in it: neither is there without the other. The entries of a batch are audited together, after them.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

from fhir_server.access.grant import Grant
from fhir_server.access.touched import Touched
from fhir_server.audit.filled_events import exchange_puts
from fhir_server.fhir.outcome import FhirError, InsufficientStorage, TooCostly, Unavailable
from fhir_server.interactions.exchange import Context, Request, Response
from fhir_server.interactions.routes import ROUTES, dispatch, shape_of
from fhir_server.store.protocol import Put
from fhir_server.work.budget import Exhausted, settle

#: Events made before others get their turn on the event loop: a page of a search may be about as many patients.
TURN = 16
_WRITING = frozenset({"POST", "PUT", "PATCH", "DELETE"})


async def audited(request: Request, context: Context) -> Response:
    """As `dispatch`, leaving AuditEvents whenever the grant asks for them, refusals included: one a patient."""
    touched = context.repository.touched
    if not touched.noting:
        return await dispatch(request, context)
    if request.method in _WRITING:
        touched.auditing = _Auditing(request, context)
    try:
        response = await dispatch(request, context)
    except FhirError as error:
        await _leave(request, context, error.status)
        raise
    except Exhausted:
        if context.apart is None:
            # Nobody does it elsewhere: this is the refusal. What is left to do is no work of the caller's.
            settle()
            await _leave(request, context, TooCostly.status)
        raise
    if not touched.audited or touched.objects:
        await _leave(request, context, response.status)
    return response


async def left_behind(request: Request, context: Context, status: int) -> None:
    """Leave the AuditEvents of a request that was answered with `status` because what was to answer it is no more."""
    if context.repository.touched.noting:
        await _leave(request, context, status)


class _Auditing:
    """Makes the AuditEvents of writes that are about to be made, for the same commit."""

    __slots__ = ("_context", "_request")

    def __init__(self, request: Request, context: Context) -> None:
        self._request = request
        self._context = context

    async def __call__(self, touched: Touched) -> Sequence[Put]:
        return await _made(self._request, self._context, touched, 200)


async def _leave(request: Request, context: Context, status: int) -> None:
    """All the AuditEvents of one answer are durable before it is given."""
    made = await _made(request, context, context.repository.touched, status)
    try:
        await context.repository.append(made)
    except InsufficientStorage:
        if request.method not in ("GET", "HEAD") and request.path[-1:] != ("_search",):
            raise
        # Nothing was to be stored but that somebody looked: to show it untraced is what no setting allows.
        raise Unavailable(
            "The disk of the store is full: this access cannot be traced, and shows nothing.",
            headers={"Retry-After": "60"},
        ) from None


async def _made(request: Request, context: Context, touched: Touched, status: int) -> list[Put]:
    type = request.path[0] if request.path and request.path[0][:1].isupper() else None
    caller = context.repository
    if not touched.objects and (whose := _asked_about(request, caller.grant)):
        touched = Touched(noting=True)
        touched.patients = {f"Patient/{whose}": None}
    made: list[Put] = []
    for put in exchange_puts(caller, touched, _interaction(request), type, status, context.base):
        made.append(put)
        if len(made) % TURN == 0:
            await asyncio.sleep(0)
    return made


def _asked_about(request: Request, grant: Grant) -> str:
    """Id of the patient whose record was asked for where nothing of it was given: they are told of that too."""
    named = [request.path[1]] if request.path[:1] == ("Patient",) and len(request.path) > 1 else []
    for name, value in request.query:
        if name in _WHOSE and (name != "subject" or value.startswith("Patient/")):
            named.append(value.removeprefix("Patient/"))
    found = {one for one in named or [grant.patient or ""] if _ID.fullmatch(one)}
    return found.pop() if len(found) == 1 else ""


#: Search parameters that say whose record is searched.
_WHOSE = frozenset({"patient", "patient:Patient", "subject:Patient", "subject"})
#: https://hl7.org/fhir/R4/datatypes.html#id
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


def _interaction(request: Request) -> str:
    """The code of http://hl7.org/fhir/restful-interaction, or the operation's own name."""
    last = request.path[-1] if request.path else ""
    if last.startswith("$"):
        return last
    method = "GET" if request.method == "HEAD" else request.method
    route = ROUTES.get((method, shape_of(request.path)))
    return route.codes[0] if route and route.codes else "operation"
