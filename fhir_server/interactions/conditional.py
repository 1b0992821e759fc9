"""Search criteria that say which resource an interaction is about: none, one or too many.

https://hl7.org/fhir/R4/http.html#ccreate, https://hl7.org/fhir/R4/http.html#cond-update, https://hl7.org/fhir/R4/http.html#cdelete.
Each answer comes with the guard that must hold inside the engine's transaction, so that of two simultaneous conditional
creates one is judged again and finds the other's resource.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from fhir_server.fhir.outcome import FhirError, InvalidParameter, MultipleMatches, TooCostly
from fhir_server.interactions.exchange import Context
from fhir_server.search.asking.query import condition
from fhir_server.store.filters import Filter
from fhir_server.store.protocol import Guard, Page, Version, Want

#: What `If-None-Exist` holds (`identifier=a|1&active=true`), the decoded pairs of a URL's query, or the filter meant.
Criteria = str | Sequence[tuple[str, str]] | Filter

#: Conditions that are one question to the store: some milliseconds of work.
TOGETHER = 64

_IN_FRONT = re.compile(r"\A\s*([^?=&]*)\?")


@dataclass(frozen=True, slots=True)
class Match:
    """The one resource that matches, or None, and the guard that keeps it so."""

    version: Version | None
    guard: Guard


@dataclass(frozen=True, slots=True)
class Matches:
    """All that match, and the guard that keeps it so."""

    versions: tuple[Version, ...]
    guard: Guard


def filter_of(context: Context, type: str, criteria: Criteria) -> Filter:
    """The filter the criteria mean, read strictly: a parameter left out could choose another resource.

    Raises:
        PreconditionFailed: no criteria at all (412).
        InvalidParameter, NotSupported: a parameter is not understood, or they are about another type (400).
    """
    if isinstance(criteria, str):
        return condition(type, _of_type(type, criteria), context)
    return condition(type, criteria, context) if isinstance(criteria, Sequence) else criteria


def _of_type(type: str, criteria: str) -> str:
    """The query alone: clients send the header with the type and the `?` in front; a `?` may also stand in a value."""
    front = _IN_FRONT.match(criteria)
    if front is None:
        return criteria
    if front[1].rstrip("/").rpartition("/")[2] not in ("", type):
        raise InvalidParameter(f"The criteria are not about {type}, which the request is about.", "http.If-None-Exist")
    return criteria[front.end() :]


async def matching(
    context: Context,
    type: str,
    criteria: Criteria,
    ended: AbstractSet[str] = frozenset(),
    want: Want = "body",
) -> Match:
    """The one `type` that satisfies the criteria, as this caller sees it.

    Args:
        context: whose repository is searched.
        type: resource type.
        criteria: as `Criteria`.
        ended: ids that the same transaction deletes first, and that therefore match nothing.
        want: how much of the one is needed.

    Raises:
        MultipleMatches: several satisfy them (412).
        Forbidden: no scope to search the type.
    """
    context.repository.require(type, "s")
    where = filter_of(context, type, criteria)
    page = await context.repository.find({type: where}, count=2 + len(ended), want=want)
    return _match(context, type, where, page, ended)


async def each_matching(
    context: Context,
    asked: Sequence[tuple[str, Criteria]],
    ended_of: Callable[[str], AbstractSet[str]],
    want: Want = "head",
) -> list[Match | FhirError]:
    """As `matching` for each (type, criteria) of `asked`, in the same order; many are one question to the store.

    What `matching` would raise stands in its place.
    """
    found: list[Match | FhirError] = []
    for start in range(0, len(asked), TOGETHER):
        found += await _few_matching(context, asked[start : start + TOGETHER], ended_of, want)
        await asyncio.sleep(0)
    return found


async def _few_matching(
    context: Context,
    asked: Sequence[tuple[str, Criteria]],
    ended_of: Callable[[str], AbstractSet[str]],
    want: Want,
) -> list[Match | FhirError]:
    wheres = [_filter_or_error(context, type, criteria) for type, criteria in asked]
    scopes = [{type: w} for (type, _), w in zip(asked, wheres, strict=True) if not isinstance(w, FhirError)]
    most = 2 + max((len(ended_of(type)) for type, _ in asked), default=0)
    pages = iter(await context.repository.find_each(scopes, count=most, want=want))
    return [
        w if isinstance(w, FhirError) else _match_or_error(context, type, w, next(pages), ended_of(type))
        for (type, _), w in zip(asked, wheres, strict=True)
    ]


def _filter_or_error(context: Context, type: str, criteria: Criteria) -> Filter | FhirError:
    try:
        context.repository.require(type, "s")
        return filter_of(context, type, criteria)
    except FhirError as error:
        return error


def _match_or_error(
    context: Context, type: str, where: Filter, page: Page, ended: AbstractSet[str]
) -> Match | FhirError:
    try:
        return _match(context, type, where, page, ended)
    except MultipleMatches as error:
        return error


def _match(context: Context, type: str, where: Filter, page: Page, ended: AbstractSet[str]) -> Match:
    left = [version for version in page.versions if version.id not in ended]
    if len(left) > 1:
        raise MultipleMatches(f"Several {type} resources match the criteria.")
    ids = frozenset(version.id for version in page.versions)
    return Match(left[0] if left else None, context.repository.guard(type, where, ids))


async def all_matching(context: Context, type: str, criteria: Criteria) -> Matches:
    """Every `type` that satisfies the criteria.

    Raises:
        TooCostly: more than a page of the largest size.
    """
    context.repository.require(type, "s")
    where = filter_of(context, type, criteria)
    most = context.settings.max_page
    page = await context.repository.find({type: where}, count=most + 1)
    if len(page.versions) > most:
        raise TooCostly(f"More than {most} {type} resources match the criteria.")
    ids = frozenset(version.id for version in page.versions)
    return Matches(page.versions, context.repository.guard(type, where, ids))
