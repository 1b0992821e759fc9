"""The web origins of registered apps: their pages may call this server from a browser.

https://hl7.org/fhir/smart-app-launch/app-launch.html#considerations-for-cross-origin-resource-sharing-cors-support
"""

from __future__ import annotations

import time
from urllib.parse import urlsplit

from fhir_server.smart.clients.registered import RecordedClients
from fhir_server.store.protocol import Records

#: Clients are read again this often, in seconds, and only when a browser asks.
LOOK = 2.0


class Origins:
    """One worker's view of them."""

    def __init__(self, records: Records) -> None:
        """Nothing is read until it is asked for."""
        self._clients = RecordedClients(records)
        self._known: frozenset[str] = frozenset()
        self._looked = float("-inf")

    async def known(self) -> frozenset[str]:
        """Scheme, host and port of every redirect URI of the clients that may get tokens, drafts among them."""
        if time.monotonic() - self._looked > LOOK:
            clients = await self._clients.list()
            uris = (uri for client in clients if client.status != "suspended" for uri in client.redirect_uris)
            self._known = frozenset(origin for uri in uris if (origin := of(uri)))
            self._looked = time.monotonic()
        return self._known


def of(uri: str) -> str:
    """The origin of a web address as browsers send it; "" when it is none, such as an app's own scheme."""
    parts = urlsplit(uri)
    default = {"http": ":80", "https": ":443"}.get(parts.scheme)
    return f"{parts.scheme}://{parts.netloc.lower().removesuffix(default)}" if default else ""
