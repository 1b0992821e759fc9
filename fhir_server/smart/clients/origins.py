"""The web origins of registered apps: their pages may call this server from a browser.

https://hl7.org/fhir/smart-app-launch/app-launch.html#considerations-for-cross-origin-resource-sharing-cors-support
"""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from fhir_server.changes.follower import Follower
from fhir_server.changes.outdated import Name, Outdated
from fhir_server.smart.clients.registered import Client, RecordedClients
from fhir_server.store.protocol import Records


class Origins:
    """One worker's view of them: read when a browser first asks, then client by client as these change."""

    def __init__(self, records: Records, follower: Follower | None = None) -> None:
        """`follower` says which clients change; without one all are read each time."""
        self._clients = RecordedClients(records)
        self._of_client: dict[str, frozenset[str]] = {}
        self._known: frozenset[str] | None = None
        self._outdated = Outdated()
        self._renewing = asyncio.Lock()
        self._followed = follower is not None
        if follower is not None:
            follower.subscribe(self._outdated.hear, kinds=("client",), then=self._follow)

    async def known(self) -> frozenset[str]:
        """Scheme, host and port of every redirect URI of the clients that may get tokens, drafts among them."""
        if self._known is None or not self._followed:
            self._outdated.hear(None)
            await self._renew()
        return self._known or frozenset()

    async def _follow(self) -> None:
        if self._known is not None:
            await self._renew()

    async def _renew(self) -> None:
        async with self._renewing:
            taken = self._outdated.take()
            try:
                clients = await self._changed(taken)
            except BaseException:
                self._outdated.back(taken)
                raise
            if taken is None:
                self._of_client = {}
            for id, client in clients.items():
                self._of_client.pop(id, None)
                if client is not None and client.status != "suspended":
                    self._of_client[id] = frozenset(found for uri in client.redirect_uris if (found := of(uri)))
            self._known = frozenset[str]().union(*self._of_client.values())

    async def _changed(self, names: set[Name] | None) -> dict[str, Client | None]:
        if names is None:
            return {client.id: client for client in await self._clients.list()}
        return {id: await self._clients.get(id) for _, id in names}


def of(uri: str) -> str:
    """The origin of a web address as browsers send it; "" when it is none, such as an app's own scheme."""
    parts = urlsplit(uri)
    default = {"http": ":80", "https": ":443"}.get(parts.scheme)
    return f"{parts.scheme}://{parts.netloc.lower().removesuffix(default)}" if default else ""
