"""A change to part of a resource: JSON Patch, XML Patch, or FHIRPath Patch in a Parameters resource.

https://hl7.org/fhir/R4/http.html#patch, https://www.rfc-editor.org/rfc/rfc6902, https://hl7.org/fhir/R4/fhirpatch.html
"""

from __future__ import annotations

from typing import Any

from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Gone, Invalid, Issue, Malformed, NotFound, UnsupportedMediaType
from fhir_server.interactions import conditional
from fhir_server.interactions.exchange import FHIR_JSON, FHIR_XML, Context, Request, Response
from fhir_server.interactions.patching import fhirpath_patch, json_patch
from fhir_server.interactions.pipeline import Change as Wanted
from fhir_server.interactions.pipeline import Commit, Patch
from fhir_server.interactions.preconditions import require_match
from fhir_server.interactions.writing import as_readable, retried, written
from fhir_server.store.protocol import Guard, Version

#: What kinds of patch are read: RFC 5789 §2.2 has a refusal say so, and §3.1 an answer to OPTIONS.
_OFFERED = ("application/json-patch+json", "application/xml-patch+xml", "application/fhir+json", "application/fhir+xml")
ACCEPT_PATCH = {"Accept-Patch": ", ".join(_OFFERED)}

_FHIR = frozenset({FHIR_JSON, FHIR_XML, "application/json"})


async def patch(request: Request, context: Context) -> Response:
    """200 with the new version.

    Raises:
        NotFound, Gone: nothing to patch (404, 410).
        UnsupportedMediaType: neither kind of patch (415).
        Malformed: there is no patch, or it is not one (400).
        Invalid: the patch does not apply, or what it makes is not valid (422).
        PreconditionFailed: `If-Match` names another version (412).
    """
    type, id = request.path
    context.repository.require(type, "u")
    change = change_of(request, context)

    async def attempt() -> Response:
        return await _patched(request, context, type, id, change, [])

    return await retried(context, attempt)


async def conditional_patch(request: Request, context: Context) -> Response:
    """As `patch`, of the one resource that the criteria match.

    Raises:
        NotFound: nothing matches (404).
        MultipleMatches: (412).
    """
    [type] = request.path
    context.repository.require(type, "u")
    change = change_of(request, context)

    async def attempt() -> Response:
        found = await conditional.matching(context, type, request.query, want="head")
        if found.version is None:
            raise NotFound(f"No {type} matches the criteria.")
        return await _patched(request, context, type, found.version.id, change, [found.guard])

    return await retried(context, attempt)


def change_of(request: Request, context: Context) -> Patch:
    """What the body asks to change, by its media type (R4 http.html#patch)."""
    depth = context.settings.max_depth
    if not request.body and request.resource is None:
        raise Malformed("A patch was expected, and there is no body.", code="required")
    spelled = context.pipeline.spelled(context, request)
    if spelled is not None:
        return spelled
    if request.content_type == "application/json-patch+json":
        return json_patch.read(request.body, depth, of_resource=True)
    if request.content_type == "application/xml-patch+xml":
        # Few send it, and only they wait for lxml.
        from fhir_server.interactions.patching import xml_patch

        return xml_patch.read(request.body, depth)
    if request.content_type in _FHIR:
        tree = request.resource if request.resource is not None else parse(request.body, depth)
        return fhirpath_patch.read(tree)
    raise UnsupportedMediaType(
        "A patch is application/json-patch+json, application/xml-patch+xml, or Parameters in application/fhir+json or"
        " application/fhir+xml"
        " (FHIRPath Patch); no other kind, such as a merge patch (RFC 7396), is offered.",
        headers=ACCEPT_PATCH,
    )


async def changed(
    request: Request, context: Context, type: str, id: str, change: Patch
) -> tuple[Commit, list[Issue], Version]:
    """What a patch of the current version would write, what validation says of it, and that version."""
    before = await patchable(context, type, id)
    require_match(request, before)
    tree = await applied(before, change, context)
    context.pipeline.receive(tree, before)
    issues = await context.pipeline.judged(context, tree, before)
    return await context.pipeline.prepared(context, Wanted(type, id, tree, before, "PATCH")), issues, before


async def patchable(context: Context, type: str, id: str) -> Version:
    """The version to patch, when the caller may update it.

    Raises:
        NotFound, Gone: (404, 410).
    """
    before = await context.repository.current(type, id, "u")
    if before is None:
        raise NotFound(f"There is no such {type}.")
    if before.deleted:
        raise Gone(f"This {type} was deleted.")
    return before


async def applied(before: Version, change: Patch, context: Context) -> dict[str, Any]:
    """The resource as the patch leaves it, which was written by somebody who sees what is shown of the version.

    Raises:
        Invalid: the patch does not apply, or changes what the resource is (422).
        FhirError: a step refuses that a patch changes this.
    """
    [before] = await context.repository.sight.shown([before])
    tree = change(parse(before.body, context.settings.max_depth))
    if not isinstance(tree, dict) or tree.get("resourceType") != before.type:
        raise Invalid("A patch cannot change the type of a resource.", "Resource", code="business-rule")
    if tree.get("id") != before.id:
        raise Invalid("A patch cannot change the id of a resource.", f"{before.type}.id", code="business-rule")
    if context.pipeline.bounds_patches(before.type):
        context.pipeline.patched(context, parse(before.body, context.settings.max_depth), tree)
    return tree


async def _patched(
    request: Request, context: Context, type: str, id: str, change: Patch, guards: list[Guard]
) -> Response:
    made, issues, before = await changed(request, context, type, id, change)
    [version] = await context.pipeline.commit(context, made, guards)
    return written(version, 200, await as_readable(version, context, before), issues)
