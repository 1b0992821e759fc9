"""Which resources satisfy a filter: by its meaning alone, every one of them looked at."""

from __future__ import annotations

from fhir_server.fhir.outcome import TooCostly
from fhir_server.store.filters import Filter, Id, Index, Linked, LinkedFrom, both
from fhir_server.store.matching import matches, unpack
from fhir_server.store.protocol import Scope, Version
from tests.store.memory.data import Data, Name

#: Links that may follow one another, as on the other engines far more than any query needs.
DEEPEST = 100


class Judging:
    """Judges what `Data` holds."""

    def __init__(self, data: Data) -> None:
        self._data = data

    def found(self, scope: Scope) -> list[Name]:
        return [
            (type, id)
            for (type, id), one in self._data.resources.items()
            if type in scope and not one.current.deleted and self.holds(scope[type], type, id)
        ]

    def holds(self, where: Filter, type: str, id: str, depth: int = 0, past: Version | None = None) -> bool:
        """Whether a resource satisfies `where` as it is now, or as it was in the version `past`."""
        if depth > DEEPEST:
            raise TooCostly(f"The query follows more than {DEEPEST} links in a row.")
        one = self._data.resources[type, id]
        index, at = (_without_texts(unpack(past.packed)), past.at) if past else (one.index, one.current.at)
        return matches(where, index, id, at * 1000, lambda link: self._linked(link, index, type, id, depth + 1))

    def _linked(self, link: Linked | LinkedFrom, index: Index, type: str, id: str, depth: int) -> bool:
        if isinstance(link, Linked):
            targets = {w.value for w in index.words if w.param == link.param}
            names = [
                (link.type, one.removeprefix(link.type + "/")) for one in targets if one.startswith(link.type + "/")
            ]
        else:
            names = [
                name
                for name, one in self._data.resources.items()
                if name[0] == link.type
                and any(w.param == link.param and w.value == f"{type}/{id}" for w in one.index.words)
            ]
        there = (name for name in names if name in self._data.resources)
        return any(
            not self._data.resources[name].current.deleted and self.holds(link.where, *name, depth) for name in there
        )

    def history(
        self, scope: Scope, id: str | None, since: int | None, at: tuple[int, int] | None
    ) -> list[tuple[int, Version]]:
        found: list[tuple[int, Version]] = []
        for (type, own), one in self._data.resources.items():
            if type not in scope or not self.holds(both(scope[type], Id((id,))) if id else scope[type], type, own):
                continue
            ends = [version.at for _, version in one.versions[1:]] + [None]
            found += [
                row
                for row, end in zip(one.versions, ends, strict=True)
                if (self.is_current(row[1]) or self.holds(scope[type], type, own, past=row[1]))
                and (since is None or row[1].at >= since)
                and (at is None or (row[1].at <= at[1] and (end is None or end > at[0])))
            ]
        return found

    def is_current(self, version: Version) -> bool:
        return self._data.resources[version.type, version.id].current.version == version.version


def _without_texts(index: Index) -> Index:
    """`Store.history`: texts of past versions are not kept."""
    return Index(index.words, index.spans)
