"""What a storage engine promises. It knows nothing of users, HTTP or search syntax.

Two engines: `store/embedded` (SQLite) and `store/mongo` (MongoDB). `tests/store` holds any engine to this contract.
Instants are integers: milliseconds since 1970 UTC for versions, as FHIR's `instant` in `meta.lastUpdated` shows them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from fhir_server.store.content import Content
from fhir_server.store.filters import Filter, Index
from fhir_server.store.purging import Purging, Sweeping

if TYPE_CHECKING:
    from fhir_server.store.chain import Stretch
    from fhir_server.store.changes import Changes

Method = Literal["POST", "PUT", "PATCH", "DELETE"]

#: How much of each version is given: its name, instant and verb; its packed index too; its body too, "bare" without
#: content that is kept outside it. What was not asked for is b"".
Want = Literal["head", "index", "bare", "body"]


class Version(msgspec.Struct, frozen=True, gc=False):  # made by the million: a dataclass takes longer than reading it
    """One stored version of a resource.

    Attributes:
        type, id: resource type and logical id.
        version: 1 for the first; also the number in `W/"1"`.
        at: ms since 1970 UTC, as `meta.lastUpdated` in the body. Never earlier than a version committed before it.
        method: the verb that made it.
        body: the JSON bytes a client is owed; b"" for a deletion, and where less was wanted.
        packed: the index as stored (msgpack of `Index`); a deletion carries the index of the version it ended.
        current: whether this is the latest version.
        past: where `packed` is a later version's index (`vread`), this version's own; b"" elsewhere.
        content: of a bare body, what it is without; it belongs at the place `at_data` of it.
    """

    type: str
    id: str
    version: int
    at: int
    method: Method
    body: bytes
    packed: bytes
    current: bool = True
    past: bytes = b""
    content: Content | None = None
    at_data: int = 0

    @property
    def own(self) -> bytes:
        """The index of this very version, packed."""
        return self.past or self.packed

    @property
    def deleted(self) -> bool:
        """Whether this version is a deletion."""
        return self.method == "DELETE"


@dataclass(frozen=True, slots=True)
class Put:
    """Write a new version.

    Attributes:
        expected: the version this one follows and was judged against; 0 when the id must never have existed.
        body: JSON bytes whose `meta.versionId` is `expected + 1` already.
        stamp: where in `body` the 24 bytes of `meta.lastUpdated` (`2026-01-31T12:00:00.000Z`) stand; the engine
            writes the instant of the commit there, so that instants follow the order of commits.
        index: what can be searched of it.
        claims: names, such as "system|value" of an identifier, that the resource alone of its type holds from now on,
            instead of those it held; None: it goes on with those. Two current resources never hold the same: an engine
            on several machines keeps (type, name) → id under a unique key. The names of what is deleted are free, and
            within one transaction one resource may let go of what another takes, in whichever order they are written.
        content: what is kept outside the body (`store.outside`): the `data` of a Binary, which the body is without.
    """

    type: str
    id: str
    expected: int
    body: bytes
    stamp: int
    index: Index
    method: Literal["POST", "PUT", "PATCH"] = "PUT"
    claims: frozenset[str] | None = None
    content: Content | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Write a deletion after version `expected`. The index of that version is kept with it; its claims end."""

    type: str
    id: str
    expected: int


Write = Put | Delete


@dataclass(frozen=True, slots=True)
class Guard:
    """A condition that must hold inside the transaction: the current `type`s matching `where` are exactly `ids`.

    This is how two simultaneous conditional creates make one resource. Where a name is all that must be unique, a
    claim (`Put.claims`) says so for less.
    """

    type: str
    where: Filter
    ids: frozenset[str]


class Stale(Exception):
    """A pinned version, a guard or a claim does not hold: nothing was written; judge again and retry.

    Attributes:
        write: the write whose `expected` was overtaken, or which claims `claim`; None when a guard failed.
        guard: the guard that failed, or None.
        claim: the name that another resource holds, or None.
    """

    def __init__(self, write: Write | None = None, guard: Guard | None = None, claim: str | None = None) -> None:
        """Name what was overtaken."""
        super().__init__(write or guard)
        self.write = write
        self.guard = guard
        self.claim = claim


@dataclass(frozen=True, slots=True)
class Sort:
    """One sort key.

    Attributes:
        param: a search parameter's code, "_id", or "_lastUpdated".
        kind: which rows hold it: "word" (by value) or "span" (by low ascending, by high descending); "own" for `_id`
            and `_lastUpdated`.
        descending: the greatest of a resource's values counts, greatest first; else its least, least first. A
            resource without a value comes last either way.
    """

    param: str
    kind: Literal["word", "span", "own"]
    descending: bool = False


NEWEST = (Sort("_lastUpdated", "own", descending=True),)

#: Where a page ended: the sort key values of its last row and the engine's own tie-breaker; opaque above the store.
Position = tuple[int | float | str | None, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """Part of an ordered result.

    Attributes:
        versions: in order.
        next: where the next part starts; None: there is no more.
        total: how many the whole result has, when finding this part told; None when it must be counted.
    """

    versions: tuple[Version, ...]
    next: Position | None = None
    total: int | None = None


#: What to search: a filter for each resource type. A type that is not there is not searched.
Scope = Mapping[str, Filter]


class Store(Purging, Protocol):
    """Versions of resources, found by filters; `Purging` is how they are erased."""

    def new_id(self, type: str, owner: Callable[[], str | None] | None = None) -> str:
        """An id for a new resource, of FHIR's `id` alphabet, that nobody can guess and nothing has yet; no journey.

        Args:
            type: resource type. Of an AuditEvent the id may tell when it was made, which that says itself.
            owner: tells whose it will be, "Patient/1", if anybody's: an engine may keep together what is one person's.
        """

    async def read(self, type: str, id: str) -> Version | None:
        """The current version, which may be a deletion; None when the id never existed."""

    async def read_many(self, keys: Sequence[tuple[str, str]], want: Want = "body") -> list[Version | None]:
        """What `read` gives for each (type, id), in the same order, as of one moment."""

    async def vread_many(
        self, keys: Sequence[tuple[str, str, int]], want: Want = "body", most_bytes: int | None = None
    ) -> list[Version | None]:
        """For each (type, id, version), in the same order, that version, "body" or "bare"; None: there is none.

        `packed` is the *current* one's index, `own` its own, all as of one moment. With `most_bytes` the list is over
        before its bodies are longer than that, but for the first of the keys: who wants the others asks for them again.
        """

    async def find(
        self,
        scope: Scope,
        sort: Sequence[Sort] = NEWEST,
        after: Position | None = None,
        count: int = 50,
        most_bytes: int | None = None,
        want: Want = "body",
    ) -> Page:
        """Current, undeleted resources satisfying the filter of their type, `count` at most, following `after`.

        With `most_bytes` the page is over before its bodies are longer than that, whatever `count` says, but for one
        resource; bodies that are not wanted are of no length. Without, a page of fewer than `count` is the last.

        Stable under writes: a resource that matches throughout and is not itself rewritten is on exactly one page.

        Raises:
            TooCostly: the links inside a filter are more, deeper or slower than the engine takes.
        """

    async def find_each(self, scopes: Sequence[Scope], count: int = 50, want: Want = "body") -> list[Page]:
        """As `find` newest first, for each of `scopes` in the same order, all as of one moment. Raises as `find`."""

    async def count(self, scope: Scope, limit: int | None = None) -> int:
        """How many `find` would give in all; counting stops at `limit`, which is then returned."""

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
        """Versions, newest first, deletions included: a version's own index and its resource's *current* one satisfy.

        Args:
            scope: the filter of each type; a deletion has the index of the version it ended. Texts of past versions
                are not kept: there `Text` matches nothing.
            id: of the one resource asked for; `scope` then has one type.
            since: only versions made at or after this instant (ms).
            at: only versions that were current at some time in this closed interval (ms, ms).
            after: as for `find`.
            count: at most this many.
            most_bytes: as for `find`.
            want: "body" or "bare".
        """

    async def history_count(
        self, scope: Scope, id: str | None = None, since: int | None = None, at: tuple[int, int] | None = None
    ) -> int:
        """How many versions `history` would give in all."""

    async def transact(self, writes: Sequence[Write], guards: Sequence[Guard] = ()) -> list[Version]:
        """All the writes or none, durable when this returns; one version per write, same order.

        Raises:
            Stale: an `expected`, a guard or a claim did not hold.
            Unavailable, InsufficientStorage: locked, read-only or overloaded (503); the disk is full (507).
        """

    async def changes(self, after: Position | None, types: Sequence[str] = (), count: int = 1_000) -> Changes:
        """What was committed after `after`, by any process, `count` versions at most.

        A later change is never shown before an earlier one can no longer appear: whoever goes on from `position` misses
        nothing and meets nothing twice, across restarts too.

        Args:
            after: the position of an earlier answer; None: from now on, so nothing yet.
            types: only versions of these; of all when empty.
            count: at most this many.

        Raises:
            InvalidParameter: `after` is no position of this store.
        """

    async def append(self, puts: Sequence[Put]) -> None:
        """New resources that nothing is judged against, such as traces; each is durable when this returns.

        They are no transaction: where one fails, others may be there. In `transact` they are of the same commit.

        Args:
            puts: each under an id that `new_id` gave, `expected` 0.

        Raises:
            Unavailable, InsufficientStorage: as `transact`.
        """

    async def chain(self, after: int | None = None, since: int | None = None, count: int = 1_000) -> Stretch:
        """The chain of traces (`store.chain`) in order: every version of the type in the store is a link of it.

        Args:
            after: the place of a link, which those that are given follow; None: from the first on.
            since: without `after`: from the last link that was committed before this instant (ms) on.
            count: at most this many.
        """

    async def walk(self, scope: Scope, after: Position | None = None, count: int = 500, want: Want = "body") -> Page:
        """Current versions, deletions too, that satisfy the filter of their type, in the engine's own order.

        For what goes through all that a type or a patient has: re-indexing, export, checks. A deletion has the index it
        ended. A page may be short of `count`, and empty, without being the last: that has no `next`.
        """

    async def reindex(self, entries: Sequence[tuple[Version, Index]]) -> int:
        """Replace the index of versions, past ones too; says how many of them are still current."""

    async def explain(self, scope: Scope, sort: Sequence[Sort] = NEWEST) -> Sequence[str]:
        """How `find` would run, a line a step, naming the indexes used."""


@dataclass(frozen=True, slots=True)
class Keep:
    """A record to be there.

    Attributes:
        kind, key, value: as for `Records.put`.
        ttl_seconds: gone after so many; None: stays.
        new: only where nothing unexpired is there; otherwise nothing of the whole is done.
        old: only where exactly this is there, likewise, and with `ttl_seconds` None gone when that was to be; None for
            whatever is there.
    """

    kind: str
    key: str
    value: bytes
    ttl_seconds: float | None = None
    new: bool = False
    old: bytes | None = None

    def fits(self, there: bytes | None) -> bool:
        """Whether it may be kept where `there` is (None: nothing)."""
        return not (self.new and there is not None) and self.old in (None, there)


@dataclass(frozen=True, slots=True)
class Drop:
    """A record not to be there any more."""

    kind: str
    key: str


class Records(Sweeping, Protocol):
    """Short-lived or secret things kept beside the resources: codes, tokens, sessions, jobs. Values are bytes."""

    async def apply(self, changes: Sequence[Keep | Drop], appended: Sequence[Put] = ()) -> bool:
        """All of `changes`, in order, and of `appended`, or none of them; durable when this returns.

        Args:
            changes: each judged after those before it.
            appended: new resources that nothing is judged against, such as the trace of these changes: as for
                `Store.append`, but of the same commit.

        Returns:
            False, and nothing was done, when what is there is not what a `Keep` asks for.
        """

    async def get_each(self, keys: Sequence[tuple[str, str]]) -> list[bytes | None]:
        """What `get` gives for each (kind, key), in the same order, as of one moment."""

    async def put(self, kind: str, key: str, value: bytes, ttl_seconds: float | None = None) -> None:
        """Keep `value` under `key`, replacing what was there; gone after `ttl_seconds` (None: stays)."""

    async def add(self, kind: str, key: str, value: bytes, ttl_seconds: float | None = None) -> bool:
        """Like `put`, only if nothing unexpired is there; says whether it was kept (one caller of several wins)."""

    async def get(self, kind: str, key: str) -> bytes | None:
        """What is there and has not expired."""

    async def take(self, kind: str, key: str) -> bytes | None:
        """Read and remove, atomically: of many simultaneous callers exactly one gets it."""

    async def swap(self, kind: str, key: str, old: bytes, new: bytes) -> bool:
        """Replace `old` by `new`, atomically; False when something else is there."""

    async def list_by(
        self, kind: str, rows: str, prefix: str, after: str = "", count: int | None = None
    ) -> list[tuple[str, bytes]]:
        """Unexpired (key, value) pairs of `kind` to which records of the kind `rows` lead, by key.

        One leads there whose key is `prefix` and then that key. `after` is such a key without the prefix, and `count`
        as for `list`.
        """

    async def list(
        self, kind: str, prefix: str = "", after: str = "", count: int | None = None
    ) -> list[tuple[str, bytes]]:
        """Unexpired (key, value) pairs of a kind whose key starts with `prefix` and follows `after`, by key.

        `count` at most; fewer are the last.
        """
