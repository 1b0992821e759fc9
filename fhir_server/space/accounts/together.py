"""Many spaces moved in one commit, each by the same rule as alone: what the clock does to waves, and notices in bulk.

Several hundred spaces are one commit, so that a process that dies has done some of them whole, and the next goes on.
"""

from __future__ import annotations

from collections.abc import Mapping

from fhir_server.access.repository import Repository
from fhir_server.fhir.outcome import Invalid
from fhir_server.space.accounts import moving
from fhir_server.space.accounts.moving import Asked
from fhir_server.store.protocol import Put, Stale

#: Spaces of one commit.
TOGETHER = 250


async def move_together(own: Repository, asked: Mapping[str, Asked]) -> int:
    """Have it happen in one commit, or to each alone where somebody was at one of them.

    Args:
        own: the server's own sight.
        asked: patient (id) → what shall happen to their space; `TOGETHER` at most.

    Returns:
        To how many it did: not to those whom somebody was faster with, or to whom it cannot happen.
    """
    puts = await _puts(own, asked)
    try:
        await own.transact([put for each in puts for put in each])
        return len(puts)
    except Stale:
        return sum([await _alone(own, patient, one) for patient, one in asked.items()])


async def _puts(own: Repository, asked: Mapping[str, Asked]) -> list[list[Put]]:
    found = []
    for (_, one), space in zip(asked.items(), await moving.found(own, list(asked)), strict=True):
        try:
            if space is not None:
                found.append(await moving.writes(own, space, moving.moved(space, one), one))
        except Invalid:
            # Somebody was faster: it is not to happen any more.
            continue
    return found


async def _alone(own: Repository, patient: str, asked: Asked) -> int:
    try:
        await moving.move(own, patient, asked)
    except Invalid:
        return 0
    return 1
