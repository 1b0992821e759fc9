"""One worker's place in the feed of changes: it looks a few times a second, and tells whoever goes by what changed.

Hearing is synchronous and cannot fail, so that nothing is ever passed over; reading anew what is out of date comes
after it, and is tried again at the next look where it failed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from time import monotonic

from fhir_server.fhir.outcome import FhirError, InvalidParameter
from fhir_server.store.changes import Changed
from fhir_server.store.engine import Engine
from fhir_server.store.notes import News, Noted
from fhir_server.store.protocol import Position, Version

#: Seconds between two looks: shortly after something changed, and when nothing does.
SOONEST, LATEST = 0.1, 0.5
#: What is remembered of who may do what counts while the last look is at most so many seconds old; beyond, a request
#: looks itself, and is refused (503) where the store cannot be read.
TRUSTED_SECONDS = 2.0
#: Changes of each kind that one journey brings.
_PAGE = 1_000
#: Own versions of which it is remembered that they were told.
_OWN = 10_000

_log = logging.getLogger(__name__)

Change = Changed | Noted
#: Is told what changed, in the order of commits; None: anything may have changed.
Hears = Callable[[Sequence[Change] | None], None]


class Subscription:
    """What goes by some changes.

    Attributes:
        types: of resources, that it goes by.
        kinds: of records, likewise.
        stale: whether something was heard that is not taken over yet.
    """

    def __init__(
        self, types: Iterable[str], kinds: Iterable[str], heard: Hears, then: Callable[[], Awaitable[object]] | None
    ) -> None:
        """As for `Follower.subscribe`."""
        self.types, self.kinds = frozenset(types), frozenset(kinds)
        self.stale = False
        self._heard = heard
        self._then = then
        self._lock = asyncio.Lock()

    def tell(self, changes: Sequence[Change] | None) -> None:
        """Tell of those of `changes` that it goes by."""
        if changes is not None:
            changes = [one for one in changes if self._concerns(one)]
        if changes is None or changes:
            self._heard(changes)
            self.stale = self._then is not None

    async def catch_up(self) -> None:
        """Take over what was heard, one at a time; what is heard meanwhile is taken over afterwards.

        Raises:
            FhirError: the store did not answer; it is still to be done.
        """
        if self._then is None or not (self.stale or self._lock.locked()):
            return
        async with self._lock:
            while self.stale:
                self.stale = False
                try:
                    await self._then()
                except BaseException:
                    self.stale = True
                    raise

    def _concerns(self, change: Change) -> bool:
        return change.type in self.types if isinstance(change, Changed) else change.kind in self.kinds


class Follower:
    """Follows what is committed, for one worker."""

    def __init__(self, engine: Engine) -> None:
        """Nothing is read yet."""
        self._engine = engine
        self._subscriptions: list[Subscription] = []
        #: All that they go by: asked for with every commit.
        self._types = frozenset[str]()
        self._position: Position | None = None
        self._looked = float("-inf")
        self._asked = self._answered = 0
        self._failure: FhirError | None = None
        self._lock = asyncio.Lock()
        self._own: dict[tuple[str, str, int], None] = {}
        self._catching_up: set[asyncio.Task[None]] = set()

    def subscribe(
        self,
        heard: Hears,
        types: Iterable[str] = (),
        kinds: Iterable[str] = (),
        then: Callable[[], Awaitable[object]] | None = None,
    ) -> Subscription:
        """Be told of changes from now on; nothing that was read before counts.

        Args:
            heard: is told, at once and in order; must not fail.
            types: of resources.
            kinds: of records, such as are noted (`store.notes.NOTED`).
            then: reads anew what is out of date; awaited after hearing, never twice at once.
        """
        made = Subscription(types, kinds, heard, then)
        made.stale = then is not None
        self._subscriptions.append(made)
        self._types |= made.types
        return made

    @property
    def is_late(self) -> bool:
        """Whether the last look is too old for what is remembered of access to count."""
        return monotonic() - self._looked > TRUSTED_SECONDS

    async def follow(self) -> None:
        """Look now and take over what is heard; all that was committed before the call is in force after it.

        Raises:
            FhirError: the store did not answer; what was known stays in force.
        """
        await self.look()
        await self.catch_up()

    async def look(self) -> bool:
        """Look, and tell what is heard without taking it over; whether there was anything.

        Of many who ask at once, those who came before a look began share it.

        Raises:
            FhirError: as `follow`.
        """
        self._asked += 1
        asked = self._asked
        async with self._lock:
            if self._answered < asked:
                self._answered, self._failure = self._asked, None
                try:
                    return await self._look()
                except FhirError as error:
                    self._failure = error
            if self._failure is not None:
                raise self._failure
            return False

    def tell(self, changes: Sequence[Change]) -> None:
        """What this worker committed itself: it need not wait for the feed."""
        for one in changes:
            if isinstance(one, Changed):
                self._own[one.type, one.id, one.version] = None
        while len(self._own) > _OWN:
            del self._own[next(iter(self._own))]
        self._tell(changes)

    def concerned(self, versions: Sequence[Version]) -> list[Changed]:
        """Those of `versions` that somebody goes by."""
        return [Changed(v.type, v.id, v.version, v.at, v.method) for v in versions if v.type in self._types]

    async def catch_up(self) -> None:
        """Take over what was heard.

        Raises:
            FhirError: what the first that failed says, after all were tried.
        """
        failed: FhirError | None = None
        for one in self._subscriptions:
            try:
                await one.catch_up()
            except FhirError as error:
                failed = failed or error
        if failed is not None:
            raise failed

    async def attend(self) -> None:
        """Follow until cancelled. What takes long to take over keeps no look from being in time."""
        wait = SOONEST
        while True:
            try:
                wait = SOONEST if await self.look() else min(wait * 2, LATEST)
            except FhirError as error:
                # What is known stays in force, that of access for `TRUSTED_SECONDS`.
                _log.warning("changes cannot be followed (%s)", type(error).__name__)
            except Exception:
                _log.exception("changes cannot be followed")
            self._begin_catching_up()
            await asyncio.sleep(wait)

    def close(self) -> None:
        """Give up what is being taken over."""
        for task in self._catching_up:
            task.cancel()

    async def _look(self) -> bool:
        found = False
        while True:
            began = monotonic()
            asked = list(self._subscriptions)
            news = await self._news()
            self._position = news.position
            for one in self._subscriptions:
                # One that came while the answer was on its way was not asked for.
                if not news.whole or one not in asked:
                    one.tell(None)
            others = [one for one in news.versions if not self._is_known(one)]
            self._tell([*others, *news.records])
            found = found or bool(others or news.records) or not news.whole
            if not news.more:
                self._looked = began
                return found

    async def _news(self) -> News:
        types = sorted(self._types) or ["-"]
        kinds = sorted({kind for one in self._subscriptions for kind in one.kinds}) or ["-"]
        if self._position is not None:
            try:
                return await self._engine.changes(self._position, types, kinds, _PAGE)
            except InvalidParameter:
                _log.warning("the store was put back: everything is read anew")
        news = await self._engine.changes(None, types, kinds, _PAGE)
        return News((), (), news.position, whole=False)

    def _is_known(self, changed: Changed) -> bool:
        """Whether it is this worker's own, and was told already."""
        key = (changed.type, changed.id, changed.version)
        if key not in self._own:
            return False
        del self._own[key]
        return True

    def _tell(self, changes: Sequence[Change]) -> None:
        for one in self._subscriptions:
            one.tell(changes)

    def _begin_catching_up(self) -> None:
        if any(one.stale for one in self._subscriptions) and not self._catching_up:
            task = asyncio.create_task(self._caught_up())
            self._catching_up.add(task)
            task.add_done_callback(self._catching_up.discard)

    async def _caught_up(self) -> None:
        try:
            await self.catch_up()
        except FhirError as error:
            _log.warning("what changed is not in force yet (%s)", type(error).__name__)
        except Exception:
            _log.exception("what changed is not in force yet")
