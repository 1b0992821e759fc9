"""Whether all content that versions name is there as it was put, and whether there is any that none names."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

from fhir_server.store.blobs.collecting import LEFT_OVER_SECONDS, PURGED
from fhir_server.store.blobs.protocol import Blobs
from fhir_server.store.content import Content
from fhir_server.store.filters import EVERYTHING
from fhir_server.store.protocol import Position, Records, Store, Version

_PAGE = 500


async def defects(store: Store, blobs: Blobs, records: Records) -> AsyncIterator[str]:
    """Each defect in words: of the version that names it, or of a handle that nothing names. Reads all content once."""
    named: dict[bytes, str | None] = {}
    async for version, content in _named(store):
        handle = bytes.fromhex(content.handle)
        if handle not in named:
            named[handle] = await blobs.examine(content)
        if named[handle] is not None:
            yield f"Binary/{version.id}/_history/{version.version}: {named[handle]}"
    # The collector may not have come by yet, also where what named it was purged.
    before = time.time() - 2 * LEFT_OVER_SECONDS
    async for blob in blobs.listed():
        if bytes.fromhex(blob.handle) in named or not (blob.settled or blob.at < before):
            continue
        if await records.get(PURGED, blob.handle) is None:
            yield f"content {blob.handle[:12]}… belongs to no version"


async def _named(store: Store) -> AsyncIterator[tuple[Version, Content]]:
    """The versions that name content, and what they name."""
    after: Position | None = None
    while True:
        page = await store.history({"Binary": EVERYTHING}, after=after, count=_PAGE, want="bare")
        for version in page.versions:
            if version.content is not None:
                yield version, version.content
        if page.next is None:
            return
        after = page.next
