"""The catalogue as it governs clients: a `smart.clients.governing.Governing` over its apps and consents."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from fhir_server.smart.clients.governing import Card, Offer
from fhir_server.smart.clients.registered import Client
from fhir_server.smart.people.accounts import Account
from fhir_server.space.catalogue import clients
from fhir_server.space.catalogue.apps import App
from fhir_server.space.catalogue.consents import Consents
from fhir_server.space.catalogue.drafts import AppDrafts
from fhir_server.space.catalogue.purpose_consent import to_card, to_offers
from fhir_server.space.catalogue.registry import Catalogue
from fhir_server.space.catalogue.token_rights import AppRights


class AppGovernance:
    """What the catalogue of one opened store says of the clients that its apps are.

    Attributes:
        drafts: apps that registered themselves.
        management: path of "Mes applications".
    """

    management: str | None = "/mes-applications"

    def __init__(self, catalogue: Catalogue, consents: Consents) -> None:
        """Both of one store."""
        self.drafts = AppDrafts(catalogue)
        self._catalogue = catalogue
        self._consents = consents
        self._rights = AppRights(catalogue, consents)

    async def client(self, client_id: str) -> Client | None:
        """The client that an app's file makes; None without such an app."""
        return await clients.filed(self._catalogue, client_id)

    async def governed(self, client: Client) -> Client:
        """The client as its app makes it now."""
        return await clients.governed(self._catalogue, client)

    async def governed_each(self, found: Sequence[Client]) -> list[Client]:
        """The clients as their apps make them now, same order."""
        return await clients.governed_each(self._catalogue, found)

    async def card(self, client: Client) -> Card | None:
        """The app and its publisher, as people are shown them."""
        app = await self._app(client)
        return to_card(app, await self._catalogue.publisher(app)) if app is not None else None

    async def held(
        self, client: Client, scope: Sequence[str], account: Account | None, patient: str | None
    ) -> tuple[str, ...]:
        """What purposes, consents and the app's status leave of the scopes."""
        return await self._rights.held(await self._app(client), scope, account, patient)

    async def admits(self, client: Client, account: Account, patient: str | None, scope: Sequence[str]) -> bool:
        """Whether the app is for people like this one, on this patient (id)."""
        return await self._rights.admits(await self._app(client), account, patient, scope)

    async def opens_unasked(self, client: Client) -> bool:
        """Whether it is a professionals' tool on line: the commission accepted its purposes (bouquet de services)."""
        app = await self._app(client)
        return app is not None and app.audience == "professional" and app.status == "EN_LIGNE"

    async def offers(self, client: Client, patient: str, asked: Sequence[str]) -> tuple[Offer, ...] | None:
        """The app's purposes of which something is asked, as the patient (id) decided on them."""
        app = await self._app(client)
        return to_offers(app, await self._consents.decided(patient, app), asked) if app is not None else None

    async def decide(
        self, client: Client, patient: str, shown: Collection[str], accepted: Collection[str], performer: str
    ) -> None:
        """Keep the patient's decision on each purpose shown."""
        app = await self._app(client)
        if app is not None:
            await self._consents.decide(patient, app, accepted, performer, shown)

    async def _app(self, client: Client) -> App | None:
        """The app that the client is; None when it is not of the catalogue, or no more there."""
        found = await self._catalogue.get(client.device) if client.device is not None else None
        return found if found is not None and found.client == client.id else None
