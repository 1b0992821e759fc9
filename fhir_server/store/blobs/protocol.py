"""What a store of content promises, so that files beside the database, GridFS or S3 may stand in for one another.

Bytes come first: they are durable when a handle is given, and a commit names the handle after that. What no commit
names is left over, and a collector removes it later. What is here is never changed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fhir_server.store.content import Content

#: Bytes that are read, checked and sent at once: a stream has about two of these in memory. A multiple of three, so
#: that each is a whole number of base64's groups.
CHUNK = 393_216


@dataclass(frozen=True, slots=True)
class Blob:
    """What lies there.

    Attributes:
        handle: its name.
        settled: whether it is known that a commit names it.
        at: seconds since 1970 when it came, or was last about to be named.
    """

    handle: str
    settled: bool
    at: float


class Upload(Protocol):
    """Content on its way in."""

    async def write(self, piece: bytes) -> None:
        """Take the next bytes.

        Raises:
            InsufficientStorage: the disk is full.
        """

    async def finish(self) -> Content:
        """What was written, durable.

        Raises:
            InsufficientStorage: the disk is full.
        """

    async def give_up(self) -> None:
        """Nothing of it stays; after `finish` this does nothing."""


class Opened(Protocol):
    """Content, or a range of it, found whole and about to be read."""

    def pieces(self) -> AsyncIterator[bytes]:
        """The bytes, `CHUNK` at a time, each checked again; once.

        Raises:
            Damaged: they have changed since. Nothing wrong was given.
        """

    def close(self) -> None:
        """Let go of it; what was read to its end is let go of already."""


class Blobs(Protocol):
    """Content that lies apart from versions, under handles that these hold."""

    def upload(self, owner: str | None) -> Upload:
        """Begin to take content.

        Args:
            owner: whose it is, such as "Patient/1": the same bytes of one owner lie here once. Nobody can tell from
                a handle, or from how it came to be, that another owner has the same. None: kept apart from all else.
        """

    async def put(self, pieces: Iterable[bytes], owner: str | None) -> Content:
        """Take content that is in memory: as `upload`, in one go. `pieces` are made in another thread."""

    async def open(self, content: Content, first: int = 0, end: int | None = None) -> Opened:
        """The bytes from `first` to before `end`, which have been read once and are right.

        Raises:
            Damaged: they are not there, or not what was put.
        """

    async def keep(self, contents: Sequence[Content]) -> None:
        """Say that a commit is about to name these: for a while they are not left over, however long they lie here.

        Raises:
            Unavailable: one is not there any more; it can be sent again.
        """

    def settle(self, contents: Sequence[Content]) -> None:
        """Say that a commit names these; done when there is time for it, by whoever finds out too."""

    async def settled(self, contents: Sequence[Content]) -> None:
        """As `settle`; it is done, and durable, when this returns."""

    async def release(self, handles: Sequence[str]) -> None:
        """Say that it is not known any more whether a commit names these: they are left over, until one is settled."""

    def listed(self) -> AsyncIterator[Blob]:
        """All that lies here, unsettled first; what comes or goes meanwhile may be listed or not."""

    async def remove(self, handles: Sequence[str], before: float) -> int:
        """Remove what no commit names, and what was begun and never finished; says how much it was.

        Args:
            handles: of which it is known. What is settled stays, and what came or was to be named since `before`.
            before: seconds since 1970.
        """

    async def examine(self, content: Content) -> str | None:
        """What is wrong with it, in words; None when every byte is as it was put. Reads all of it."""

    async def copy(self, target: Path) -> int:
        """Bring the folder `target` up to date with all that lies here; says how much was copied.

        Raises:
            Unavailable: `target` cannot be written.
            InsufficientStorage: its disk is full.
        """

    async def close(self) -> None:
        """Finish what was begun."""
