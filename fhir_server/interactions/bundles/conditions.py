"""Conditions of a transaction that its own entries could make untrue: what nothing matched must match one at the end.

https://hl7.org/fhir/R4/http.html#trules: an outcome never depends on the order of the entries, and no two of them are
the same resource. The engine's guards speak of what was stored before; here the entries are held against each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fhir_server.fhir.outcome import TooCostly
from fhir_server.search.indexing.extract import extract
from fhir_server.search.parameters.registry import Registry
from fhir_server.store.filters import And, Filter, Index, Or, Refers, Token
from fhir_server.store.matching import matches

#: The most comparisons of an entry with a condition in one transaction.
MOST = 500_000
#: Comparisons before others get their turn on the event loop.
TURN = 5_000

#: A word row an index must have: (param, value).
Needed = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Written:
    """A resource that a transaction would write: its type, id and index rows."""

    type: str
    id: str
    index: Index


def written(type: str, id: str, tree: dict[str, Any], registry: Registry, base: str) -> Written:
    """What `tree` could be found by, once it is written."""
    return Written(type, id, extract(type, tree, registry, base))


def satisfies(found: Written, where: Filter) -> bool:
    """Whether a resource of the transaction would match; links to other resources are not followed."""
    return matches(where, found.index, found.id, 0, lambda _: False)


class Made:
    """The resources of a transaction by what finds them: a condition is held against the likely ones only."""

    def __init__(self, all_written: Iterable[Written]) -> None:
        """`all_written`: as they would be written."""
        self._by_type: dict[str, list[Written]] = {}
        self._by_word: dict[tuple[str, Needed], list[Written]] = {}
        self._compared = 0
        for one in all_written:
            self._by_type.setdefault(one.type, []).append(one)
            for word in {(word.param, word.value) for word in one.index.words}:
                self._by_word.setdefault((one.type, word), []).append(one)

    async def matching(self, type: str, where: Filter) -> list[Written]:
        """Those of `type` that would match, each once.

        Raises:
            TooCostly: this and what was asked before are of kinds that need more than `MOST` comparisons.
        """
        words = needed(where)
        likely = self._by_type.get(type, []) if words is None else self._having(type, words)
        before, self._compared = self._compared, self._compared + len(likely)
        if self._compared > MOST:
            raise TooCostly("The entries' conditions are too many to be held against each other.", "Bundle.entry")
        if self._compared // TURN != before // TURN:
            await asyncio.sleep(0)
        return [one for one in likely if satisfies(one, where)]

    def _having(self, type: str, words: frozenset[Needed]) -> list[Written]:
        found = (one for word in words for one in self._by_word.get((type, word), ()))
        return list({one.id: one for one in found}.values())


async def broken(conditions: Sequence[tuple[str, str, Filter]], made: Made) -> list[int]:
    """Which conditions another resource of the transaction matches too.

    Args:
        conditions: (type, id of the resource made because nothing matched, the condition) of each.
        made: the resources of the transaction.

    Returns:
        Indexes into `conditions`, in order.

    Raises:
        TooCostly: as `Made.matching`.
    """
    return [
        n
        for n, (type, id, where) in enumerate(conditions)
        if any(other.id != id for other in await made.matching(type, where))
    ]


def needed(where: Filter) -> frozenset[Needed] | None:
    """Words of which whatever matches has at least one; None where that cannot be said."""
    match where:
        case Token(code=str() as code):
            return frozenset({(where.param, code)})
        case Refers():
            return frozenset({(where.param, where.target)})
        case And():
            return next((words for part in where.parts if (words := needed(part)) is not None), None)
        case Or():
            each = [needed(part) for part in where.parts]
            known = [words for words in each if words is not None]
            return frozenset().union(*known) if len(known) == len(each) else None
    return None
