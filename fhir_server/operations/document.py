"""A composition and all it refers to, as a document Bundle.

https://hl7.org/fhir/R4/composition-operation-document.html, https://hl7.org/fhir/R4/documents.html
"""

from __future__ import annotations

import time
import uuid

from fhir_server.fhir.json import instant, parse
from fhir_server.fhir.outcome import Invalid, InvalidParameter, Issue, NotSupported
from fhir_server.fhir.references import parse as parse_reference
from fhir_server.fhir.references import walk_references
from fhir_server.interactions import statement
from fhir_server.interactions.create import create
from fhir_server.interactions.exchange import FHIR_JSON, Context, Request, Response
from fhir_server.operations.invocation import Invocation
from fhir_server.operations.references import closure
from fhir_server.store.protocol import Version

#: Steps from the composition: what it refers to, and what that needs to be read.
STEPS = 6


async def document(call: Invocation, context: Context) -> Response:
    """200 with the document; 201 with where it is kept when `persist` is true.

    Raises:
        NotFound, Gone: there is no such composition (404, 410).
        Invalid: the composition refers to something that is not here (422).
        NotSupported: `graph`, or a composition of another server (400).
    """
    composition = await context.repository.read("Composition", _id(call, context))
    persist = call.inputs.one("persist") or "false"
    if persist not in ("true", "false"):
        raise InvalidParameter("persist is true or false.", "http.persist")
    if call.inputs.one("graph") is not None:
        raise NotSupported("This server does not follow a GraphDefinition.", "http.graph")
    known = {("Composition", composition.id)}
    found = await closure([composition], context, known, STEPS, context.settings.max_includes)
    _require_complete(composition, set(found) | known, context)
    body = _bundle([composition, *found.values()], context.base)
    if persist == "false":
        return Response(200, body)
    kept = await create(Request("POST", ("Bundle",), body=body, content_type=FHIR_JSON), context)
    return kept


def _id(call: Invocation, context: Context) -> str:
    given = call.inputs.one("id")
    if call.id is not None:
        if given is not None:
            raise InvalidParameter("The parameter id is for the type level.", "http.id")
        return call.id
    if given is None:
        raise InvalidParameter("Which composition is needed: id.", "http.id", code="required")
    if "/" not in given:
        return given
    reference = parse_reference(given, context.base)
    if not reference.local or reference.type != "Composition" or reference.id is None:
        raise NotSupported("The composition is not one of this server.", "http.id")
    return reference.id


def _require_complete(composition: Version, found: set[tuple[str, str]], context: Context) -> None:
    """R4 documents.html: what the composition refers to is in the document."""
    issues = []
    for node, path in walk_references(parse(composition.body, context.settings.max_depth)):
        reference = parse_reference(node["reference"], context.base)
        if reference.type is None or not reference.local or not statement.supports(reference.type):
            continue
        if (reference.type, reference.id) not in found:
            issues.append(Issue("error", "not-found", "The document would lack what is referred to.", path))
    if issues:
        raise Invalid(issues=issues)


def _bundle(versions: list[Version], base: str) -> bytes:
    rows = b",".join(
        b'{"fullUrl":"%s/%s/%s","resource":%s}' % (base.encode(), v.type.encode(), v.id.encode(), v.body)
        for v in versions
    )
    id, now = str(uuid.uuid4()).encode(), instant(time.time_ns() // 1_000_000).encode()
    return (
        b'{"resourceType":"Bundle","id":"%s","meta":{"lastUpdated":"%s"},"identifier":{"system":"urn:ietf:rfc:3986",'
        b'"value":"urn:uuid:%s"},"type":"document","timestamp":"%s","entry":[%s]}' % (id, now, id, now, rows)
    )
