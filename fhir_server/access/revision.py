"""A mark in the records that changes whenever some access ends, so that every worker forgets what it verified.

What ends access (a revocation, a suspension, a withdrawn consent) is written first and the mark is changed after it:
a worker that sees the old mark has read the old state, and will see the new mark at its next look.
"""

from __future__ import annotations

import secrets
import time

from fhir_server.store.protocol import Records

#: Workers look at the mark this often, in seconds: access ends everywhere within it.
LOOK = 0.5


async def changed(records: Records) -> None:
    """Say that what was verified may no longer hold."""
    await records.put("smart", "revision", secrets.token_bytes(16))


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
        self.number = 0

    async def look(self) -> int:
        """`number`, after reading the mark if the last look is too old."""
        now = time.monotonic()
        if now - self._looked > LOOK:
            mark = await self._records.get("smart", "revision")
            # Set after reading: a look that fails is tried again by the next request.
            self._looked = now
            if mark != self._mark:
                self._mark = mark
                self.number += 1
        return self.number

    @property
    def due(self) -> bool:
        """Whether a look would read."""
        return time.monotonic() - self._looked > LOOK
