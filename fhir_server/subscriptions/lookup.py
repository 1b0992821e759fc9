"""Finds the Subscriptions that a version may concern by the words it is indexed by, without judging all of them.

Most criteria ask for a word: a patient, a code. What asks for none is judged of every version of its type.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fhir_server.store.filters import And, Filter, Id, Index, Or, Refers, Token, Uri

#: A search parameter and a value: of a word row, or "_id" and the id.
Asked = tuple[str, str]


def asked(where: Filter) -> frozenset[Asked] | None:
    """Words of which everything that satisfies `where` has one; None where none is known to be needed."""
    match where:
        case Token(param, str(code)):
            return frozenset({(param, code)})
        case Refers(param, target):
            return frozenset({(param, target)})
        case Uri(param, value, "equal"):
            return frozenset({(param, value)})
        case Id(ids):
            return frozenset(("_id", id) for id in ids)
        case Or(parts):
            each = [asked(part) for part in parts]
            known = [one for one in each if one is not None]
            return frozenset[Asked]().union(*known) if len(known) == len(each) else None
        case And(parts):
            # A reference is rarer than a code, and one value than several.
            found = [(len(some), not isinstance(part, Refers), some) for part, some in _of(parts)]
            return min(found, key=lambda one: one[:2])[2] if found else None
    return None


def _of(parts: Iterable[Filter]) -> Iterator[tuple[Filter, frozenset[Asked]]]:
    for part in parts:
        if (some := asked(part)) is not None:
            yield part, some


class Lookup:
    """Ids of Subscriptions, by what their criteria ask for."""

    def __init__(self, criteria: Iterable[tuple[str, str, Filter]]) -> None:
        """`criteria`: id of a Subscription, the resource type that it is about, and the filter of these resources."""
        self._by_word: dict[tuple[str, Asked], list[str]] = {}
        self._always: dict[str, list[str]] = {}
        for id, type, where in criteria:
            needed = asked(where)
            if needed is None:
                self._always.setdefault(type, []).append(id)
                continue
            for one in needed:
                self._by_word.setdefault((type, one), []).append(id)

    def types(self) -> set[str]:
        """The resource types that some of them are about."""
        return {*self._always, *(type for type, _ in self._by_word)}

    def perhaps(self, type: str, id: str, index: Index) -> set[str]:
        """Those that a version of that type, id and index may concern: all that it does, and perhaps others."""
        found = {*self._always.get(type, ()), *self._by_word.get((type, ("_id", id)), ())}
        for word in index.words:
            found.update(self._by_word.get((type, (word.param, word.value)), ()))
        return found
