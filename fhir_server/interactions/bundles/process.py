"""A Bundle posted to the base: a batch or a transaction, by its own type.

https://hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

from fhir_server.fhir.json import parse
from fhir_server.fhir.outcome import Invalid, Malformed, MethodNotAllowed
from fhir_server.interactions import statement
from fhir_server.interactions.bundles.batch import batch, preferring
from fhir_server.interactions.bundles.transaction import transaction
from fhir_server.interactions.exchange import Context, Handler, Request, Response
from fhir_server.interactions.writing import require_type
from fhir_server.work.turns import turn


async def process(request: Request, context: Context, dispatch: Handler) -> Response:
    """200 with a `batch-response` or `transaction-response`.

    Raises:
        Malformed: no body, or not a Bundle (400).
        Invalid: a Bundle of another type (422).
        MethodNotAllowed: that type is not offered (405).
    """
    if not request.body:
        raise Malformed("A Bundle was expected, and there is no body.", code="required")
    await turn()
    bundle = parse(request.body, context.settings.max_depth)
    require_type(bundle, "Bundle")
    kind = bundle.get("type")
    if kind not in ("batch", "transaction"):
        raise Invalid("A Bundle posted to the base is a batch or a transaction.", "Bundle.type", code="value")
    if (None, kind) not in statement.offered():
        raise MethodNotAllowed(f"A {kind} is not offered.", headers={"Allow": "GET, HEAD"})
    context = preferring(request, context)
    if kind == "batch":
        # Its entries are commits of their own: one trace tells of them all.
        context.repository.touched.auditing = None
        return await batch(bundle, context, dispatch)
    return await transaction(bundle, request, context, dispatch)
