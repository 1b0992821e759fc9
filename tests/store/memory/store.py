"""`Store` in memory."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cmp_to_key

from msgspec import structs

from fhir_server.fhir.json import instant
from fhir_server.fhir.outcome import InvalidParameter
from fhir_server.store.chain import CHAINED, Erased, Link, Start, Stretch, begun, linked, said
from fhir_server.store.changes import Changed, Changes
from fhir_server.store.filters import EVERYTHING, Index
from fhir_server.store.matching import pack
from fhir_server.store.protocol import (
    NEWEST,
    Delete,
    Guard,
    Page,
    Position,
    Put,
    Scope,
    Sort,
    Stale,
    Version,
    Want,
    Write,
)
from tests.store.memory.data import Data, Distance, Name, Resource
from tests.store.memory.judging import Judging
from tests.store.memory.order import Row, checked, compare, fitting, place, value, wanted


def changed(data: Data, after: Position | None, types: Sequence[str], count: int) -> Changes:
    """What `Store.changes` gives."""
    last = len(data.log)
    since = last if after is None else place(after, "changes")
    if since > last:
        raise InvalidParameter("The place is not one of this store's changes.", "http.cursor")
    rows = [(seq, v) for seq, v in data.log[since:] if v.type and (not types or v.type in types)][:count]
    found = tuple(Changed(v.type, v.id, v.version, v.at, v.method) for _, v in rows)
    return Changes(found, (rows[-1][0] if len(rows) == count else last,))


class MemoryStore:
    """`Store` by the meaning of filters alone."""

    def __init__(self, data: Data, distance: Distance) -> None:
        self._data = data
        self._distance = distance
        self._judging = Judging(data)

    def new_id(self, type: str, owner: Callable[[], str | None] | None = None) -> str:
        """Led by whose it is, as an engine on several machines might."""
        return ((owner() if owner else None) or type).rpartition("/")[2].lower()[:6].rstrip("-.") + secrets.token_hex(9)

    async def read(self, type: str, id: str) -> Version | None:
        await self._distance.there()
        found = self._data.resources.get((type, id))
        version = found.current if found else None
        await self._distance.back()
        return version

    async def read_many(self, keys: Sequence[tuple[str, str]], want: Want = "body") -> list[Version | None]:
        await self._distance.there()
        found = [self._data.resources.get(key) for key in keys]
        versions = [wanted(one.current, want) if one else None for one in found]
        await self._distance.back()
        return versions

    async def vread_many(
        self, keys: Sequence[tuple[str, str, int]], want: Want = "body", most_bytes: int | None = None
    ) -> list[Version | None]:
        await self._distance.there()
        versions = [self._numbered(*key) for key in keys]
        await self._distance.back()
        return versions[: fitting(versions, len(keys), most_bytes)]

    async def find(
        self,
        scope: Scope,
        sort: Sequence[Sort] = NEWEST,
        after: Position | None = None,
        count: int = 50,
        most_bytes: int | None = None,
        want: Want = "body",
    ) -> Page:
        await self._distance.there()
        page = self._page(scope, tuple(sort) or NEWEST, after, count, most_bytes, want)
        await self._distance.back()
        return page

    async def find_each(self, scopes: Sequence[Scope], count: int = 50, want: Want = "body") -> list[Page]:
        await self._distance.there()
        pages = [self._page(scope, NEWEST, None, count, None, want) for scope in scopes]
        await self._distance.back()
        return pages

    async def count(self, scope: Scope, limit: int | None = None) -> int:
        await self._distance.there()
        found = len(self._judging.found(scope))
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
        want: Want = "body",
    ) -> Page:
        await self._distance.there()
        before = place(after, "history") if after is not None else None
        rows = [row for row in self._judging.history(scope, id, since, at) if before is None or row[0] < before]
        rows.sort(key=lambda row: row[0], reverse=True)
        count = fitting([version for _, version in rows[:count]], count, most_bytes)
        await self._distance.back()
        page = tuple(structs.replace(version, current=self._judging.is_current(version)) for _, version in rows[:count])
        return Page(page, (rows[count - 1][0],) if len(rows) > count > 0 else None)

    async def history_count(
        self, scope: Scope, id: str | None = None, since: int | None = None, at: tuple[int, int] | None = None
    ) -> int:
        await self._distance.there()
        found = len(self._judging.history(scope, id, since, at))
        await self._distance.back()
        return found

    async def transact(self, writes: Sequence[Write], guards: Sequence[Guard] = ()) -> list[Version]:
        await self._distance.there()
        versions = self.written(writes, guards)
        await self._distance.back()
        return versions

    def written(self, writes: Sequence[Write], guards: Sequence[Guard] = ()) -> list[Version]:
        """The commit itself."""
        for guard in guards:
            if {id for _, id in self._judging.found({guard.type: guard.where})} != guard.ids:
                raise Stale(guard=guard)
        latest: dict[Name, int] = {}
        for write in writes:
            name = (write.type, write.id)
            known = self._data.resources.get(name)
            expected = latest.get(name, known.current.version if known else 0)
            if write.expected != expected or (isinstance(write, Delete) and not write.expected):
                raise Stale(write)
            latest[name] = expected + 1
        claimed = self._claimed(writes)
        at = max(int(time.time() * 1000), self._data.log[-1][1].at if self._data.log else 0)
        versions = [self._write(write, at) for write in writes]
        self._settle(claimed)
        return versions

    async def append(self, puts: Sequence[Put]) -> None:
        """Each by itself, in any order."""
        await asyncio.gather(*[self.transact([put]) for put in puts])

    async def changes(self, after: Position | None, types: Sequence[str] = (), count: int = 1_000) -> Changes:
        await self._distance.there()
        found = changed(self._data, after, types, count)
        await self._distance.back()
        return found

    async def chain(self, after: int | None = None, since: int | None = None, count: int = 1_000) -> Stretch:
        await self._distance.there()
        links = [
            Link(seq, structs.replace(v, packed=b""), self._data.chain[seq])
            for seq, v in self._data.log
            if v.type == CHAINED
        ]
        links += [Link(seq, v, self._data.chain[seq], erased=left) for seq, (v, left) in self._data.erased.items()]
        links.sort(key=lambda link: link.place)
        if after is not None:
            links = [link for link in links if link.place > after]
        elif since is not None and links:
            links = [
                link
                for link, following in zip(links, [*links[1:], None], strict=True)
                if following is None or following.version.at >= since
            ]
        await self._distance.back()
        return Stretch(Start(0, begun(0, 0)), tuple(links[:count]))

    async def walk(self, scope: Scope, after: Position | None = None, count: int = 500, want: Want = "body") -> Page:
        """A page is so many resources looked at: what does not satisfy is missing from it."""
        await self._distance.there()
        since = place(after, "walk") if after is not None else 0
        ahead = [item for item in self._data.resources.items() if item[0][0] in scope and item[1].number > since]
        rows = sorted(ahead, key=lambda item: item[1].number)
        met = [one.current for name, one in rows[:count] if self._judging.holds(scope[name[0]], *name)]
        await self._distance.back()
        more = len(rows) > count > 0
        return Page(tuple(wanted(one, want) for one in met), (rows[count - 1][1].number,) if more else None)

    async def reindex(self, entries: Sequence[tuple[Version, Index]]) -> int:
        await self._distance.there()
        done = 0
        for version, index in entries:
            known = self._data.resources.get((version.type, version.id))
            for nth, (seq, one) in enumerate(known.versions if known else ()):
                if known is not None and one.version == version.version:
                    known.versions[nth] = (seq, structs.replace(one, packed=pack(index)))
                    if self._judging.is_current(one):
                        known.index, done = index, done + 1
        await self._distance.back()
        return done

    async def purge(self, keys: Sequence[Name], under: str = "") -> int:
        await self._distance.there()
        done = sum(self._purged(name, under) for name in dict.fromkeys(keys))
        await self._distance.back()
        return done

    async def scour(self) -> bool:
        await self._distance.there()
        await self._distance.back()
        return True

    def _purged(self, name: Name, under: str) -> bool:
        known = self._data.resources.pop(name, None)
        for seq, v in known.versions if known else ():
            gone = Version("", "", v.version, v.at, v.method, b"", b"")
            self._data.log[seq - 1] = (seq, gone)
            if v.type == CHAINED:
                left = Erased(said(v.id, v.version, v.method, v.body), under)
                self._data.erased[seq] = (structs.replace(gone, type=CHAINED), left)
        self._data.claims = {key: id for key, id in self._data.claims.items() if (key[0], id) != name}
        return known is not None

    async def explain(self, scope: Scope, sort: Sequence[Sort] = NEWEST) -> Sequence[str]:
        await self._distance.there()
        await self._distance.back()
        return [f"{type}: every resource is looked at" for type in scope] or ["nothing can match"]

    def _page(
        self,
        scope: Scope,
        sort: Sequence[Sort],
        after: Position | None,
        count: int,
        most_bytes: int | None,
        want: Want,
    ) -> Page:
        rows = [self._row(name, sort) for name in self._judging.found(scope)]
        # Where there is something to meet, everything was looked at: that tells how many there are.
        total = len(rows) if after is None and EVERYTHING not in scope.values() else None
        if after is not None:
            begin = checked(after, sort)
            rows = [row for row in rows if compare(row, (begin, ("", "")), sort) > 0]
        rows.sort(key=cmp_to_key(lambda a, b: compare(a, b, sort)))
        versions = tuple(wanted(self._data.resources[name].current, want) for _, name in rows[:count])
        count = fitting(versions, count, most_bytes)
        versions = versions[:count]
        return Page(versions, rows[count - 1][0] if len(rows) > count > 0 else None, total)

    def _row(self, name: Name, sort: Sequence[Sort]) -> Row:
        one = self._data.resources[name]
        last = len(sort) - 1
        return (*(value(one, name[1], key, n == last) for n, key in enumerate(sort)), one.number), name

    def _write(self, write: Write, at: int) -> Version:
        name = (write.type, write.id)
        known = self._data.resources.get(name)
        if known is None:
            self._data.numbers += 1
            known = self._data.resources[name] = Resource(self._data.numbers, Index())
        if isinstance(write, Put):
            known.index = write.index
            stamp = instant(at).encode()
            body = write.body[: write.stamp] + stamp + write.body[write.stamp + len(stamp) :]
            version = Version(*name, write.expected + 1, at, write.method, body, pack(write.index))
        else:
            version = Version(*name, write.expected + 1, at, "DELETE", b"", pack(known.index))
        row = (len(self._data.log) + 1, version)
        if write.type == CHAINED:
            before = next(reversed(self._data.chain.values()), begun(0, 0))
            self._data.chain[row[0]] = linked(before, write.id, version.version, version.method, version.body)
        known.versions.append(row)
        self._data.log.append(row)
        return version

    def _claimed(self, writes: Sequence[Write]) -> Mapping[Name, frozenset[str]]:
        """What each resource holds afterwards, of those whose claims `writes` settle."""
        after: dict[Name, tuple[Write, frozenset[str]]] = {}
        for write in writes:
            if isinstance(write, Delete) or write.claims is not None:
                names = frozenset() if isinstance(write, Delete) else write.claims or frozenset()
                after[write.type, write.id] = (write, names)
        taken: dict[Name, str] = {}
        for (type, id), (write, names) in after.items():
            for claim in sorted(names):
                holder = self._data.claims.get((type, claim))
                free = holder is None or (type, holder) in after
                if not free or taken.setdefault((type, claim), id) != id:
                    raise Stale(write, claim=claim)
        return {name: names for name, (_, names) in after.items()}

    def _settle(self, claimed: Mapping[Name, frozenset[str]]) -> None:
        held = self._data.claims
        for key in [key for key, id in held.items() if (key[0], id) in claimed]:
            del held[key]
        for (type, id), names in claimed.items():
            held.update(dict.fromkeys([(type, claim) for claim in names], id))

    def _numbered(self, type: str, id: str, version: int) -> Version | None:
        found = self._data.resources.get((type, id))
        versions = [self._seen(one) for _, one in found.versions if one.version == version] if found else []
        return versions[0] if versions else None

    def _seen(self, version: Version) -> Version:
        """As it is given out: with the index that its resource has now, and its own beside."""
        if self._judging.is_current(version):
            return version
        now = self._data.resources[version.type, version.id].index
        return structs.replace(version, packed=pack(now), current=False, past=version.packed)

    def _is_current(self, version: Version) -> bool:
        return self._data.resources[version.type, version.id].current.version == version.version
