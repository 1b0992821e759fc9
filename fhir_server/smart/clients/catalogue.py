"""Clients of which some are apps of the catalogue: those are what their Device says, and no more.

The client record keeps how the app proves who it is; its name, where it is launched, the most it may ask for and
whether it gets tokens at all are the app's own record: no token without a status that allows it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from fhir_server.smart.clients.registered import Client, RecordedClients
from fhir_server.smart.scopes import SPECIAL
from fhir_server.space.catalogue import rights
from fhir_server.space.catalogue.apps import App
from fhir_server.space.catalogue.catalogue import Catalogue
from fhir_server.store.protocol import Records


class CatalogueClients(RecordedClients):
    """Clients kept in the records, governed by the catalogue. `list` gives them as recorded."""

    def __init__(self, records: Records, catalogue: Catalogue) -> None:
        """`catalogue` is of the same store."""
        super().__init__(records)
        self._catalogue = catalogue

    async def get(self, client_id: str) -> Client | None:
        """The client, whatever its status; one of the catalogue as its app makes it."""
        found = await super().get(client_id)
        if found is None or found.device is None:
            return found
        return governed(found, await self._catalogue.get(found.device), datetime.now(UTC))


def governed(client: Client, app: App | None, now: datetime) -> Client:
    """The client as the app of the catalogue that it is.

    Suspended where the app is gone, belongs to another client id, or has a status that lets nobody in. One that was
    registered as a draft gets what its app's status allows: in pre-series, synthetic patients only.
    """
    if app is None or app.client != client.id:
        return replace(client, status="suspended", scopes=())
    special = [one for one in client.scopes if one in SPECIAL]
    lets_in = client.status != "suspended" and rights.opens(app, now)
    return replace(
        client,
        status="active" if lets_in else "suspended",
        name=app.name or client.name,
        launch_uri=app.launch_uri or client.launch_uri,
        scopes=(*special, *rights.allowed(app, None, now)),
    )
