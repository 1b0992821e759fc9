"""What every write shares: reading the resource sent, trying again when overtaken, the answer preferred.

https://hl7.org/fhir/R4/http.html#ops, https://hl7.org/fhir/R4/http.html#transactions
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import msgspec

from fhir_server.fhir.json import parse, serialize
from fhir_server.fhir.outcome import Conflict, Issue, Malformed, outcome
from fhir_server.interactions import binary
from fhir_server.interactions.exchange import Context, Request, Response, Stream
from fhir_server.store.protocol import Stale, Version

T = TypeVar("T")

#: How often a write that others overtook is judged again. 200 writers of one resource at once all get through.
ATTEMPTS = 400

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)


def incoming(request: Request, context: Context, type: str, id: str | None = None) -> tuple[dict[str, Any], bytes]:
    """The resource sent, parsed, and the JSON bytes it came in.

    Args:
        request: its body, or a Bundle entry's parsed resource.
        context: for the limits in the settings.
        type: what the URL says the resource is.
        id: what the URL says the id is, for the content of a Binary.

    Raises:
        Malformed: no body, not JSON, or of another type than the URL's (400).
    """
    if request.content is not None or (type == "Binary" and binary.is_content(request)):
        tree = binary.wrapped(request, id)
        return tree, serialize(tree)
    if request.resource is not None:
        tree, body = request.resource, request.body or serialize(request.resource)
    elif request.body:
        tree, body = parse(request.body, context.settings.max_depth), request.body
    else:
        raise Malformed(f"A {type} was expected, and there is no body.", code="required")
    require_type(tree, type)
    return tree, body


def require_type(tree: dict[str, Any], type: str) -> None:
    """Refuse a resource that is not of the type the URL names (400)."""
    said = tree.get("resourceType")
    if not isinstance(said, str):
        raise Malformed("The resource does not say its resourceType.", "resourceType", code="required")
    if said != type:
        raise Malformed(f"The resource is not a {type}, which the URL says it is.", "resourceType", code="invalid")


def require_id(id: str) -> None:
    """Refuse an id a resource cannot have (400). https://hl7.org/fhir/R4/datatypes.html#id"""
    if not _ID.fullmatch(id):
        raise Malformed("An id is 1 to 64 letters, digits, '-' and '.'.", "Resource.id", code="value")


async def retried(context: Context, attempt: Callable[[], Awaitable[T]]) -> T:
    """What `attempt` gives, judged again each time another write overtook it; what it reads twice is asked once.

    Raises:
        Conflict: overtaken too often, or what it is to be called is what another is called (409).
    """
    taken: str | None = None
    for times in range(ATTEMPTS):
        try:
            with context.repository.together():
                return await attempt()
        except Stale as stale:
            if stale.claim is not None and stale.claim == taken:
                # Whoever held it did not just go, or come: judged again, it is held still.
                raise Conflict("Another resource has the identifier that this one must have alone.") from None
            taken = stale.claim
            if stale.guard is not None:
                context.repository.failed |= {stale.guard}
            await asyncio.sleep(random.random() * 0.001 * min(times, 20))  # noqa: S311 - spreads contenders, no secret
    raise Conflict("Others keep writing the same resource; try again.", headers={"Retry-After": "1"})


def written(version: Version, status: int, context: Context, issues: Sequence[Issue] = ()) -> Response:
    """The answer to a write, with the body `Prefer: return` asks for."""
    body, content = preferred(version, context, issues), version.content
    return Response(
        status,
        body,
        version=version.version,
        at=version.at,
        location=f"{version.type}/{version.id}/_history/{version.version}",
        stream=None
        if content is None or body is not version.body
        else Stream(content, 0, content.size, version.at_data),
    )


async def as_readable(version: Version, context: Context, before: Version | None = None) -> Context:
    """`context`, without a body preferred where the caller may write that version and not read it.

    For writes whose answer tells what was there before: the letter `u` of a SMART scope does not give to read.

    Args:
        version: what is answered.
        context: of the call.
        before: the version that it follows: who could read that is shown what they made of it, though it is hidden from
            then on (a document deleted by its status: PDSm answers with the resource).
    """
    if context.prefer != "representation" or await context.repository.shows(version):
        return context
    if before is not None and await context.repository.shows(before):
        return context
    return replace(context, prefer="minimal")


def preferred(version: Version, context: Context, issues: Sequence[Issue] = ()) -> bytes:
    """The resource, nothing, or an OperationOutcome: https://hl7.org/fhir/R4/http.html#return."""
    if context.prefer == "minimal":
        return b""
    if context.prefer == "OperationOutcome":
        return msgspec.json.encode(outcome(issues))
    return version.body
