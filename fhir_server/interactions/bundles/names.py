"""What the entries of a transaction are called, and conditions that speak of them by that name.

https://hl7.org/fhir/R4/http.html#trules, https://hl7.org/fhir/R4/bundle.html#references. `ifNoneExist` may say
`subject=urn:uuid:…` of another entry: until it is known where that entry's resource is, the condition cannot be judged,
and as it is written it would match nothing, each time anew.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial

from fhir_server.fhir.outcome import Malformed
from fhir_server.interactions import conditional, statement
from fhir_server.interactions.bundles import links
from fhir_server.interactions.bundles.entries import Entry
from fhir_server.interactions.exchange import Context, Request
from fhir_server.store.filters import And, Filter, Linked, LinkedFrom, Not, Or, Refers, Together, either

#: What may be a whole reference in the value of a search parameter: between commas, or the blanks of a `_filter`.
_VALUE = re.compile(r"[^,$()\s]+")
#: A parameter, at the end of a chain or of `_has` too, whose value is an id and no reference.
_OF_ID = re.compile(r"(?:^|[.:])_id(?::not)?$")


class Names:
    """The entries of one transaction by their `fullUrl`.

    Attributes:
        places: `fullUrl` → `Type/id`, for what is known so far.
    """

    def __init__(self, entries: Iterable[Entry], base: str) -> None:
        """`entries`: those that write. What is deleted is there no more, and nothing can name it."""
        self.places: dict[str, str] = {}
        self._urls = {one.full_url: one.full_url for one in entries if one.full_url and one.request.method != "DELETE"}
        self._base = base

    def named(self, where: Filter, full_url: str = "") -> frozenset[str]:
        """The entries that a condition speaks of, by `fullUrl`.

        Args:
            where: the condition as it was written.
            full_url: of the entry whose condition it is: relative references are read from there.
        """
        if not self._urls:
            return frozenset()
        found = (self._of(target, self._urls, full_url) for target in _targets(where))
        return frozenset(url for url in found if url is not None)

    def settled(self, where: Filter, full_url: str = "") -> Filter:
        """The condition with each entry it names where that is kept."""
        if not self.places:
            return where
        return _rewritten(where, lambda target: self._of(target, self.places, full_url))

    def names(self, request: Request) -> bool:
        """Whether a read's URL names an entry as only this Bundle calls it, by `urn:`."""
        said = [*request.path, *(piece for _, value in request.query for piece in _VALUE.findall(value))]
        return any(piece.startswith("urn:") and piece in self._urls for piece in said)

    def asked(self, request: Request) -> Request:
        """A read with each entry that its URL names where that is kept: reads come after what is written."""
        if not self.places:
            return request
        path: list[str] = []
        for segment in request.path:
            type, _, id = self.places.get(segment, "").partition("/")
            path += [segment] if not id else [id] if path[-1:] == [type] else [type, id]
        query = tuple((name, _VALUE.sub(partial(self._value, name), value)) for name, value in request.query)
        return replace(request, path=tuple(path), query=query)

    def _value(self, name: str, found: re.Match[str]) -> str:
        place = self.places.get(found[0], found[0])
        return place.rpartition("/")[2] if _OF_ID.search(name) and place != found[0] else place

    def _of(self, target: str, known: Mapping[str, str], full_url: str) -> str | None:
        # A reference under the server's own base has been made relative.
        return links.place_of(target, known, full_url) or known.get(f"{self._base}/{target}")


def in_turn(entries: Iterable[Entry], waits_for: Mapping[int, frozenset[str]]) -> tuple[list[Entry], list[Entry]]:
    """The entries so that each comes after those its condition names; and those that wait for one another.

    Args:
        entries: in the order of processing, which is kept where nothing waits.
        waits_for: number of an entry → the `fullUrl`s that its condition names.
    """
    everything = list(entries)
    left = {entry.number: set(waits_for.get(entry.number, ())) for entry in everything}
    waiting: dict[str, list[Entry]] = {}
    for entry in everything:
        for url in left[entry.number]:
            waiting.setdefault(url, []).append(entry)
    ready = deque(entry for entry in everything if not left[entry.number])
    ordered: list[Entry] = []
    while ready:
        entry = ready.popleft()
        ordered.append(entry)
        for other in waiting.pop(entry.full_url, ()):
            left[other.number].discard(entry.full_url)
            if not left[other.number]:
                ready.append(other)
    done = {entry.number for entry in ordered}
    return ordered, [entry for entry in everything if entry.number not in done]


def condition_of(entry: Entry, context: Context) -> Filter | None:
    """The condition by which an entry that writes finds its resource; None when it has none.

    Raises:
        FhirError: as `conditional.filter_of`.
    """
    request = entry.request
    if not request.path or not statement.supports(request.path[0]) or request.method in ("GET", "HEAD"):
        return None
    if request.method == "POST":
        criteria: conditional.Criteria | None = request.headers.get("if-none-exist")
    else:
        criteria = request.query if len(request.path) == 1 else None
    return None if criteria is None else conditional.filter_of(context, request.path[0], criteria)


def refuse_ended(entry: Entry) -> None:
    """Refuse a deletion whose criteria name another entry: deletions come first, before anything is made or found.

    Raises:
        Malformed: (400).
    """
    if entry.request.method == "DELETE":
        raise Malformed(
            "A deletion comes before the other entries, and its criteria cannot name one of them.",
            f"{entry.where}.request.url",
            code="conflict",
        )


def _targets(where: Filter) -> Iterator[str]:
    match where:
        case Refers():
            yield where.target
        case And() | Or() | Together():
            for part in where.parts:
                yield from _targets(part)
        case Not():
            yield from _targets(where.part)
        case Linked() | LinkedFrom():
            yield from _targets(where.where)


def _rewritten(where: Filter, place: links.Place) -> Filter:
    match where:
        case Refers():
            return _refers(where, place(where.target))
        case And() | Or() | Together():
            return replace(where, parts=tuple(_rewritten(part, place) for part in where.parts))
        case Not():
            return Not(_rewritten(where.part, place))
        case Linked() | LinkedFrom():
            return replace(where, where=_rewritten(where.where, place))
        case _:
            return where


def _refers(where: Refers, place: str | None) -> Filter:
    if place is None or place == where.target:
        return where
    moved = replace(where, target=place)
    # Canonicals are not rewritten (R4 http.html#trules), and a reference parameter may speak of one.
    return moved if where.target.startswith("urn:") else either([moved, where])
