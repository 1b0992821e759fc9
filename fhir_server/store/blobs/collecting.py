"""Removes content that no commit names: what was sent and then refused, or was on its way in when a process died.

Once an hour, by one process at a time. Nothing is asked of each blob: the versions made since the last time are gone
through, and what they name is settled. What is not settled an hour after it came, or was last about to be named, is
left over: a request is over long before that.

What was purged named content that others of the same patient may name too, and no version tells which: where there is
such content, all versions are gone through once.
"""

from __future__ import annotations

from datetime import UTC, datetime

from fhir_server.store.blobs.protocol import Blobs
from fhir_server.store.filters import EVERYTHING
from fhir_server.store.protocol import Drop, Keep, Position, Records, Store

#: How long content may wait for its commit, in seconds; as much is gone through again, since clocks of machines differ.
LEFT_OVER_SECONDS = 3_600
#: The record of up to when all versions have been gone through: ms since 1970.
UNTIL = ("content", "until")
#: The kind of the records of content that something purged has named, by handle.
PURGED = "content-purged"
#: As many of them at once.
_MOST = 10_000
_PAGE = 500


def beginning(now: datetime) -> Keep:
    """The record that a store has from before anything is named in it."""
    return Keep(*UNTIL, b"%d" % _ms(now), new=True)


async def collected(store: Store, records: Records, blobs: Blobs, now: datetime) -> int:
    """Settle what has been named since the last time, and remove what is left over; says how much that was.

    Args:
        store: whose versions name content.
        records: where it is kept how far they were gone through.
        blobs: where the content is.
        now: what time it is. Of a day to come it is done as of today: what comes until then is not left over.
    """
    now = min(now, datetime.now(UTC))
    until = int(await records.get(*UNTIL) or b"0")
    after: Position | None = None
    purged = [handle for handle, _ in await records.list(PURGED, count=_MOST)]
    await blobs.release(purged)
    # Whatever is released is settled again by the version that names it, however old that is.
    since = 0 if purged else max(0, until - LEFT_OVER_SECONDS * 1000)
    while True:
        page = await store.history({"Binary": EVERYTHING}, None, since, None, after, _PAGE, want="bare")
        await blobs.settled([version.content for version in page.versions if version.content is not None])
        if page.next is None:
            break
        after = page.next
    await records.put(*UNTIL, b"%d" % _ms(now))
    before = now.timestamp() - LEFT_OVER_SECONDS
    left: list[str] = []
    young: set[str] = set()
    async for blob in blobs.listed():
        if blob.settled:
            break
        if blob.at < before:
            left.append(blob.handle)
        else:
            young.add(blob.handle)
    removed = await blobs.remove(left, before)
    await records.apply([Drop(PURGED, handle) for handle in purged if handle not in young])
    return removed


def _ms(now: datetime) -> int:
    return int(now.timestamp() * 1000)
