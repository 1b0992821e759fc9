"""An engine for tests alone: in memory, as far away as a test wants it, its commits in any order.

It has no index, no file and no thread of its own. What runs on it relies on nothing but `store/protocol.py`: every call
takes a journey there and one back, and calls that were begun together arrive in an order that chance decides.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cmp_to_key
from pathlib import Path
from typing import Any

from fhir_server.fhir.json import instant
from fhir_server.fhir.outcome import InvalidParameter, TooCostly, Unavailable
from fhir_server.store.filters import EVERYTHING, Filter, Id, Index, Linked, LinkedFrom, both
from fhir_server.store.matching import matches, pack, unpack
from fhir_server.store.protocol import (
    NEWEST,
    Changed,
    Changes,
    Delete,
    Drop,
    Guard,
    Keep,
    Page,
    Position,
    Put,
    Scope,
    Sort,
    Stale,
    Version,
    Write,
)

#: Links that may follow one another, as on the other engines far more than any query needs.
DEEPEST = 100


@dataclass(slots=True)
class Resource:
    """A resource: its versions, oldest first, and the index it is found by."""

    number: int
    index: Index
    versions: list[tuple[int, Version]] = field(default_factory=list)

    @property
    def seq(self) -> int:
        """Of the current version."""
        return self.versions[-1][0]

    @property
    def current(self) -> Version:
        """The latest version."""
        return self.versions[-1][1]


Name = tuple[str, str]


@dataclass(slots=True)
class Data:
    """Everything a store holds: outlives the engines that open it, as a file would."""

    resources: dict[Name, Resource] = field(default_factory=dict)
    log: list[tuple[int, Version]] = field(default_factory=list)
    records: dict[tuple[str, str], tuple[bytes, float | None]] = field(default_factory=dict)


class Distance:
    """How far away the data are."""

    def __init__(self, seconds: float, dice: random.Random) -> None:
        self._seconds = seconds
        self._dice = dice
        self.calls = 0
        self.closed = False

    async def there(self) -> None:
        """A request's way to the data, of a length that nobody knows beforehand."""
        if self.closed:
            raise Unavailable("The server is stopping.", headers={"Retry-After": "5"})
        self.calls += 1
        await asyncio.sleep(self._seconds * self._dice.random())

    async def back(self) -> None:
        """The answer's way."""
        await asyncio.sleep(self._seconds * self._dice.random())


def _without_texts(index: Index) -> Index:
    """`Store.history`: texts of past versions are not kept."""
    return Index(index.words, index.spans)


class MemoryStore:
    """`Store` by the meaning of filters alone."""

    def __init__(self, data: Data, distance: Distance) -> None:
        self._data = data
        self._distance = distance

    async def read(self, type: str, id: str) -> Version | None:
        await self._distance.there()
        found = self._data.resources.get((type, id))
        version = found.current if found else None
        await self._distance.back()
        return version

    async def vread(self, type: str, id: str, version: int) -> Version | None:
        await self._distance.there()
        found = self._data.resources.get((type, id))
        versions = [self._seen(one) for _, one in found.versions if one.version == version] if found else []
        await self._distance.back()
        return versions[0] if versions else None

    async def find(
        self,
        scope: Scope,
        sort: Sequence[Sort] = NEWEST,
        after: Position | None = None,
        count: int = 50,
        most_bytes: int | None = None,
    ) -> Page:
        await self._distance.there()
        page = self._page(scope, tuple(sort) or NEWEST, after, count, most_bytes)
        await self._distance.back()
        return page

    async def find_each(self, scopes: Sequence[Scope], count: int = 50) -> list[Page]:
        await self._distance.there()
        pages = [self._page(scope, NEWEST, None, count) for scope in scopes]
        await self._distance.back()
        return pages

    async def count(self, scope: Scope, limit: int | None = None) -> int:
        await self._distance.there()
        found = len(self._found(scope))
        await self._distance.back()
        return found if limit is None else min(found, limit)

    async def history(
        self,
        scope: Scope,
        id: str | None = None,
        since: int | None = None,
        at: tuple[int, int] | None = None,
        after: Position | None = None,
        count: int = 50,
        most_bytes: int | None = None,
    ) -> Page:
        await self._distance.there()
        before = _place(after, "history") if after is not None else None
        rows = [row for row in self._history(scope, id, since, at) if before is None or row[0] < before]
        rows.sort(key=lambda row: row[0], reverse=True)
        count = _fitting([version for _, version in rows[:count]], count, most_bytes)
        await self._distance.back()
        page = tuple(replace(version, current=self._is_current(version)) for _, version in rows[:count])
        return Page(page, (rows[count - 1][0],) if len(rows) > count > 0 else None)

    async def history_count(
        self, scope: Scope, id: str | None = None, since: int | None = None, at: tuple[int, int] | None = None
    ) -> int:
        await self._distance.there()
        found = len(self._history(scope, id, since, at))
        await self._distance.back()
        return found

    async def transact(self, writes: Sequence[Write], guards: Sequence[Guard] = ()) -> list[Version]:
        await self._distance.there()
        for guard in guards:
            if {id for _, id in self._found({guard.type: guard.where})} != guard.ids:
                raise Stale(guard=guard)
        latest: dict[Name, int] = {}
        for write in writes:
            name = (write.type, write.id)
            known = self._data.resources.get(name)
            expected = latest.get(name, known.current.version if known else 0)
            if write.expected != expected or (isinstance(write, Delete) and not write.expected):
                raise Stale(write)
            latest[name] = expected + 1
        at = max(int(time.time() * 1000), self._data.log[-1][1].at if self._data.log else 0)
        versions = [self._write(write, at) for write in writes]
        await self._distance.back()
        return versions

    async def changes(self, after: Position | None, types: Sequence[str] = (), count: int = 1_000) -> Changes:
        await self._distance.there()
        last = len(self._data.log)
        since = last if after is None else _place(after, "changes")
        if since > last:
            raise InvalidParameter("The place is not one of this store's changes.", "http.cursor")
        rows = [(seq, v) for seq, v in self._data.log[since:] if not types or v.type in types][:count]
        await self._distance.back()
        changed = tuple(Changed(v.type, v.id, v.version, v.at, v.method) for _, v in rows)
        return Changes(changed, (rows[-1][0] if len(rows) == count else last,))

    async def walk(self, types: Sequence[str], after: Position | None = None, count: int = 500) -> Page:
        await self._distance.there()
        since = after[0] if after else 0
        rows = sorted(
            (one for (type, _), one in self._data.resources.items() if type in types and one.number > since),  # type: ignore[operator]
            key=lambda one: one.number,
        )
        await self._distance.back()
        more = len(rows) > count > 0
        return Page(tuple(one.current for one in rows[:count]), (rows[count - 1].number,) if more else None)

    async def reindex(self, entries: Sequence[tuple[Version, Index]]) -> int:
        await self._distance.there()
        done = 0
        for version, index in entries:
            known = self._data.resources.get((version.type, version.id))
            for place, (seq, one) in enumerate(known.versions if known else ()):
                if known is not None and one.version == version.version:
                    known.versions[place] = (seq, replace(one, packed=pack(index)))
                    if self._is_current(one):
                        known.index, done = index, done + 1
        await self._distance.back()
        return done

    def explain(self, scope: Scope, sort: Sequence[Sort] = NEWEST) -> Sequence[str]:
        return [f"{type}: every resource is looked at" for type in scope] or ["nothing can match"]

    def _write(self, write: Write, at: int) -> Version:
        name = (write.type, write.id)
        known = self._data.resources.get(name)
        if known is None:
            known = self._data.resources[name] = Resource(len(self._data.resources) + 1, Index())
        if isinstance(write, Put):
            known.index = write.index
            stamp = instant(at).encode()
            body = write.body[: write.stamp] + stamp + write.body[write.stamp + len(stamp) :]
            version = Version(*name, write.expected + 1, at, write.method, body, pack(write.index))
        else:
            version = Version(*name, write.expected + 1, at, "DELETE", b"", pack(known.index))
        row = (len(self._data.log) + 1, version)
        known.versions.append(row)
        self._data.log.append(row)
        return version

    def _seen(self, version: Version) -> Version:
        """As it is given out: with the index that its resource has now, and its own beside."""
        if self._is_current(version):
            return version
        now = self._data.resources[version.type, version.id].index
        return replace(version, packed=pack(now), current=False, past=version.packed)

    def _is_current(self, version: Version) -> bool:
        return self._data.resources[version.type, version.id].current.version == version.version

    def _found(self, scope: Scope) -> list[Name]:
        return [
            (type, id)
            for (type, id), one in self._data.resources.items()
            if type in scope and not one.current.deleted and self._holds(scope[type], type, id)
        ]

    def _holds(self, where: Filter, type: str, id: str, depth: int = 0, past: Version | None = None) -> bool:
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
            not self._data.resources[name].current.deleted and self._holds(link.where, *name, depth) for name in there
        )

    def _page(
        self,
        scope: Scope,
        sort: Sequence[Sort],
        after: Position | None,
        count: int,
        most_bytes: int | None = None,
    ) -> Page:
        rows = [self._row(name, sort) for name in self._found(scope)]
        # Where there is something to meet, everything was looked at: that tells how many there are.
        total = len(rows) if after is None and EVERYTHING not in scope.values() else None
        if after is not None:
            place = _checked(after, sort)
            rows = [row for row in rows if _compare(row, (place, ("", "")), sort) > 0]
        rows.sort(key=cmp_to_key(lambda a, b: _compare(a, b, sort)))
        versions = tuple(self._data.resources[name].current for _, name in rows[:count])
        count = _fitting(versions, count, most_bytes)
        versions = versions[:count]
        return Page(versions, rows[count - 1][0] if len(rows) > count > 0 else None, total)

    def _row(self, name: Name, sort: Sequence[Sort]) -> Row:
        one = self._data.resources[name]
        last = len(sort) - 1
        return (*(_value(one, name[1], key, n == last) for n, key in enumerate(sort)), one.number), name

    def _history(
        self, scope: Scope, id: str | None, since: int | None, at: tuple[int, int] | None
    ) -> list[tuple[int, Version]]:
        found: list[tuple[int, Version]] = []
        for (type, own), one in self._data.resources.items():
            if type not in scope or not self._holds(both(scope[type], Id((id,))) if id else scope[type], type, own):
                continue
            ends = [version.at for _, version in one.versions[1:]] + [None]
            found += [
                row
                for row, end in zip(one.versions, ends, strict=True)
                if (self._is_current(row[1]) or self._holds(scope[type], type, own, past=row[1]))
                and (since is None or row[1].at >= since)
                and (at is None or (row[1].at <= at[1] and (end is None or end > at[0])))
            ]
        return found


class MemoryRecords:
    """`Records` in a dictionary."""

    def __init__(self, data: Data, distance: Distance) -> None:
        self._records = data.records
        self._distance = distance

    async def apply(self, changes: Sequence[Keep | Drop]) -> bool:
        await self._distance.there()
        done = self._applied(changes)
        await self._distance.back()
        return done

    async def get_each(self, keys: Sequence[tuple[str, str]]) -> list[bytes | None]:
        await self._distance.there()
        found = [self._get(*key) for key in keys]
        await self._distance.back()
        return found

    async def put(self, kind: str, key: str, value: bytes, ttl_seconds: float | None = None) -> None:
        await self.apply([Keep(kind, key, value, ttl_seconds)])

    async def add(self, kind: str, key: str, value: bytes, ttl_seconds: float | None = None) -> bool:
        return await self.apply([Keep(kind, key, value, ttl_seconds, new=True)])

    async def get(self, kind: str, key: str) -> bytes | None:
        return (await self.get_each([(kind, key)]))[0]

    async def take(self, kind: str, key: str) -> bytes | None:
        await self._distance.there()
        value = self._get(kind, key)
        self._records.pop((kind, key), None)
        await self._distance.back()
        return value

    async def swap(self, kind: str, key: str, old: bytes, new: bytes) -> bool:
        await self._distance.there()
        done = self._get(kind, key) == old
        if done:
            self._records[kind, key] = (new, self._records[kind, key][1])
        await self._distance.back()
        return done

    async def list(self, kind: str, prefix: str = "") -> list[tuple[str, bytes]]:
        await self._distance.there()
        keys = sorted(key for own, key in self._records if own == kind and key.startswith(prefix))
        found = [(key, value) for key in keys if (value := self._get(kind, key)) is not None]
        await self._distance.back()
        return found

    def _applied(self, changes: Sequence[Keep | Drop]) -> bool:
        there: dict[tuple[str, str], bytes | None] = {}
        for change in changes:
            place = (change.kind, change.key)
            if isinstance(change, Keep) and not change.fits(there.get(place, self._get(*place))):
                return False
            there[place] = change.value if isinstance(change, Keep) else None
        for change in changes:
            place = (change.kind, change.key)
            if isinstance(change, Keep):
                ends = None if change.ttl_seconds is None else time.time() + change.ttl_seconds
                if change.old is not None and change.ttl_seconds is None:
                    ends = self._records[place][1]
                self._records[place] = (change.value, ends)
            else:
                self._records.pop(place, None)
        return True

    def _get(self, kind: str, key: str) -> bytes | None:
        value, ends = self._records.get((kind, key), (None, None))
        return value if ends is None or ends > time.time() else None


class MemoryEngine:
    """`Engine` over some data."""

    def __init__(self, data: Data | None = None, seconds: float = 0.0, seed: int = 1) -> None:
        """A call takes up to `seconds` each way; `seed` decides how long each takes."""
        held = data or Data()
        self.distance = Distance(seconds, random.Random(seed))
        self.store = MemoryStore(held, self.distance)
        self.records = MemoryRecords(held, self.distance)
        self._data = held

    @property
    def pending(self) -> int:
        return 0

    async def unwritable(self) -> str | None:
        return None

    async def backup(self, target: Path) -> None:
        raise Unavailable("What is in memory has no backup.")

    async def check(self) -> AsyncIterator[str]:
        for (type, id), one in self._data.resources.items():
            if [version.version for _, version in one.versions] != list(range(1, len(one.versions) + 1)):
                yield f"the versions of {type}/{id} have a gap"
            if unpack(one.current.packed) != one.index:
                yield f"the index of {type}/{id} is not the one it is found by"

    async def close(self) -> None:
        self.distance.closed = True


#: The values of the sort keys and the number of the resource; then its name.
Row = tuple[tuple[Any, ...], Name]


def _fitting(versions: Sequence[Version], count: int, most_bytes: int | None) -> int:
    """How many versions a page has whose bodies are no longer than `most_bytes`, but for one."""
    left = most_bytes if most_bytes is not None else 0
    for n, version in enumerate(versions if most_bytes is not None else ()):
        left -= len(version.body)
        if left < 0:
            return max(n, 1)
    return count


def _value(one: Resource, id: str, key: Sort, last: bool) -> Any:
    if key.kind == "own":
        return id if key.param == "_id" else one.seq if last else one.current.at
    if key.kind == "word":
        values: list[Any] = [w.value for w in one.index.words if w.param == key.param]
    else:
        values = [s.high if key.descending else s.low for s in one.index.spans if s.param == key.param]
    return (max if key.descending else min)(values) if values else None


def _compare(one: Row, other: Row, sort: Sequence[Sort]) -> int:
    for key, x, y in zip(sort, one[0], other[0], strict=False):
        if x != y:
            if x is None or y is None:
                return 1 if x is None else -1
            return (-1 if x < y else 1) * (-1 if key.descending else 1)
    return (one[0][-1] - other[0][-1]) * (-1 if sort[0].descending else 1)


def _checked(place: Position, sort: Sequence[Sort]) -> tuple[Any, ...]:
    numbers = [value for value in place if isinstance(value, int | float)]
    whole = bool(place) and isinstance(place[-1], int) and not isinstance(place[-1], bool)
    if len(place) != len(sort) + 1 or not whole or any(abs(number) > 2**63 - 1 for number in numbers):
        raise InvalidParameter("The page asked for is not one of this search.", "http.cursor")
    return place


def _place(place: Position, what: str) -> int:
    if len(place) != 1 or not isinstance(place[0], int) or not 0 <= place[0] < 2**62:
        raise InvalidParameter(f"The place is not one of this {what}.", "http.cursor")
    return place[0]


#: URL of a store → what it holds, so that it is there again when it is opened again.
_opened: dict[str, Data] = {}


def reopened(url: str, seconds: float = 0.0) -> MemoryEngine:
    """An engine over what was kept under this URL in this process."""
    return MemoryEngine(_opened.setdefault(url, Data()), seconds)


def forget() -> None:
    """Drop what all stores hold."""
    _opened.clear()
