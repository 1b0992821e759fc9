"""How far a simulation has come, kept in the store it fills: what it is of, and what of it is durable."""

from __future__ import annotations

import msgspec

from fhir_server.store.protocol import Records

#: Kind of the records: "state" → `Standing`; "answer CODE" → what an indicator said on its day, as `figures.Answer`.
SIMULATION = "simulation"
_STATE = "state"


class Standing(msgspec.Struct, frozen=True):
    """A simulation and its place.

    Attributes:
        random_seed, scale, first: what it is of; `first` in months since the year 0.
        month, phase, part: the month, which of its phases, and how many parts of that are durable.
    """

    random_seed: int
    scale: float
    first: int
    month: int
    phase: int = 0
    part: int = 0

    def is_of(self, other: Standing) -> bool:
        """Whether both are the same simulation."""
        return (self.random_seed, self.scale, self.first) == (other.random_seed, other.scale, other.first)


class Journal:
    """The place of the one simulation of a store."""

    def __init__(self, records: Records) -> None:
        """Kept in the store's own records."""
        self._records = records

    async def standing(self) -> Standing | None:
        """Where it is; None where there was none."""
        kept = await self._records.get(SIMULATION, _STATE)
        return None if kept is None else msgspec.json.decode(kept, type=Standing)

    async def keep(self, standing: Standing) -> None:
        """Write it down; durable when this returns."""
        await self._records.put(SIMULATION, _STATE, msgspec.json.encode(standing))

    async def answer(self, code: str) -> bytes | None:
        """What was kept of a figure; None where nothing was."""
        return await self._records.get(SIMULATION, f"answer {code}")

    async def keep_answer(self, code: str, answer: bytes) -> None:
        """Keep what an indicator said."""
        await self._records.put(SIMULATION, f"answer {code}", answer)
