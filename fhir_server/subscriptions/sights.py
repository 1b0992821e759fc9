"""What subscribers may see, asked once for all Subscriptions of one authorization, however many these are.

R4 subscription.html, "Safety and Security": rights are those of the moment at which somebody is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fhir_server.access.grant import Grant, Held
from fhir_server.access.repository import Repository
from fhir_server.subscriptions.kept import Holder, Queued

if TYPE_CHECKING:
    from fhir_server.subscriptions.surroundings import Surroundings

#: A version: type, id, number.
Numbered = tuple[str, str, int]


async def rights_of(around: Surroundings, holder: Holder) -> Grant | None:
    """What a subscriber may do now; None where nothing is left of what they were granted."""
    return await around.renewed(holder.held)


class Sights:
    """What the subscribers of one batch of changes see: as old as the batch, and not to be kept."""

    def __init__(self, around: Surroundings) -> None:
        """Nothing is asked yet."""
        self._around = around
        self._known: dict[tuple[Held, str], Repository | None] = {}

    async def of(self, holder: Holder) -> Repository | None:
        """The store as a subscriber may see it; None where nothing is left of what they were granted."""
        key = (holder.held, holder.base)
        if key not in self._known:
            rights = await rights_of(self._around, holder)
            self._known[key] = None if rights is None else await self._around.seen_by(rights, holder.base)
        return self._known[key]


async def shown(seen: Repository, found: Sequence[Queued]) -> set[Numbered]:
    """Which of some versions may be told of now.

    Of what is there the resource may be read as it is now; of what was deleted, as it was.
    """
    ended = [(one.type, one.id, one.version) for one in found if one.deleted]
    there = await seen.there(list(dict.fromkeys((one.type, one.id) for one in found if not one.deleted)))
    past = await seen.ended(ended) if ended else ()
    return {(one.type, one.id, one.version) for one in found if not one.deleted and (one.type, one.id) in there} | {
        key for key, one in zip(ended, past, strict=False) if one is not None
    }
