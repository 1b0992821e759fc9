"""A new resource under an id the server gives, unless one like it is there already.

https://hl7.org/fhir/R4/http.html#create, https://hl7.org/fhir/R4/http.html#ccreate
"""

from __future__ import annotations

from fhir_server.interactions import conditional
from fhir_server.interactions.exchange import Context, Request, Response
from fhir_server.interactions.pipeline import Change
from fhir_server.interactions.writing import incoming, retried, written


async def create(request: Request, context: Context) -> Response:
    """201 with the new version; 200 with what was found by `If-None-Exist`, and nothing written.

    Raises:
        Malformed: the body is not a resource of the URL's type (400).
        MultipleMatches: `If-None-Exist` matches several resources (412).
        Invalid: against the rules of its type (422).
    """
    type = request.path[0]
    repository = context.repository
    repository.require(type, "c")
    tree, body = incoming(request, context, type)
    # R4 http.html#create: an id that the client gave is ignored.
    tree.pop("id", None)
    context.pipeline.receive(tree)
    issues = await context.pipeline.judged(context, tree)
    criteria = request.headers.get("if-none-exist")

    async def attempt() -> Response:
        guards = []
        if criteria is not None:
            found = await conditional.matching(context, type, criteria, want="head")
            if found.version is not None:
                return written(await repository.read(type, found.version.id), 200, context, issues)
            guards.append(found.guard)
        change = Change(type, repository.new_id(type, tree), tree, None, "POST", body, content=request.content)
        made = await context.pipeline.prepared(context, change)
        [version] = await context.pipeline.commit(context, made, guards)
        return written(version, 201, context, issues)

    return await retried(context, attempt)
