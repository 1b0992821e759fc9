"""Erases again whom a copy of the store has brought back, before anything of it is served.

A copy that is put in the store's place has who was erased since it was made. The list beside the store (`ledger`) tells
by digest: of all Patients there are those are looked for that the store does not know to be erased. A store that knows
all of the list, as it does but after a restore, is told by the length of the file.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime

from fhir_server.space.accounts.erasing.erasing import ERASED, KNOWN, Erasing
from fhir_server.space.accounts.erasing.ledger import Erasure
from fhir_server.space.service import Surroundings
from fhir_server.store.filters import EVERYTHING
from fhir_server.store.protocol import Position, Version

_PAGE = 500
_WHY = "erased before, and brought back by a copy of the store"
_log = logging.getLogger(__name__)


async def erased_again(around: Surroundings) -> int:
    """Erase whom the list names and the store has; how many that were."""
    erasing = Erasing(around)
    size = await asyncio.to_thread(erasing.ledger.size)
    if str(size).encode() == (await around.records.get(*KNOWN) or b"0"):
        return 0
    missing = await _unknown(around, await asyncio.to_thread(erasing.ledger.lines))
    again = 0
    if missing:
        again = await _marked(around, erasing, {one.digest: one for one in missing})
        while await erasing.finish(datetime.now(UTC)):
            pass
    await around.records.put(*KNOWN, str(size).encode())
    if again:
        _log.warning("Erased since this store was copied, and now again: %d spaces.", again)
    return again


async def _unknown(around: Surroundings, lines: Sequence[Erasure]) -> list[Erasure]:
    found: list[Erasure] = []
    for begin in range(0, len(lines), _PAGE):
        some = lines[begin : begin + _PAGE]
        there = await around.records.get_each([(ERASED, one.digest) for one in some])
        found += [one for one, kept in zip(some, there, strict=True) if kept is None]
    return found


async def _marked(around: Surroundings, erasing: Erasing, missing: dict[str, Erasure]) -> int:
    """Have the spaces of those who are back be erased, in one commit each."""
    own, done = around.repository(), 0
    after: Position | None = None
    while True:
        page = await own.find({"Patient": EVERYTHING}, after=after, count=_PAGE, want="head")
        digests = await asyncio.to_thread(lambda some: [erasing.ledger.digest(one.id) for one in some], page.versions)
        for version, digest in zip(page.versions, digests, strict=True):
            erasure = missing.get(digest)
            # What was made under the same id since is somebody else.
            if erasure is not None and _is_before(version, erasure):
                at = datetime.fromtimestamp(erasure.at / 1000, UTC)
                done += await erasing.condemn(version.id, at, _WHY)
        if page.next is None:
            return done
        after = page.next


def _is_before(version: Version, erasure: Erasure) -> bool:
    return version.at <= erasure.at
