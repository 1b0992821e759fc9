"""Searches of a type, a compartment or everything, by URL or by form.

https://hl7.org/fhir/R4/http.html#search, https://hl7.org/fhir/R4/http.html#vsearch
"""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.fhir.outcome import NotFound
from fhir_server.interactions.exchange import Context, Request, Response
from fhir_server.interactions.paged_parameters import asked
from fhir_server.search.answering import run
from fhir_server.search.asking.compartments import compartment_types
from fhir_server.search.asking.query import Query, parse, path_of


async def search_type(request: Request, context: Context) -> Response:
    """200 with a searchset of one type.

    Raises:
        Forbidden: no scope to search the type (403).
        InvalidParameter, NotSupported: strict, and a parameter is not understood; a service demands another (400).
    """
    context.repository.require(request.path[0], "s")
    return await _answer(request, context, (request.path[0],))


async def search_compartment(request: Request, context: Context) -> Response:
    """200 with a searchset of what is in a compartment: of one type, or of every type for `*`.

    Raises:
        NotFound: R4 defines no such compartment (404).
    """
    name, id = request.path[:2]
    types = compartment_types(name)
    if not types:
        raise NotFound(f"There is no {name} compartment.", code="not-supported")
    if len(request.path) > 2 and request.path[2] not in ("*", "_search"):
        context.repository.require(request.path[2], "s")
        types = (request.path[2],)
    return await _answer(request, context, types, (name, id))


async def search_system(request: Request, context: Context) -> Response:
    """200 with a searchset of every type, or of those that `_type` names."""
    return await _answer(request, context, ())


async def read(
    request: Request, context: Context, types: Sequence[str], compartment: tuple[str, str] | None = None
) -> Query:
    """What the request asks of `types`."""
    return await parse(
        types,
        request.query,
        context.repository.registry,
        strict=context.strict,
        settings=context.settings,
        base=context.base,
        terminology=context.terminology,
        allows=context.repository.searches,
        compartment=compartment,
    )


async def _answer(
    request: Request, context: Context, types: Sequence[str], compartment: tuple[str, str] | None = None
) -> Response:
    repository = context.repository
    request, posted, here = await asked(request, context, path_of(types, compartment))
    additions, client = repository.registry.additions, repository.grant.client or ""
    alone = types[0] if len(types) == 1 and compartment is None else ""
    if demand := additions.demands.get(alone):
        demand(context.settings, client, request.query)
    query = await read(request, context, types, compartment)
    found = await run.search(
        query, repository, repository.registry, context.base, context.settings, context.cursor_key, posted, here
    )
    if answered := additions.answers.get(alone):
        found = answered(context.settings, client, request.query, found)
    return Response(200, found)
