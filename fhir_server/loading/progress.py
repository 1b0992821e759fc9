"""How far each file has been loaded, kept in the store it was loaded into.

Kept there and not beside it, so that it says what *this* store holds: a backup takes it along, and after a restore
what the backup had not seen is loaded again.
"""

from __future__ import annotations

import secrets

import msgspec

from fhir_server.store.protocol import Records

#: Kind of the records: key = the digest of a file's content, value = `Progress`.
LOADED = "loaded-file"
#: Refusals of a file that are kept in words.
KEPT = 200


class Progress(msgspec.Struct):
    """How far one file is.

    Attributes:
        file: its name when it was last loaded; its content is what counts.
        salt: with the file's digest and a place in it, what makes the id of a resource that has none. The same on
            every run, so that running again never makes a resource twice; not to be guessed from the file.
        lines: how many lines are behind us, for a document 1 when it is done.
        done: whether nothing is left.
        loaded: resources written, or found there as they should be.
        refused: what was not taken, in words; at most `KEPT`.
        refusals: how many were refused in all.
    """

    file: str
    salt: str
    lines: int = 0
    done: bool = False
    loaded: int = 0
    refused: list[str] = []
    refusals: int = 0


class Journal:
    """The progress of every file ever loaded into a store."""

    def __init__(self, records: Records) -> None:
        """Kept in the store's own records."""
        self._records = records

    async def of(self, digest: str, name: str) -> Progress:
        """The progress of the content with that digest; a new one, already kept, when it was never begun.

        Its salt is durable before anything is written with it: whatever interrupts a load, the next makes the same ids.
        """
        new = Progress(name, secrets.token_hex(16))
        if await self._records.add(LOADED, digest, msgspec.json.encode(new)):
            return new
        kept = await self._records.get(LOADED, digest)
        return msgspec.json.decode(kept, type=Progress) if kept is not None else new

    async def keep(self, digest: str, progress: Progress) -> None:
        """Write it down; durable when this returns."""
        await self._records.put(LOADED, digest, msgspec.json.encode(progress))
