"""A patient's documents by the dates of care: `DocumentReference/$docref`.

http://hl7.org/fhir/us/core/OperationDefinition/docref. Dates are those of care (`context.period`; where a document says
none, `date`), not of the record. Without a range the most recent document alone is meant; what is made on demand is
asked for by `on-demand`, and none is made here. Whoever is not here has no documents: an empty Bundle.
"""

from __future__ import annotations

from typing import Any

from fhir_server.fhir.outcome import InvalidParameter, TooCostly
from fhir_server.interactions.exchange import Context, Response
from fhir_server.operations.invocation import Invocation
from fhir_server.search.answering.bundle import entry, searchset, url
from fhir_server.search.asking.query import Query
from fhir_server.search.asking.query import parse as parse_query
from fhir_server.store.filters import NOTHING, Filter, Missing, both, either
from fhir_server.store.protocol import Sort

#: The most recent first: by the care, then by when the document was made.
_LATEST = (Sort("period", "span", descending=True), Sort("date", "span", descending=True))
_BOOLEANS = {"true": True, "false": False}


async def docref(service: Any, call: Invocation, context: Context) -> Response:
    """200 with a searchset of current documents that the caller may see, the most recent first.

    Raises:
        InvalidParameter: a parameter is not of its type (400).
        TooCostly: there are more than one answer holds.
    """
    repository, inputs = context.repository, call.inputs
    repository.require("DocumentReference", "s")
    patient = (inputs.one("patient") or "").removeprefix("Patient/")
    dated = [(letter, when) for letter, when in (("ge", inputs.one("start")), ("le", inputs.one("end"))) if when]
    pairs = [("patient", f"Patient/{patient}"), ("status", "current")]
    pairs += [
        (name, value) for own, name in (("type", "type"), ("profile", "_profile")) for value in _listed(call, own)
    ]
    periods = await _query(context, [*pairs, *(("period", letter + when) for letter, when in dated)])
    where: Filter = periods.scope.get("DocumentReference", NOTHING)
    if dated:
        without = await _query(context, [*pairs, *(("date", letter + when) for letter, when in dated)])
        where = either([where, both(without.scope.get("DocumentReference", NOTHING), Missing("period"))])
    most = context.settings.max_page if dated else 1
    if _on_demand(call):
        where = NOTHING
    page = await repository.find({"DocumentReference": where}, _LATEST, count=most)
    if page.next is not None and dated:
        raise TooCostly(f"More than {most} documents: ask for fewer days.")
    root = context.base.encode()
    rows = [entry(root, one.type, one.id, one.body) for one in page.versions]
    own = call.here or url(context.base, "DocumentReference/$docref", call.used)
    return Response(200, searchset(rows, [("self", own)], len(rows)))


def _listed(call: Invocation, name: str) -> list[str]:
    """The values of a parameter as one criterion of alternatives; none where it was not given."""
    found = call.inputs.values.get(name)
    return [",".join(found)] if found else []


def _on_demand(call: Invocation) -> bool:
    said = call.inputs.one("on-demand") or "false"
    if said not in _BOOLEANS:
        raise InvalidParameter("on-demand is true or false.", "http.on-demand")
    return _BOOLEANS[said]


async def _query(context: Context, pairs: list[tuple[str, str]]) -> Query:
    return await parse_query(
        ("DocumentReference",),
        pairs,
        context.repository.registry,
        strict=True,
        settings=context.settings,
        base=context.base,
        terminology=context.terminology,
        allows=context.repository.searches,
    )
