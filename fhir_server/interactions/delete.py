"""The end of a resource: a last version that says it is deleted. Its history stays.

https://hl7.org/fhir/R4/http.html#delete, https://hl7.org/fhir/R4/http.html#cdelete
"""

from __future__ import annotations

import msgspec

from fhir_server.fhir.outcome import Issue, NotFound, outcome
from fhir_server.interactions import conditional, statement
from fhir_server.interactions.exchange import Context, Request, Response
from fhir_server.interactions.preconditions import require_match
from fhir_server.interactions.writing import retried
from fhir_server.store.protocol import Guard, Version


async def delete(request: Request, context: Context) -> Response:
    """204 (200 with an outcome where preferred, or where a guide says so), also when there was nothing to delete.

    Raises:
        PreconditionFailed: `If-Match` names another version (412).
        Conflict: other resources refer to it, and referential integrity is on (409).
        NotFound: nothing there that the caller, whose rule is not everything, may delete (404).
    """
    type, id = request.path

    async def attempt() -> Response:
        before = await doomed(request, context, type, id)
        if before is None or before.deleted:
            return answered(before, context)
        made = await context.pipeline.ending(context, [before])
        [version] = await context.pipeline.commit(context, made)
        return answered(version, context, tells=_tells(before, context))

    return await retried(context, attempt)


async def conditional_delete(request: Request, context: Context) -> Response:
    """204 when the one match, or every match where the statement says "multiple", is deleted, or nothing matches.

    Raises:
        MultipleMatches: several match where the statement says "single" (412).
    """
    [type] = request.path
    context.repository.require(type, "d")

    async def attempt() -> Response:
        versions, guards = await matches(request, context, type)
        for version in versions:
            require_match(request, version)
        if not versions:
            require_match(request, None)
            return answered(None, context)
        made = await context.pipeline.ending(context, versions)
        done = await context.pipeline.commit(context, made, guards)
        return answered(done[0] if len(done) == 1 else None, context, any(_tells(one, context) for one in versions))

    return await retried(context, attempt)


async def doomed(request: Request, context: Context, type: str, id: str) -> Version | None:
    """The version a deletion would follow, `If-Match` held; None when there is none.

    Raises:
        NotFound: the caller sees only part of the type, and nothing there: absent and hidden are answered alike.
    """
    before = await context.repository.current(type, id, "d", want="bare")
    require_match(request, before)
    if before is None and not context.repository.grant.unrestricted:
        raise NotFound(f"There is no such {type}.")
    return before


async def matches(request: Request, context: Context, type: str) -> tuple[list[Version], list[Guard]]:
    """The versions a conditional delete ends, and the guard that these are all."""
    if statement.conditional_delete(type) == "multiple":
        many = await conditional.all_matching(context, type, request.query)
        return list(many.versions), [many.guard]
    found = await conditional.matching(context, type, request.query)
    return [found.version] if found.version else [], [found.guard]


def answered(version: Version | None, context: Context, tells: bool = False) -> Response:
    """The answer to a deletion: no body but where an OperationOutcome is preferred, or it `tells` what was done."""
    number, at = (version.version, version.at) if version else (None, None)
    if context.prefer != "OperationOutcome" and not (tells and context.prefer != "minimal"):
        return Response(204, version=number, at=at)
    said = Issue("information", "informational", "Deleted." if version else "There was nothing to delete.")
    return Response(200, msgspec.json.encode(outcome([said])), version=number, at=at)


def _tells(version: Version, context: Context) -> bool:
    """Whether the end of a version is answered with words though nobody asked for them: as a guide says."""
    steps = (one for one in context.pipeline.steps if one.tells is not None and one.speaks_of(version.type))
    return any(one.tells(version) for one in steps if one.tells is not None)
