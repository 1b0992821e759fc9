"""An opened storage engine: what it stores, and what operating it takes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Protocol

from fhir_server.store.notes import News
from fhir_server.store.protocol import Position, Records, Store


class Maintenance(Protocol):
    """Looking after data that only this server knows."""

    async def backup(self, target: Path) -> None:
        """A consistent copy at `target`, while writing goes on.

        Raises:
            Unavailable: `target` cannot be written.
            InsufficientStorage: its disk is full.
        """

    def check(self) -> AsyncIterator[str]:
        """Each defect found in what is stored, in words; nothing when it is sound."""


class Engine(Protocol):
    """An opened engine: both protocols, and what operating it takes."""

    @property
    def store(self) -> Store:
        """Resources, in all their versions."""

    @property
    def records(self) -> Records:
        """Short-lived and secret things."""

    @property
    def maintenance(self) -> Maintenance | None:
        """What looks after the data; None where its keeper's own tools do, as on a database server."""

    @property
    def pending(self) -> int:
        """How many writes of this process wait for the store."""

    async def changes(
        self, after: Position | None, types: Sequence[str] = (), kinds: Sequence[str] = (), count: int = 1_000
    ) -> News:
        """What was committed after `after`, by any process: `Store.changes`, and beside it changes of records.

        One journey tells both. Of each at most `count`; whoever goes on from `position` misses nothing, across restarts
        too, or is told so (`News.whole`).

        Args:
            after: the position of an earlier answer; None: from now on, so nothing yet.
            types: only versions of these; of all when empty.
            kinds: only records of these; of all that are noted (`notes.NOTED`) when empty.
            count: at most this many of each.

        Raises:
            InvalidParameter: `after` is no position of this store.
        """

    async def unwritable(self) -> str | None:
        """Why nothing can be written now, in words without a path; None while writes are taken."""

    async def close(self) -> None:
        """Finish what was accepted, then let go of the files."""
