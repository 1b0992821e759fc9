"""Running a query against what the caller may see, into the bytes of a searchset Bundle.

https://hl7.org/fhir/R4/search.html#return, https://hl7.org/fhir/R4/http.html#paging
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fhir_server.fhir.subsetting import subset
from fhir_server.search.answering.bundle import INCLUDE, Link, entry, outcome_entry, searchset, url
from fhir_server.search.answering.contained import Selection, count, select
from fhir_server.search.answering.cursors import START, Cursor, open_cursor, sign
from fhir_server.search.answering.includes import Included, Reader, included
from fhir_server.search.answering.posted import Posted
from fhir_server.search.asking.query import Query
from fhir_server.search.parameters.registry import Registry
from fhir_server.settings import Settings
from fhir_server.store.protocol import Page, Position, Version


async def search(
    query: Query,
    repository: Reader,
    registry: Registry,
    base: str,
    settings: Settings,
    key: bytes,
    posted: Posted | None = None,
    here: str | None = None,
) -> bytes:
    """The searchset Bundle that answers `query`.

    Args:
        query: as `search.asking.query.parse` gives it.
        repository: the store as the caller sees it.
        registry: the search parameters in force.
        base: absolute URL of the FHIR base, without a slash at its end, for links and fullUrl.
        settings: limits of totals and includes.
        key: the server's secret that signs cursors; the same in every worker.
        posted: makes the links of a search that was posted, which say nothing of it, and those that would be too long.
        here: where it was posted, for its own link.

    Raises:
        InvalidParameter: a cursor that this server did not give for this query.
        TooCostly: a link of the query has more targets than the engine follows.
    """
    if query.results.only_total:
        return await _counted(query, repository, registry, base, here)
    cursor = START if query.cursor is None else open_cursor(query.cursor, query.identity, key)
    if query.results.contained == "false":
        found = await _found(query, repository, cursor, settings)
    else:
        found = await select(query, repository, registry, base, cursor.after)
    beside = await _beside(query, found, repository, registry, settings)
    entries = _entries(query, base, found, beside.versions)
    if issues := (*query.ignored, *beside.issues):
        entries.append(outcome_entry(issues))
    links = [("self", here)] if here is not None else []
    if here is None or found.next is not None or cursor is not START:
        links = await _links(query, base, cursor, found.next, key, posted)
        links = [("self", here), *links[1:]] if here is not None and cursor is START else links
    return searchset(entries, links, found.total)


async def _counted(query: Query, repository: Reader, registry: Registry, base: str, here: str | None) -> bytes:
    if query.results.contained != "false":
        total = await count(query, repository, registry, base)
    else:
        total = await repository.count(query.scope) if query.scope else 0
    entries = [outcome_entry(query.ignored)] if query.ignored else []
    return searchset(entries, [("self", here or url(base, query.path, query.used))], total)


async def _found(query: Query, repository: Reader, cursor: Cursor, settings: Settings) -> Selection:
    limit = settings.exact_total_limit
    page = Page(())
    if query.scope:
        page = await repository.find(
            query.scope, query.sort, cursor.after, query.results.count, settings.max_answer_bytes
        )
    return Selection(page.versions, (), page.next, await _total(query, repository, cursor, page, limit))


async def _beside(
    query: Query, found: Selection, repository: Reader, registry: Registry, settings: Settings
) -> Included:
    """What is included beside the matches, as much as the settings allow."""
    if not query.results.includes:
        return Included(())
    matches = [*found.alone, *(one.container for one in found.inside)]
    left = max(0, settings.max_answer_bytes - sum(len(match.body) for match in matches))
    return await included(query.results.includes, matches, repository, registry, settings.max_includes, left)


async def _total(query: Query, repository: Reader, cursor: Cursor, page: Page, limit: int) -> int | None:
    """Matches in all: exact, or None where the query does without or counting would go past the limit.

    What finding the page told is said whatever the limit: it cost nothing.
    """
    if query.results.total == "none":
        return None
    if cursor.after is None and page.next is None:
        return len(page.versions)
    if limit == 0 and query.results.total is None:
        return None
    if page.total is not None:
        return page.total
    if query.results.total in ("accurate", "estimate"):
        return await repository.count(query.scope)
    counted = await repository.count(query.scope, limit + 1)
    return counted if counted <= limit else None


def _entries(query: Query, base: str, found: Selection, beside: Sequence[Version]) -> list[bytes]:
    root = base.encode()
    summary, elements = query.results.summary, query.results.elements
    matches = [(match.type, match.id, match.body) for match in found.alone]
    if found.inside:
        matches += _contained(found, query.results.contained_type == "contained")
    if summary in (None, "false") and elements is None:
        entries = [entry(root, type, id, body) for type, id, body in matches]
        entries += [entry(root, one.type, one.id, one.body, INCLUDE) for one in beside]
        return entries
    entries = [entry(root, type, id, subset(body, summary, elements)) for type, id, body in matches]
    # R4 search.html#elements: the list of elements does not apply to included resources.
    entries += [entry(root, one.type, one.id, subset(one.body, summary, None), INCLUDE) for one in beside]
    return entries


def _contained(found: Selection, alone: bool) -> Iterator[tuple[str, str, bytes]]:
    """The contained matches by themselves (`alone`), or each container once."""
    shown = {(match.type, match.id) for match in found.alone}
    for one in found.inside:
        container = one.container
        if alone:
            yield container.type, f"{container.id}#{one.id}", one.body
        elif (container.type, container.id) not in shown:
            shown.add((container.type, container.id))
            yield container.type, container.id, container.body


async def _links(
    query: Query, base: str, cursor: Cursor, next: Position | None, key: bytes, posted: Posted | None
) -> list[Link]:
    """Links of GET: a POST _search goes on by them too. `previous` is there as far back as the cursor remembers."""
    identity = query.identity

    async def at(cursor: Cursor) -> str:
        token = "" if cursor.after is None else sign(cursor, identity, key)
        if posted is not None:
            return await posted.link(base, query.path, query.used, token)
        return url(base, query.path, [*query.used, *([("_cursor", token)] if token else [])])

    links = [("self", await at(cursor))]
    if cursor is START and next is None:
        return links
    links.append(("first", await at(START)))
    if (before := cursor.previous) is not None:
        links.append(("previous", await at(before)))
    if next is not None:
        links.append(("next", await at(cursor.following(next))))
    return links
