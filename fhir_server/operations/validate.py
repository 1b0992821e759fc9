"""Whether a resource is right, without writing it.

https://hl7.org/fhir/R4/resource-operation-validate.html. The answer is 200 with an OperationOutcome, whatever it says.
"""

from __future__ import annotations

from typing import Any

import msgspec

from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import FhirError, InvalidParameter, Issue, outcome
from fhir_server.interactions.exchange import Context, Response
from fhir_server.interactions.pipeline import Change
from fhir_server.operations.invocation import Invocation

MODES = frozenset({"create", "update", "delete", "profile"})


async def validate(call: Invocation, context: Context) -> Response:
    """200 with an OperationOutcome of all that is wrong, or one that says that all is well.

    Raises:
        InvalidParameter: no resource, a mode R4 does not have, or one without what it needs (400).
        NotFound, Gone: the instance is not there (404, 410).
    """
    mode, resource = call.inputs.one("mode"), call.inputs.complex.get("resource")
    if mode is not None and mode not in MODES:
        raise InvalidParameter("mode is create, update, delete or profile.", "http.mode")
    if mode in ("update", "delete") and call.id is None:
        raise InvalidParameter(f"The mode {mode} is asked of an instance.", "http.mode")
    if mode in ("update", "delete") and call.version is not None:
        raise InvalidParameter("A past version is neither updated nor deleted.", "http.mode")
    if mode == "profile" and call.inputs.one("profile") is None:
        raise InvalidParameter("The mode profile names a profile.", "http.profile", code="required")
    issues = await _deletable(call, context) if mode == "delete" else await _issues(call, context, mode, resource)
    return Response(200, msgspec.json.encode(outcome(issues)))


async def _issues(call: Invocation, context: Context, mode: str | None, tree: dict[str, Any] | None) -> list[Issue]:
    type = call.type
    assert type is not None
    if tree is None:
        if call.id is None:
            raise InvalidParameter("There is no resource to validate.", "http.resource", code="required")
        stored = await call.stored(context)
        tree = parse(stored.body, context.settings.max_depth)
    if tree.get("resourceType") != type:
        return [Issue("error", "invalid", f"The resource is not a {type}, which the URL says it is.", "resourceType")]
    issues = await context.pipeline.issues(context, tree, call.inputs.values.get("profile", []))
    if mode == "update" and tree.get("id") != call.id:
        issues.append(Issue("error", "value", "The resource's id is not the URL's.", f"{type}.id"))
    try:
        change = Change(type, str(tree.get("id", "")), tree, None, "POST")
        await context.pipeline.completed(context, [change])
    except FhirError as error:
        issues += error.issues
    return issues


async def _deletable(call: Invocation, context: Context) -> list[Issue]:
    type, id = call.type, call.id
    assert type is not None and id is not None
    version = await context.repository.read(type, id)
    try:
        await context.pipeline.ending(context, [version])
    except FhirError as error:
        return list(error.issues)
    return []
