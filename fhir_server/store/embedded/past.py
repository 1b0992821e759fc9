"""Whether a past version satisfied a filter by its own index, which is kept beside its body and not in rows.

A function of SQL reads it there: `CASE` asks it of past versions alone, so that what is current costs nothing more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fhir_server.store.embedded.sql import Sql
from fhir_server.store.filters import Filter, Id, Index, Linked, LinkedFrom, Refers, both
from fhir_server.store.matching import matches, unpack

if TYPE_CHECKING:
    from fhir_server.store.embedded.search import Search

_FUNCTION = "past_satisfied"
_OWN = "(SELECT substr(c.bytes, v.size + 1) FROM content c WHERE c.seq = v.seq)"


class Past:
    """Judges past versions on the connection of a `Search`."""

    def __init__(self, search: Search) -> None:
        """`search` is asked what the links of a filter lead to."""
        self._search = search
        self._filters: list[Filter] = []
        self._links: dict[tuple[int, object], bool] = {}
        search.connection.create_scalar_function(_FUNCTION, self._satisfied, 5)

    def begin(self) -> None:
        """A statement of its own begins: what was found out for the last one may no longer be so."""
        self._filters.clear()
        self._links.clear()

    def satisfied(self, where: Filter) -> Sql:
        """That version `v` of resource `r` is the current one, or satisfied `where` by its own index."""
        self._filters.append(where)
        number = len(self._filters) - 1
        return Sql(f"CASE WHEN v.seq=r.seq THEN 1 ELSE {_FUNCTION}({number:d}, v.type, r.id, v.at, {_OWN}) END")

    def _satisfied(self, *given: Any) -> bool:
        number, type, id, at, packed = given
        index = unpack(packed)
        kind = self._search.kind(type)
        return matches(
            self._filters[number], index, id, at * 1000, lambda link: self._holds(link, index, f"{kind}/{id}")
        )

    def _holds(self, link: Linked | LinkedFrom, index: Index, own: str) -> bool:
        targets = _targets(link, index) if isinstance(link, Linked) else own
        if not targets:
            return False
        # Filters stay as long as the statement, so that no two of them share an identity.
        known = self._links.get((id(link), targets))
        if known is None:
            there = Id(targets) if isinstance(targets, tuple) else Refers(link.param, targets)
            known = self._search.count({link.type: both(there, link.where)}, 1) > 0
            self._links[id(link), targets] = known
        return known


def _targets(link: Linked, index: Index) -> tuple[str, ...]:
    prefix = link.type + "/"
    return tuple(w.value[len(prefix) :] for w in index.words if w.param == link.param and w.value.startswith(prefix))
