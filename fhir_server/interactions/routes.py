"""The table that is FHIR's REST API, and the dispatcher that serves calls and Bundle entries alike.

https://hl7.org/fhir/R4/http.html#summary. A route is offered when `capability/CapabilityStatement.json` says so.
"""

from __future__ import annotations

from typing import NamedTuple

from fhir_server.fhir.outcome import MethodNotAllowed, NotFound
from fhir_server.interactions import capabilities, history, search, statement
from fhir_server.interactions.bundles import process as bundles
from fhir_server.interactions.create import create
from fhir_server.interactions.delete import conditional_delete, delete
from fhir_server.interactions.exchange import Context, Handler, Request, Response
from fhir_server.interactions.parameters import refuse_unread, shaped
from fhir_server.interactions.patch import conditional_patch, patch
from fhir_server.interactions.read import read
from fhir_server.interactions.update import conditional_update, update
from fhir_server.interactions.vread import vread


class Route(NamedTuple):
    """One row: what serves it, and the interactions of which one must be offered (none: always served)."""

    handler: Handler
    codes: tuple[str, ...] = ()


async def operation(request: Request, context: Context) -> Response:
    """What a `$name` does, where operations are wired."""
    if context.operate is None:
        raise NotFound("There is no such operation.", code="not-supported")
    return await context.operate(request, context)


async def process(request: Request, context: Context) -> Response:
    """A batch or transaction, whose entries come back through `dispatch`."""
    return await bundles.process(request, context, dispatch)


#: (method, shape of the path) → route. In a shape, `T` is a type, `I` an id, `V` a version, `$` an operation; the empty
#: shape is the base. POST on the base is judged by the Bundle's own type.
ROUTES: dict[tuple[str, str], Route] = {
    ("GET", "T/I"): Route(read, ("read",)),
    ("GET", "T/I/_history/V"): Route(vread, ("vread",)),
    ("PUT", "T/I"): Route(update, ("update",)),
    ("PUT", "T"): Route(conditional_update, ("update",)),
    ("PATCH", "T/I"): Route(patch, ("patch",)),
    ("PATCH", "T"): Route(conditional_patch, ("patch",)),
    ("DELETE", "T/I"): Route(delete, ("delete",)),
    ("DELETE", "T"): Route(conditional_delete, ("delete",)),
    ("POST", "T"): Route(create, ("create",)),
    ("GET", "T"): Route(search.search_type, ("search-type",)),
    ("POST", "T/_search"): Route(search.search_type, ("search-type",)),
    ("GET", "T/I/T"): Route(search.search_compartment, ("search-type",)),
    ("POST", "T/I/T/_search"): Route(search.search_compartment, ("search-type",)),
    ("GET", "T/I/*"): Route(search.search_compartment, ("search-system",)),
    ("POST", "T/I/*/_search"): Route(search.search_compartment, ("search-system",)),
    ("POST", "T/I/_search"): Route(search.search_compartment, ("search-system",)),
    ("GET", ""): Route(search.search_system, ("search-system",)),
    ("POST", "_search"): Route(search.search_system, ("search-system",)),
    ("POST", ""): Route(process, ("transaction", "batch")),
    ("GET", "T/I/_history"): Route(history.history_instance, ("history-instance",)),
    ("GET", "T/_history"): Route(history.history_type, ("history-type",)),
    ("GET", "_history"): Route(history.history_system, ("history-system",)),
    ("GET", "metadata"): Route(capabilities.capabilities),
    ("GET", "$"): Route(operation),
    ("POST", "$"): Route(operation),
    ("GET", "T/$"): Route(operation),
    ("POST", "T/$"): Route(operation),
    ("GET", "T/I/$"): Route(operation),
    ("POST", "T/I/$"): Route(operation),
    ("GET", "T/I/_history/V/$"): Route(operation),
    ("POST", "T/I/_history/V/$"): Route(operation),
}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
#: Writes of one resource whose answer `_summary` and `_elements` shape; of the others the handlers see to it.
_SHAPED = frozenset({("POST", "T"), ("PUT", "T/I"), ("PATCH", "T/I")})


async def dispatch(request: Request, context: Context) -> Response:
    """The answer to one call or Bundle entry.

    Raises:
        NotFound: no such path or resource type (404).
        MethodNotAllowed: the interaction is not offered; `Allow` names those that are (405).
        FhirError: as the interaction says.
    """
    path = request.path
    shape = "T/I" if len(path) == 2 and path[1][:1] not in _MARKS else shape_of(path)
    type = path[0] if shape[:1] == "T" else None
    if type is not None and not statement.supports(type):
        raise NotFound("There is no such resource type.", code="not-supported")
    method = "GET" if request.method == "HEAD" else request.method
    route = ROUTES.get((method, shape))
    if route is None or not _offers(route, _subject(path, shape)):
        raise _not_allowed(path, shape)
    if not request.query and not request.headers:
        return await route.handler(request, context)
    refuse_unread(request, shape, context.strict)
    response = await route.handler(request, context)
    return shaped(request, response, context) if (method, shape) in _SHAPED else response


def allowed(path: tuple[str, ...]) -> tuple[str, ...]:
    """The methods that are offered on a path; none for a path that is no FHIR path."""
    shape = shape_of(path)
    if shape[:1] == "T" and not statement.supports(path[0]):
        return ()
    subject = _subject(path, shape)
    found = [m for m in METHODS if (route := ROUTES.get((m, shape))) is not None and _offers(route, subject)]
    return tuple(["GET", "HEAD", *found[1:]] if found[:1] == ["GET"] else found)


def shape_of(path: tuple[str, ...]) -> str:
    """The path with each segment replaced by what it is, as in the keys of `ROUTES`."""
    parts: list[str] = []
    for segment in path:
        parts.append(_part(segment, parts))
    return "/".join(parts)


_MARKS = frozenset("_$*")
_RESERVED = frozenset({"_history", "_search", "*"})
#: What a plain segment is, by what came before it.
_AFTER = {"": "T", "T": "I", "T/I": "T", "T/I/_history": "V"}


def _part(segment: str, before: list[str]) -> str:
    if segment in _RESERVED or (segment == "metadata" and not before):
        return segment
    if segment.startswith("$"):
        return "$"
    return _AFTER.get("/".join(before), "?")


def _subject(path: tuple[str, ...], shape: str) -> str | None:
    """The type whose interactions are asked for; None for the whole system."""
    if shape.startswith("T/I/T"):
        return path[2]
    return path[0] if shape[:1] == "T" and shape not in _EVERY_TYPE else None


_EVERY_TYPE = frozenset({"T/I/*", "T/I/*/_search", "T/I/_search"})


def _offers(route: Route, subject: str | None) -> bool:
    if not route.codes:
        return True
    offered = statement.offered()
    return any((subject, code) in offered for code in route.codes)


def _not_allowed(path: tuple[str, ...], shape: str) -> NotFound | MethodNotAllowed:
    if shape.startswith("T/I/T") and not statement.supports(path[2]):
        return NotFound("There is no such resource type.", code="not-supported")
    methods = allowed(path)
    if not methods and not any(known == shape for _, known in ROUTES):
        return NotFound("There is nothing at this path.", code="not-supported")
    return MethodNotAllowed("The interaction is not offered here.", headers={"Allow": ", ".join(methods)})
