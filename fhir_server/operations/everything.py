"""All that is known of a patient: the compartment, and what it refers to outside of it.

https://hl7.org/fhir/R4/patient-operation-everything.html. Without `_count` the answer is one Bundle, up to `MOST`
resources; beyond, and with `_count`, it comes in pages, each with what its own resources refer to.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

from fhir_server.fhir import dates, definitions
from fhir_server.fhir.outcome import InvalidParameter
from fhir_server.fhir.subsetting import subset
from fhir_server.interactions import shaping, statement
from fhir_server.interactions.exchange import Context, Response
from fhir_server.operations.invocation import Invocation
from fhir_server.operations.references import closure
from fhir_server.search.answering.bundle import INCLUDE, MATCH, Link, entry, searchset
from fhir_server.search.answering.cursors import START, open_cursor, sign
from fhir_server.search.asking.compartments import OWNER, compartment_filter, compartment_types
from fhir_server.search.asking.identity import identity
from fhir_server.store.filters import EVERYTHING, NOTHING, Filter, Missing, Not, Or, Range, both, either
from fhir_server.store.protocol import Page

#: Resources in the one Bundle of a call without `_count`; a large record is a tenth of it.
MOST = 10_000
#: Steps from the compartment: a PractitionerRole, its organization, that organization's own.
STEPS = 3

#: Search parameters that say when care was given, the first that a type has.
CARE = (
    "date",
    "period",
    "effective",
    "occurrence",
    "performed",
    "onset-date",
    "authored-on",
    "authoredon",
    "authored",
    "whenhandedover",
    "effective-time",
    "service-date",
    "billable-period",
    "started",
    "recorded-date",
    "created",
    "issued",
    "sent",
)


async def everything(call: Invocation, context: Context) -> Response:
    """200 with a searchset: the compartment as matches, what it refers to as includes.

    Raises:
        NotFound, Gone: there is no such patient (404, 410).
        Forbidden: `_type` names a type that there is no scope to search (403).
        InvalidParameter: a parameter is not of its type (400).
    """
    if call.id is not None:
        await context.repository.read("Patient", call.id)
    else:
        context.repository.require("Patient", "r")
    scope = _scope(call, context)
    count = _count(call, context)
    query = identity(["everything", call.id or "", *(part for pair in call.inputs.pairs for part in pair)])
    token = call.inputs.one("_cursor")
    cursor = START if token is None else open_cursor(token, query, context.cursor_key)
    most = context.settings.max_answer_bytes
    page = Page(())
    if scope:
        page = await context.repository.find(scope, after=cursor.after, count=count or MOST, most_bytes=most)
    types = call.inputs.all("_type")
    known = {(version.type, version.id) for version in page.versions}
    outside = frozenset(compartment_types("Patient"))
    beside = await closure(page.versions, context, known, STEPS, context.settings.max_includes, outside - _SHARED)
    summary, elements = shaping.wanted(call.request.query)
    root = context.base.encode()
    rows = [entry(root, v.type, v.id, subset(v.body, summary, elements), MATCH) for v in page.versions]
    rows += [
        entry(root, v.type, v.id, subset(v.body, summary, None), INCLUDE)
        for v in beside.values()
        if not types or v.type in types
    ]
    path = "/".join(call.request.path)
    own = await call.posted.link(context.base, path, call.used, token or "") if call.here is None else call.here
    links: list[Link] = [("self", own)]
    if page.next is not None:
        following = sign(cursor.following(page.next), query, context.cursor_key)
        links.append(("next", await call.posted.link(context.base, path, call.used, following)))
    whole = token is None and page.next is None
    return Response(200, searchset(rows, links, len(page.versions) if whole else None))


#: In a compartment by a reference of theirs, and yet followed to: a Group may hold many patients.
_SHARED = frozenset({"Group"})


def _scope(call: Invocation, context: Context) -> dict[str, Filter]:
    asked = call.inputs.all("_type")
    for type in asked:
        if not statement.supports(type):
            raise InvalidParameter(f"There is no resource type {type[:64]}.", "http._type")
        context.repository.require(type, "s")
    limits = _limits(call, context)
    found = {}
    for type in compartment_types("Patient"):
        if asked and type not in asked:
            continue
        inside = compartment_filter("Patient", call.id, type) if call.id is not None else _of_any(type)
        where = both(
            inside, limits["_since"], EVERYTHING if type == "Patient" else _care(type, limits["care"], context)
        )
        if where != NOTHING:
            found[type] = where
    return found


def _of_any(type: str) -> Filter:
    """What of a type is in some patient's compartment."""
    if type == "Patient":
        return EVERYTHING
    params = [param for param in definitions.compartments()["Patient"].get(type, ()) if param != OWNER]
    return either([Not(Missing(param)) for param in params]) if params else NOTHING


def _limits(call: Invocation, context: Context) -> dict[str, Filter]:
    zone = ZoneInfo(context.settings.default_timezone)
    low, high = _interval(call, "start", zone), _interval(call, "end", zone)
    since = _interval(call, "_since", zone)
    return {
        "_since": Range("_lastUpdated", low_from=since[0]) if since else EVERYTHING,
        "care": Range("", low_to=high[1] if high else None, high_from=low[0] if low else None)
        if low or high
        else EVERYTHING,
    }


def _care(type: str, limit: Filter, context: Context) -> Filter:
    """Care that overlaps the dates asked for; what says no date is not left out."""
    if not isinstance(limit, Range):
        return limit
    known = context.repository.registry.of(type)
    param = next((code for code in CARE if code in known and known[code].type == "date"), None)
    if param is None:
        return EVERYTHING
    return Or((Missing(param), Range(param, low_to=limit.low_to, high_from=limit.high_from)))


def _interval(call: Invocation, name: str, zone: ZoneInfo) -> tuple[int, int] | None:
    value = call.inputs.one(name)
    if value is None:
        return None
    try:
        return dates.interval(value.replace(" ", "+"), zone)
    except ValueError:
        raise InvalidParameter(f"{name} is not a date.", f"http.{name}") from None


def _count(call: Invocation, context: Context) -> int | None:
    value = call.inputs.one("_count")
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) < 10) or int(value) == 0:
        raise InvalidParameter("_count is a whole number, 1 or more.", "http._count")
    return min(int(value), context.settings.max_page)
