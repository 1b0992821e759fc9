"""A request begun on the event loop and, when it turns out long, done in the process beside this one.

What is short stays here, where it costs least. Whatever spends more steps than the event loop has for one request is
broken off before it writes anything, and done anew where nobody waits for it; there the request's whole budget counts.
"""

from __future__ import annotations

from dataclasses import replace

from fhir_server.fhir.outcome import TooCostly
from fhir_server.interactions.exchange import Context, Handler, Request, Response
from fhir_server.work.budget import BYTES, Budget, Exhausted, current, within

#: Steps of one request on the event loop: some fifty milliseconds.
INLINE = 10_000
#: A body from this size on, in bytes, is read, judged and indexed apart.
LONG = INLINE * BYTES


async def tried(request: Request, context: Context, handler: Handler) -> Response:
    """What `handler` answers, here when that is short, else from the process beside, where there is one.

    Args:
        request: a call.
        context: whose `apart` does it there; without it, it is done here however long it takes.
        handler: what answers calls.

    Raises:
        TooCostly: it is more work than one request may ask for (400).
    """
    if context.apart is None:
        return await _here(request, context, handler)
    if len(request.body) < LONG:
        with within(Budget(INLINE)):
            try:
                return await handler(request, context)
            except Exhausted:
                pass
    # What is open here cannot be handed on.
    return await context.apart(replace(request, streams=False), context, True)


async def part(request: Request, context: Context, handler: Handler) -> Response:
    """What `handler` answers to an entry of a batch: as `tried`, from the steps that all entries share.

    Raises:
        TooCostly: what the batch may ask for is spent (400).
    """
    whole = current()
    if whole is None:
        return await handler(request, context)
    with within(whole.part()):
        try:
            return await handler(request, context)
        except Exhausted:
            if context.apart is None:
                raise too_costly() from None
    async with whole.turn:
        return await context.apart(request, context, False)


async def _here(request: Request, context: Context, handler: Handler) -> Response:
    try:
        return await handler(request, context)
    except Exhausted:
        raise too_costly() from None


def too_costly() -> TooCostly:
    """What a request is told that asks for more work than one may."""
    return TooCostly("This asks for more work than one request may; ask for less at once.")
