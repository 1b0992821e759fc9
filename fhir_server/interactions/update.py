"""A new version of a resource under the id its URL names, or found by search criteria.

https://hl7.org/fhir/R4/http.html#update, https://hl7.org/fhir/R4/http.html#upsert, https://hl7.org/fhir/R4/http.html#cond-update.
An update that changes nothing still makes a version ("a new current version"), and so does a patch.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Any

from fhir_server.fhir.outcome import Conflict, Malformed, MethodNotAllowed, NotFound
from fhir_server.interactions import conditional, statement
from fhir_server.interactions.exchange import Context, Request, Response
from fhir_server.interactions.pipeline import Change
from fhir_server.interactions.preconditions import require_match
from fhir_server.interactions.writing import incoming, require_id, retried, written
from fhir_server.store.protocol import Guard, Version


async def update(request: Request, context: Context) -> Response:
    """200 with the new version, 201 where the id was free or the resource deleted.

    Raises:
        Malformed: the id in the body is missing or another than the URL's (400).
        PreconditionFailed: `If-Match` names another version (412).
        Invalid: against the rules of its type (422).
        NotFound: the caller may not make new ids, or may not see what is there (404).
    """
    type, id = request.path
    require_id(id)
    context.repository.require(type, "u")
    tree, body = incoming(request, context, type, id)
    require_same_id(tree, id)
    issues = await context.pipeline.judged(context, tree)

    async def attempt() -> Response:
        before = await previous(context, type, id)
        require_match(request, before)
        context.pipeline.receive(tree, before)
        made = await context.pipeline.prepared(context, _change(request, id, tree, before, body))
        [version] = await context.pipeline.commit(context, made)
        return written(version, 201 if before is None or before.deleted else 200, context, issues)

    return await retried(context, attempt)


async def conditional_update(request: Request, context: Context) -> Response:
    """As `update`, of the one resource that the criteria match; 201 for a new one when none does.

    Raises:
        Malformed: no criteria, or the body's id is not that of the match (400).
        Conflict: nothing matches, and the body's id is already another resource's (409).
        MultipleMatches: (412).
    """
    [type] = request.path
    repository = context.repository
    repository.require(type, "u")
    tree, body = incoming(request, context, type)
    issues = await context.pipeline.judged(context, tree)

    async def attempt() -> Response:
        id, before, guard = await target(context, type, tree, request.query)
        require_match(request, before)
        context.pipeline.receive(tree, before)
        made = await context.pipeline.prepared(context, _change(request, id, tree, before, body))
        [version] = await context.pipeline.commit(context, made, [guard])
        return written(version, 201 if before is None or before.deleted else 200, context, issues)

    return await retried(context, attempt)


def _change(request: Request, id: str, tree: dict[str, Any], before: Version | None, body: bytes) -> Change:
    return Change(request.path[0], id, tree, before, "PUT", body, content=request.content)


def require_same_id(tree: dict[str, Any], id: str) -> None:
    """R4 http.html#update: the body's id is there and is the URL's, or 400."""
    if tree.get("id") != id:
        said = "has no id" if "id" not in tree else "has another id than the URL"
        raise Malformed(f"The resource {said}.", f"{tree['resourceType']}.id", code="value")


async def previous(context: Context, type: str, id: str) -> Version | None:
    """The version an update of that id would follow; None where it would make a new resource.

    Raises:
        NotFound: nothing there that the caller may update, and the caller may not choose ids. A caller with any rule on
            the type is answered the same whether the id is free or hidden.
        MethodNotAllowed: the statement says that updates make no new resources of this type.
    """
    repository = context.repository
    before = await repository.current(type, id, "u", want="bare")
    if before is None:
        if not repository.chooses_ids(type):
            raise NotFound(f"There is no such {type}.")
        if not statement.allows(type, "updateCreate"):
            raise MethodNotAllowed(f"A {type} gets its id from the server.", headers={"Allow": "GET, HEAD"})
    return before


async def target(
    context: Context,
    type: str,
    tree: dict[str, Any],
    criteria: conditional.Criteria,
    ended: AbstractSet[str] = frozenset(),
    found: conditional.Match | None = None,
) -> tuple[str, Version | None, Guard]:
    """The id a conditional update writes, what is there, and the guard that keeps the condition true.

    Args:
        context: whose repository is searched.
        type: resource type.
        tree: the resource sent, whose id may be missing.
        criteria: what the URL's query says.
        ended: ids that the same transaction deletes first.
        found: what matches, where that has been asked.
    """
    found = found or await conditional.matching(context, type, criteria, ended)
    said = tree.get("id")
    if found.version is not None:
        if said is not None and said != found.version.id:
            raise Malformed("The resource has another id than the one the criteria match.", f"{type}.id", code="value")
        return found.version.id, await _visible(context, found.version), found.guard
    if said is None:
        return context.repository.new_id(type, tree), None, found.guard
    if not isinstance(said, str):
        raise Malformed("The id is not a string.", f"{type}.id", code="value")
    require_id(said)
    before = await previous(context, type, said)
    if before is not None and not before.deleted and said not in ended:
        raise Conflict("No resource matches the criteria, and the resource's id is already another's.", f"{type}.id")
    return said, before, found.guard


async def _visible(context: Context, version: Version) -> Version:
    before = await context.repository.current(version.type, version.id, "u")
    if before is None:
        raise NotFound(f"There is no such {version.type}.")
    return before
