"""The versions of a resource, of a type or of everything, newest first, deletions included.

https://hl7.org/fhir/R4/http.html#history
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

import msgspec

from fhir_server.fhir import dates
from fhir_server.fhir.json import instant
from fhir_server.fhir.outcome import InvalidParameter, NotFound, NotSupported
from fhir_server.interactions import shaping, statement
from fhir_server.interactions.exchange import Context, Request, Response
from fhir_server.search.answering.cursors import START, Cursor, open_cursor, sign
from fhir_server.search.asking.identity import identity
from fhir_server.store.filters import EVERYTHING
from fhir_server.store.protocol import Page, Scope, Version

#: Parameters read here; the rest of the second row shapes the answer and is read by the wire or `shaping`.
OWN = frozenset({"_count", "_since", "_at", "_sort", "_cursor"})
SHAPING = frozenset({"_format", "_pretty", "_summary", "_elements"})


@dataclass(frozen=True, slots=True)
class Asked:
    """The parameters of a history.

    Attributes:
        count: versions a page; 0 asks for the total alone.
        since: only versions made at or after this instant, in ms; None for all.
        at: only versions current at some time in this closed interval, in ms; None for all.
        cursor: the token of the page, as it was given out.
        kept: the parameters in effect, for the links.
    """

    count: int
    since: int | None = None
    at: tuple[int, int] | None = None
    cursor: str | None = None
    kept: tuple[tuple[str, str], ...] = ()


async def history_instance(request: Request, context: Context) -> Response:
    """The versions of one resource.

    Raises:
        NotFound: it never was, or is hidden from this caller (404).
    """
    type, id = request.path[:2]
    context.repository.require(type, "r")
    return await _answer(request, context, {type: EVERYTHING}, id)


async def history_type(request: Request, context: Context) -> Response:
    """The versions of every resource of a type."""
    type = request.path[0]
    context.repository.require(type, "r")
    return await _answer(request, context, {type: EVERYTHING}, None)


async def history_system(request: Request, context: Context) -> Response:
    """The versions of everything."""
    return await _answer(request, context, dict.fromkeys(statement.resources(), EVERYTHING), None)


async def _answer(request: Request, context: Context, scope: Scope, id: str | None) -> Response:
    asked = read(request, context)
    summary, _ = shaping.wanted(request.query)
    key, query = (
        context.cursor_key,
        identity(["history", *request.path, *(part for pair in asked.kept for part in pair)]),
    )
    cursor = open_cursor(asked.cursor, query, key) if asked.cursor is not None else START
    page, whole = Page(()), False
    if asked.count and summary != "count":
        most = context.settings.max_answer_bytes
        page = await context.repository.history(scope, id, asked.since, asked.at, cursor.after, asked.count, most)
        whole = cursor.after is None and page.next is None
    # Only what may be read has versions here: of nothing found it is not known yet whether there is such a resource.
    if id is not None and not page.versions and await context.repository.current(request.path[0], id) is None:
        raise NotFound(f"There is no such {request.path[0]}.")
    total = len(page.versions) if whole else await context.repository.history_count(scope, id, asked.since, asked.at)
    url = "/".join([context.base, *(quote(part, safe="") for part in request.path)])
    links = _links(url, asked, cursor, page, lambda made: sign(made, query, key))
    rows = [_entry(version, context.base) for version in page.versions]
    body = b'{"resourceType":"Bundle","type":"history","total":%d,"link":%s%s}' % (
        total,
        msgspec.json.encode(links),
        b',"entry":[%s]' % b",".join(rows) if rows else b"",
    )
    return Response(200, shaping.part(request.query, body))


def read(request: Request, context: Context) -> Asked:
    """The parameters of a history request.

    Raises:
        NotSupported: one that history does not have, under strict handling (400).
        InvalidParameter: a value that is not of its type (400).
    """
    kept, found = [], {}
    for name, value in request.query:
        if name not in OWN and name not in SHAPING:
            if context.strict:
                raise NotSupported(f"History has no parameter {name}.", f"http.{name}")
            continue
        if name in OWN and name in found:
            raise InvalidParameter(f"{name} stands twice.", f"http.{name}")
        found[name] = value
        if name not in ("_cursor", "_pretty"):
            kept.append((name, value))
    if found.get("_sort", "-_lastUpdated") != "-_lastUpdated":
        raise NotSupported("History is sorted by -_lastUpdated.", "http._sort")
    since, at = _moment(found, "_since", context), _moment(found, "_at", context)
    return Asked(
        _count(found.get("_count"), context),
        since[0] if since else None,
        at,
        found.get("_cursor"),
        tuple(kept),
    )


def _count(value: str | None, context: Context) -> int:
    if value is None:
        return min(context.settings.default_page, context.settings.max_page)
    if not (value.isascii() and value.isdigit() and len(value) < 10):
        raise InvalidParameter("_count is a whole number.", "http._count")
    return min(int(value), context.settings.max_page)


def _moment(found: dict[str, str], name: str, context: Context) -> tuple[int, int] | None:
    """The interval a partial date stands for, in ms; both ends inside."""
    if name not in found:
        return None
    try:
        # A `+` of the zone that was not escaped has become a space.
        low, high = dates.interval(found[name].replace(" ", "+"), ZoneInfo(context.settings.default_timezone))
    except ValueError:
        raise InvalidParameter(f"{name} is not a date or instant.", f"http.{name}") from None
    # Versions are made on whole milliseconds: one made within the first is at its start.
    return -(-low // 1000), high // 1000


def _links(url: str, asked: Asked, cursor: Cursor, page: Page, token: Callable[[Cursor], str]) -> list[dict[str, str]]:
    def link(relation: str, made: Cursor) -> dict[str, str]:
        pairs = [*asked.kept, *([("_cursor", token(made))] if made != START else [])]
        return {"relation": relation, "url": f"{url}?{urlencode(pairs)}" if pairs else url}

    links = [link("self", cursor)]
    if cursor != START:
        links.append(link("first", START))
    if cursor.previous is not None:
        links.append(link("previous", cursor.previous))
    if page.next is not None:
        links.append(link("next", cursor.following(page.next)))
    return links


def _entry(version: Version, base: str) -> bytes:
    identity = f"{version.type}/{version.id}"
    method = version.method
    request = {"method": method, "url": version.type if method == "POST" else identity}
    created = method == "POST" or (method == "PUT" and version.version == 1)
    response = {
        "status": "204" if version.deleted else "201" if created else "200",
        "etag": f'W/"{version.version}"',
        "lastModified": instant(version.at),
    }
    shown = b"" if version.deleted else b',"resource":%s' % version.body
    return b'{"fullUrl":%s%s,"request":%s,"response":%s}' % (
        msgspec.json.encode(f"{base}/{identity}"),
        shown,
        msgspec.json.encode(request),
        msgspec.json.encode(response),
    )
