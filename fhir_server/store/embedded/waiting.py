"""What one transaction has taken and not written yet, and whether a guard may hang on it.

Writing a few rows costs as many statements as writing many, and between two of them the writer waits its turn. So a
guard is judged by what is in the file, as long as nothing that waits has to do with it.
"""

from __future__ import annotations

from fhir_server.store.filters import Index
from fhir_server.store.matching import has_links, matches
from fhir_server.store.protocol import Guard

#: Resources of one type that a guard is held against one by one; of more, all are written instead.
_MOST = 64


class Waiting:
    """The resources that wait to be written, each as it will be."""

    def __init__(self) -> None:
        self._by_type: dict[str, dict[str, Index | None]] = {}

    def take(self, type: str, id: str, index: Index | None) -> None:
        """One more waits, or the same again; None for the index of a deletion."""
        self._by_type.setdefault(type, {})[id] = index

    def clear(self) -> None:
        """All of them are written."""
        self._by_type.clear()

    def has(self, type: str) -> bool:
        """Whether one of a type waits."""
        return type in self._by_type

    def decides(self, guard: Guard, at: int) -> bool:
        """Whether a guard that holds in the file may not hold once what waits is written.

        It matches only what is written already where nothing that waits is one of those it expects, or would match it.

        Args:
            guard: what is judged.
            at: the instant of what waits, ms since 1970 UTC.
        """
        if has_links(guard.where):
            return bool(self._by_type)
        some = self._by_type.get(guard.type, {})
        if len(some) > _MOST:
            return True
        return any(
            id in guard.ids or (index is not None and matches(guard.where, index, id, at * 1000))
            for id, index in some.items()
        )
