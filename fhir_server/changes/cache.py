"""What one worker remembers of the store, each thing until something that it hangs on changes.

What is read while something is made is what that hangs on: nobody has to list it. A token's rights, for instance, are
made of a token, an authorization, an account, a client, an app and consents, and go with whichever of these changes.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from fhir_server.changes.follower import Change, Follower
from fhir_server.store.notes import Noted

T = TypeVar("T")
#: What something hangs on: a resource's type and id (or `ANY`), or a record's kind and key.
Source = tuple[str, str]

#: Instead of an id: whichever resource of the type.
ANY = ""

#: What is remembered is read again after so many seconds, whatever was heard.
REMEMBERED_SECONDS = 60.0
#: How much one worker remembers; beyond, everything is read again.
REMEMBERED = 100_000
#: Of how many changes it is known afterwards what they were of.
_RECENT = 256

_sources: ContextVar[set[Source] | None] = ContextVar("sources", default=None)


class _Kept(NamedTuple):
    until: float
    value: Any
    sources: frozenset[Source]


@dataclass(frozen=True, slots=True)
class Moment:
    """When something began to be read: how many changes were heard by then."""

    heard: int


def hangs_on(*sources: Source) -> None:
    """Say what that which is being made hangs on; nothing where nothing is."""
    if (found := _sources.get()) is not None:
        found.update(sources)


class Cache:
    """What one worker remembers.

    What is not there is never remembered, so that what is new need not be heard of.
    """

    def __init__(self, follower: Follower | None = None, types: Iterable[str] = (), kinds: Iterable[str] = ()) -> None:
        """Things may hang on resources of `types` and records of `kinds`; without a follower nothing is remembered."""
        self._follower = follower
        self._known: dict[Hashable, _Kept] = {}
        self._by_source: dict[Source, set[Hashable]] = {}
        self._heard = 0
        self._recent: deque[Source] = deque(maxlen=_RECENT)
        if follower is not None:
            follower.subscribe(self._hear, types, kinds)

    @property
    def is_late(self) -> bool:
        """Whether what is remembered does not count until `follow` was awaited."""
        return self._follower is not None and self._follower.is_late

    async def follow(self) -> None:
        """Hear what changed.

        Raises:
            FhirError: the store cannot be read; what is remembered must not be used.
        """
        if self._follower is not None:
            await self._follower.look()

    def known(self, key: Hashable) -> Any:
        """What is remembered under `key`; None when nothing is."""
        kept = self._known.get(key)
        if kept is None:
            return None
        if kept.until <= time.time():
            self._forget(key)
            return None
        if (outer := _sources.get()) is not None:
            outer |= kept.sources
        return kept.value

    async def get(
        self,
        key: Hashable,
        make: Callable[[], Awaitable[T]],
        seconds: Callable[[T], float] = lambda _: REMEMBERED_SECONDS,
    ) -> T:
        """What is remembered under `key`, or what `make` gives, which then is, unless it is None.

        Args:
            key: unlike any other caller's.
            make: reads it; what it reads says what it hangs on (`hangs_on`).
            seconds: how long it holds at most.

        Raises:
            FhirError: the store cannot be read.
        """
        if self.is_late:
            await self.follow()
        found: T | None = self.known(key)
        if found is not None:
            return found
        moment = self.moment()
        with self._noting() as sources:
            made = await make()
        if not self._has_changed(sources, moment):
            self._keep(key, made, sources, seconds)
        return made

    def moment(self) -> Moment:
        """Now; to be asked before something is read or written, and given with it to `put`."""
        return Moment(self._heard)

    def put(
        self, key: Hashable, value: object, sources: Iterable[Source], since: Moment, own: Sequence[Source] = ()
    ) -> None:
        """Remember what was read or written since a moment, unless what it hangs on has changed meanwhile.

        Args:
            key, value: as for `get`.
            sources: what it hangs on.
            since: before it was read.
            own: changes since then that `value` is made with, each of which is heard of once.
        """
        if not self._has_changed(set(sources), since, own):
            self._keep(key, value, set(sources), lambda _: REMEMBERED_SECONDS)

    def forget(self, *sources: Source) -> None:
        """Read anew the next time what hangs on one of these."""
        for source in sources:
            self._heard += 1
            self._recent.append(source)
            for key in tuple(self._by_source.get(source, ())):
                self._forget(key)

    def _hear(self, changes: Sequence[Change] | None) -> None:
        if changes is None:
            self._forget_all()
            return
        for one in changes:
            if not isinstance(one, Noted):
                self.forget((one.type, one.id), (one.type, ANY))
            elif not one.new:
                self.forget((one.kind, one.key))

    def _keep(self, key: Hashable, value: T, sources: set[Source], seconds: Callable[[T], float]) -> None:
        if self._follower is None or value is None:
            return
        if len(self._known) >= REMEMBERED:
            self._forget_all()
        self._forget(key)
        self._known[key] = _Kept(time.time() + seconds(value), value, frozenset(sources))
        for source in sources:
            self._by_source.setdefault(source, set()).add(key)

    def _has_changed(self, sources: set[Source], since: Moment, own: Sequence[Source] = ()) -> bool:
        """Whether a change that is not one's own was heard meanwhile: what was read may be older than that."""
        count = self._heard - since.heard
        if count > len(self._recent):
            return True
        heard = [self._recent[-n] for n in range(1, count + 1)]
        return sorted(one for one in heard if one in sources) != sorted(own)

    def _forget(self, key: Hashable) -> None:
        kept = self._known.pop(key, None)
        for source in kept.sources if kept is not None else ():
            keys = self._by_source[source]
            keys.discard(key)
            if not keys:
                del self._by_source[source]

    def _forget_all(self) -> None:
        self._known, self._by_source = {}, {}
        # More than is known of one by one: whatever is being read now is not kept.
        self._heard += _RECENT + 1

    @contextmanager
    def _noting(self) -> Iterator[set[Source]]:
        """What is read inside; whatever is being made outside hangs on it too."""
        outer, found = _sources.get(), set[Source]()
        token = _sources.set(found)
        try:
            yield found
        finally:
            _sources.reset(token)
            if outer is not None:
                outer |= found
