"""A mark in the records that changes whenever some access ends, so that every worker forgets what it verified.

What ends access (a revocation, a suspension, a withdrawn consent) is written first and the mark is changed after it:
a worker that sees the old mark has read the old state, and will see the new mark at its next look.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

from fhir_server.store.protocol import Records

T = TypeVar("T")

#: Workers look at the mark this often, in seconds: access ends everywhere within it.
LOOK = 0.5
#: What is remembered is read again after so many seconds, whatever the mark says.
REMEMBERED_SECONDS = 60.0
#: How much one worker remembers.
REMEMBERED = 50_000

#: Changes of this process: what it wrote itself it looks at without waiting.
_changes = 0


async def changed(records: Records) -> None:
    """Say that what was verified may no longer hold."""
    global _changes
    await records.put("smart", "revision", secrets.token_bytes(16))
    _changes += 1


class Revision:
    """One worker's view of the mark.

    Attributes:
        number: grows each time the mark was found changed.
    """

    def __init__(self, records: Records) -> None:
        """Nothing is known until the first look."""
        self._records = records
        self._mark: bytes | None = None
        self._looked = 0.0
        self._changes = 0
        self.number = 0

    async def announce(self) -> bool:
        """As `changed`; whether nothing else changed since this worker's last look, so that it may go on as it is.

        `number` has grown either way.
        """
        mark = secrets.token_bytes(16)
        alone = self._mark is not None and await self._records.swap("smart", "revision", self._mark, mark)
        if not alone:
            await changed(self._records)
            return False
        self._mark, self._looked = mark, time.monotonic()
        self.number += 1
        return True

    async def look(self) -> int:
        """`number`, after reading the mark if the last look is too old."""
        if self.due:
            now, changes = time.monotonic(), _changes
            mark = await self._records.get("smart", "revision")
            # Set after reading: a look that fails is tried again by the next request.
            self._looked, self._changes = now, changes
            if mark != self._mark:
                self._mark = mark
                self.number += 1
        return self.number

    @property
    def due(self) -> bool:
        """Whether a look would read."""
        return self._changes != _changes or time.monotonic() - self._looked > LOOK


class Lasting:
    """What one worker remembers until some access, anywhere, has changed: clients, accounts, apps, consents.

    Whoever changes one of these says so by `changed`; it is then read again by this process at once, by the others
    within `LOOK`. What is not there is not remembered, since it may come without a word.

    Attributes:
        revision: this worker's view of the mark.
    """

    def __init__(self, revision: Revision) -> None:
        """Nothing is remembered yet."""
        self.revision = revision
        self._number = 0
        self._known: dict[Hashable, tuple[float, Any]] = {}

    async def get(self, key: Hashable, read: Callable[[], Awaitable[T]]) -> T:
        """What is remembered under `key`, or what `read` gives, which then is; None is given and not remembered."""
        number = await self.revision.look()
        if number != self._number or len(self._known) > REMEMBERED:
            self._number, self._known = number, {}
        known = self._known.get(key)
        if known is not None and known[0] > time.monotonic():
            found: T = known[1]
            return found
        found = await read()
        # Kept only if nothing changed meanwhile: what was read may be older than the mark of today.
        if found is not None and number == self.revision.number == self._number and not self.revision.due:
            self._known[key] = (time.monotonic() + REMEMBERED_SECONDS, found)
        return found

    async def changed(self, records: Records, key: Hashable) -> None:
        """Say that what is under `key` has changed, as `revision.changed`; what else is remembered here stays."""
        self._known.pop(key, None)
        before = self.revision.number
        if await self.revision.announce() and self._number == before:
            self._number = self.revision.number

    def put(self, key: Hashable, value: object) -> None:
        """Remember what this worker has just written for the first time."""
        if self._number == self.revision.number:
            self._known[key] = (time.monotonic() + REMEMBERED_SECONDS, value)

    def forget(self, key: Hashable) -> None:
        """Read it again the next time."""
        self._known.pop(key, None)
