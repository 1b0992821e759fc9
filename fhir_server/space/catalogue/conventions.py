"""Apps whose convention has ended leave the public catalogue, for software as for people. CSP R1111-39.

They exchange nothing from that day on whether this has run or not (`catalogue.rights.opens`); a new convention, signed,
brings them back.
"""

from __future__ import annotations

from datetime import datetime

from fhir_server.fhir.outcome import Conflict
from fhir_server.space.catalogue.registry import Catalogue


class Conventions:
    """The conventions of one opened store."""

    def __init__(self, catalogue: Catalogue) -> None:
        """Kept where the catalogue is."""
        self._catalogue = catalogue

    async def end(self, now: datetime) -> int:
        """How many apps left."""
        left = 0
        for app in await self._catalogue.ended(now):
            _, version = await self._catalogue.at(app.id)
            try:
                await self._catalogue.save(app, version, now)
            except Conflict:
                continue  # Somebody changed it meanwhile: the next run looks again.
            left += 1
        return left
