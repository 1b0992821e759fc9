"""Searches of a type, a compartment or everything, by URL or by form.

https://hl7.org/fhir/R4/http.html#search, https://hl7.org/fhir/R4/http.html#vsearch
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import quote

from fhir_server.fhir.outcome import InvalidParameter, NotFound
from fhir_server.interactions.exchange import Context, Request, Response
from fhir_server.search import run
from fhir_server.search.compartments import compartment_types
from fhir_server.search.posted import PREFIX, Posted
from fhir_server.search.query import WIRE, Query, parse, path_of


async def search_type(request: Request, context: Context) -> Response:
    """200 with a searchset of one type.

    Raises:
        Forbidden: no scope to search the type (403).
        InvalidParameter, NotSupported: strict, and a parameter is not understood (400).
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
    request, posted, here = await _origin(request, context, types, compartment)
    query = await read(request, context, types, compartment)
    found = await run.search(
        query, repository, repository.registry, context.base, context.settings, context.cursor_key, posted, here
    )
    return Response(200, found)


async def _origin(
    request: Request, context: Context, types: Sequence[str], compartment: tuple[str, str] | None
) -> tuple[Request, Posted, str | None]:
    """The request with the parameters of the search, what makes its links if it was posted, and where it was posted."""
    grant = context.repository.grant
    caller = f"{grant.client} {grant.subject}" if grant.client else None
    posted = Posted(context.cursor_key, context.records, "" if grant.own else caller)
    token = next((value for name, value in request.query if name == "_cursor" and value.startswith(PREFIX)), None)
    if token is not None:
        if [name for name, _ in request.query if name not in WIRE] != ["_cursor"]:
            raise InvalidParameter("A page link of a posted search has no other parameters.", "http._cursor")
        pairs = await posted.opened(token, path_of(types, compartment))
        return replace(request, query=tuple(pairs)), posted, None
    if request.method == "POST":
        return request, posted, "/".join([context.base, *(quote(part, safe="*$") for part in request.path)])
    return request, replace(posted, hides=False), None
