"""Clients of which some are governed by a service: those are what it says they are, and no more.

The client record keeps how the software proves who it is. Its name, where it is launched and comes back to, the most it
may ask for and whether it gets tokens at all are the service's to say. A client of the service's own, that never
registered, has its record made when it is first asked for.
"""

from __future__ import annotations

from fhir_server.smart.clients.governing import Governing
from fhir_server.smart.clients.registered import Client, RecordedClients
from fhir_server.store.protocol import Records

#: Longest client id that is looked for, in characters.
_LONGEST = 200


class GovernedClients(RecordedClients):
    """Clients kept in the records, as the service that governs them makes them. `list` gives them as recorded."""

    def __init__(self, records: Records, governing: Governing) -> None:
        """`governing` is over the same store."""
        super().__init__(records)
        self._governing = governing

    async def get(self, client_id: str) -> Client | None:
        """The client, whatever its status, as it is governed now; None when there is none."""
        found = await super().get(client_id) or await self._own(client_id)
        if found is None or found.device is None:
            return found
        made = await self._governing.governed(found)
        if made.redirect_uris != found.redirect_uris:
            # Kept too: the origins that may call from a browser are those of the records.
            await self.revise(found.id, redirect_uris=made.redirect_uris)
        return made

    async def all(self) -> list[Client]:
        """Every client that is recorded, by id, as `get` would give it."""
        recorded = await self.list()
        made = await self._governing.governed_each([one for one in recorded if one.device is not None])
        known = {one.id: one for one in made}
        return [known.get(one.id, one) for one in recorded]

    async def _own(self, client_id: str) -> Client | None:
        """A client of the service's own; kept when it is first asked for."""
        made = await self._governing.client(client_id) if 0 < len(client_id) <= _LONGEST else None
        if made is None:
            return None
        # Of several workers one keeps it, and all go on with what was kept.
        return made if await self.add(made) else await super().get(client_id)
